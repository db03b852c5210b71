"""Memory and CPU of workers that have nothing to do."""

import time
from contextlib import ExitStack
from typing import Sequence

from place import Place, end_worker
from process import cpu_s, memory
from support.workers import Kind

# Start-up work is not idleness.
SETTLE_S = 5.0
# Both poll and beat as they do by default: every 10 s and every 30 s.
INTERVALS = {"PREFECT_WORKER_QUERY_SECONDS": "10", "PREFECT_WORKER_HEARTBEAT_SECONDS": "30"}


def measure(place: Place, kinds: Sequence[Kind], seconds: float) -> None:
    print(f"\n## Idle for {seconds:g} s, empty pool, default intervals\n")
    print("| worker | RssAnon | VmRSS | CPU |\n|---|---|---|---|", flush=True)
    with ExitStack() as stack:
        rigs = [stack.enter_context(place.rig(kind)) for kind in kinds]
        workers = [rig.start_worker(environment=INTERVALS) for rig in rigs]
        time.sleep(SETTLE_S)
        before = [cpu_s(worker.pid) for worker in workers]
        time.sleep(seconds)
        for kind, worker, start in zip(kinds, workers, before):
            share = (cpu_s(worker.pid) - start) / seconds
            now = memory(worker.pid)
            print(f"| {kind} | {now.anon_kb / 1024:.1f} MB | {now.all_kb / 1024:.1f} MB | {share:.3%} |", flush=True)
        for worker in workers:
            end_worker(worker)
