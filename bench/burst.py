"""
A burst of due runs of `true` on the real engine, ours and the official worker's in turns.

All runs of a burst fall due at one moment, when the worker is up and asks every 2 s for what is due (prefetch 0, so that
none starts early). Timing rounds have nothing between the worker and its peers; calls are counted in a round of its
own, through proxies, whose times mean nothing. "Alone" is the engine without any worker: create and start, 1 to 8 at a
time.
"""

import re
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Sequence

from place import Place, end_worker
from process import Watch, cpu_s, memory
from support.engine import POOL_LABEL
from support.prefect_api import FINAL
from support.proxy import Proxy
from support.rig import Rig
from support.starts import Starts
from support.workers import Kind

CREATE_S = 0.12  # of making one run, at worst
START_LIMIT_S = 180.0
REPORT_LIMIT_S = 60.0
QUIET_S = 5.0
# Calls a worker makes without any run; they depend on how long the burst takes.
BACKGROUND = re.compile(r"/work_pools/|/_ping|/v[0-9.]+/events|/containers/json")


@dataclass
class Round:
    kind: Kind
    runs: int
    started: int = 0
    twice: int = 0
    first_to_last_s: float = 0.0
    due_to_start_s: list[float] = field(default_factory=list)
    cpu_s: float = 0.0
    peak_anon_kb: int = 0
    peak_kb: int = 0
    ended_as: Counter[str] = field(default_factory=Counter)
    never_started: int = 0  # containers that were made and not started
    left: str = ""
    engine_calls: dict[str, int] = field(default_factory=dict)
    api_calls: dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return (self.started - 1) / self.first_to_last_s if self.first_to_last_s > 0 else 0.0

    def quantile(self, share: float) -> float:
        ordered = sorted(self.due_to_start_s)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def create_runs(rig: Rig, runs: int, network: str = "host") -> tuple[list[str], float]:
    """Runs that fall due together, all made before; their ids and that moment."""
    deployment = rig.deploy("true", job_variables={"network_mode": network, "stream_output": False})
    due_in_s = 3.0 + CREATE_S * runs
    due_s = time.time() + due_in_s
    with ThreadPoolExecutor(4) as threads:
        made = threads.map(lambda _: rig.api.create_run(deployment, due_s - time.time()), range(runs))
        return list(made), due_s


def wait_for_starts(starts: Starts, runs: int, due_s: float) -> None:
    """Until all have ended, or nothing has started for long."""
    last, changed_s = 0, time.time()
    while len(starts.ended) < runs and time.time() < due_s + START_LIMIT_S:
        time.sleep(0.2)
        if len(starts.started) != last:
            last, changed_s = len(starts.started), time.time()
        if time.time() > max(changed_s, due_s) + 45:
            return


def wait_for_reports(rig: Rig, ids: list[str]) -> Counter[str]:
    """How the runs ended at the server. `true` never starts its flow, so only a worker's report ends a run."""
    give_up_s = time.time() + (QUIET_S if rig.is_official else REPORT_LIMIT_S)
    while True:
        states = Counter(f"{run['state_type']} {run['state_name']}" for run in rig.api.runs(rig.pool))
        open_runs = sum(n for state, n in states.items() if state.split(" ")[0] not in FINAL)
        if (sum(states.values()) >= len(ids) and open_runs == 0) or time.time() > give_up_s:
            return states
        time.sleep(0.5)


def settle(rig: Rig, starts: Starts, result: Round, ids: list[str], due_s: float) -> None:
    wait_for_starts(starts, result.runs, due_s)
    result.ended_as = wait_for_reports(rig, ids)
    firsts = [times[0] for times in starts.started.values()]
    result.started = len(firsts)
    result.twice = sum(len(times) > 1 for times in starts.started.values())
    result.never_started = sum(c["State"] == "created" for c in rig.engine.containers(rig.pool))
    if firsts:
        result.first_to_last_s = max(firsts) - min(firsts)
        result.due_to_start_s = [at_s - due_s for at_s in firsts]


def one_round(place: Place, kind: Kind, runs: int, count_calls: bool) -> Round:
    result = Round(kind, runs)
    with place.rig(kind) as rig:
        proxies: list[Proxy] = [rig.proxy_engine(), rig.proxy_api()] if count_calls else []
        worker = rig.start_worker("--prefetch-seconds", "0")
        starts = Starts(place.engine.host, rig.pool)
        try:
            ids, due_s = create_runs(rig, runs)
            if time.time() > due_s:
                print("making the runs took longer than expected: some fell due before the last was made", flush=True)
            time.sleep(max(0.0, due_s - 0.5 - time.time()))
            seen = [len(proxy.calls) for proxy in proxies]
            cpu_before_s = cpu_s(worker.pid)
            watch = Watch(worker.pid)
            settle(rig, starts, result, ids, due_s)
            result.cpu_s = cpu_s(worker.pid) - cpu_before_s
            result.peak_anon_kb = watch.stop()
            result.peak_kb = memory(worker.pid).peak_kb
            if proxies:
                result.engine_calls = count(proxies[0], seen[0])
                result.api_calls = count(proxies[1], seen[1])
            result.left = end_worker(worker)
        finally:
            starts.close()
    return result


def count(proxy: Proxy, seen: int) -> dict[str, int]:
    del proxy.calls[:seen]
    return proxy.counts()


def engine_alone(place: Place, image: str, runs: int, in_flight: int) -> float:
    """Starts a second of the engine itself, `true` on the host network, so many calls in flight."""
    pool = f"bench-alone-{in_flight}"
    body = {"Image": image, "Cmd": ["true"], "HostConfig": {"NetworkMode": "host"}, "Labels": {POOL_LABEL: pool}}

    def start(number: int) -> float:
        made = place.engine.call("POST", "/containers/create", body, name=f"{pool}-{number}")
        place.engine.call("POST", f"/containers/{made['Id']}/start")
        return time.monotonic()

    try:
        with ThreadPoolExecutor(in_flight) as threads:
            at_s = sorted(threads.map(start, range(runs)))
        return (runs - 1) / (at_s[-1] - at_s[0])
    finally:
        for container in place.engine.containers(pool):
            place.engine.remove(container["Id"])


def per_run(counts: dict[str, int], runs: int) -> tuple[float, float]:
    """Calls a run, and background calls in all."""
    background = sum(n for name, n in counts.items() if BACKGROUND.search(name))
    return (sum(counts.values()) - background) / runs, background


def print_round(result: Round) -> None:
    ended = ", ".join(f"{n} {state}" for state, n in result.ended_as.most_common())
    print(
        f"| {result.kind} | {result.started}/{result.runs} | {result.runs - result.started} | {result.twice} "
        f"| {result.rate:.2f} | {result.quantile(0.5):.1f} | {result.quantile(0.95):.1f} | {result.quantile(1.0):.1f} "
        f"| {1000 * result.cpu_s / result.runs:.2f} | {result.peak_anon_kb / 1024:.1f} / {result.peak_kb / 1024:.1f} "
        f"| {ended} | {result.left} |",
        flush=True,
    )


def print_calls(result: Round) -> None:
    engine, engine_background = per_run(result.engine_calls, result.runs)
    api, api_background = per_run(result.api_calls, result.runs)
    print(f"\n{result.kind}: {engine:.2f} engine calls a run (and {engine_background} without a run), ", end="")
    print(f"{api:.2f} API calls a run (and {api_background} without a run); {result.started}/{result.runs} started")
    for name, counts in (("engine", result.engine_calls), ("API", result.api_calls)):
        for call, number in counts.items():
            print(f"    {name:6} {number:5} {call}")
    print(end="", flush=True)


def print_summary(rounds: list[Round]) -> None:
    for kind in dict.fromkeys(result.kind for result in rounds):
        mine = [result for result in rounds if result.kind == kind]
        rates = ", ".join(f"{result.rate:.2f}" for result in mine)
        print(
            f"{kind}: starts/s {rates} (median {statistics.median(r.rate for r in mine):.2f}); "
            f"due to start p50 {statistics.median(r.quantile(0.5) for r in mine):.1f} s, "
            f"p95 {statistics.median(r.quantile(0.95) for r in mine):.1f} s; "
            f"CPU {statistics.median(1000 * r.cpu_s / r.runs for r in mine):.2f} ms a run"
        )


def measure(place: Place, kinds: Sequence[Kind], runs: int, turns: int) -> None:
    print(f"\n## Burst of {runs} due runs of `true`, {turns} turns; {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC\n")
    version = place.engine.call("GET", "/version")
    print(f"Docker Engine {version['Version']} (API {version['ApiVersion']})", flush=True)
    with place.rig("sluice") as rig:
        image = rig.images.busybox
    for in_flight in (1, 3, 8):
        print(f"engine alone, {in_flight} in flight: {engine_alone(place, image, runs, in_flight):.2f} starts/s", flush=True)
    print("\n| worker | started | lost | twice | starts/s | due to start p50, s | p95, s | last, s | CPU a run, ms ", end="")
    print("| peak RssAnon / VmRSS, MB | ended as | left |\n|---|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    rounds = []
    for _ in range(turns):
        for kind in kinds:
            rounds.append(one_round(place, kind, runs, count_calls=False))
            print_round(rounds[-1])
    print()
    print_summary(rounds)
    print("\n### Calls (a round of its own, through counting proxies)", flush=True)
    for kind in kinds:
        print_calls(one_round(place, kind, runs, count_calls=True))
