"""Many runs, and calls that fail: A71, A78, A80."""

import time
from pathlib import Path
from typing import Any

import pytest

from support.faults import RandomFaults, Rule
from support.pace import Pace
from support.rig import Rig
from support.waiting import wait_until
from test_limits import most_at_once

EXITED = "Flow run infrastructure exited with non-zero status code"
OFTEN = {"PREFECT_WORKER_QUERY_SECONDS": "0.5", "DOCKER_CLIENT_TIMEOUT": "5", "PREFECT_API_REQUEST_TIMEOUT": "5"}
# What a run could do without: its labels, its container's id at the server, its log lines, its events.
ADORNMENTS = (
    ("PATCH", r"/flow_runs/[^/]+/labels"),
    ("PATCH", r"/flow_runs/[^/]+$"),
    ("POST", r"/logs/$"),
    ("POST", r"/events"),
)
FAILURES: dict[str, dict[str, Any]] = {
    "503": {"action": "answer", "status": 503},
    "500": {"action": "answer", "status": 500},
    "never": {"action": "stall"},
}


@pytest.mark.soak(limit_s=900)
@pytest.mark.timeout(900)
@pytest.mark.beyond_official("reports runs as crashed when labels can't be written")
def test_a78_what_only_adorns_a_run_fails(rig: Rig, pace: Pace) -> None:
    rig.make_pool()
    direct = rig.setup
    runs: list[str] = []
    for name, failure in FAILURES.items():
        # A worker for each kind of failure, with a queue and a proxy of its own.
        rig.setup = direct
        proxy = rig.proxy_api()
        for method, path in ADORNMENTS:
            proxy.add(Rule(method, path, times=None, **failure))
        rig.api.create_queue(rig.pool, name)
        runs += rig.create_runs(rig.deploy(queue=name), pace.pick(6, 34))
        rig.start_worker("--work-queue", name, name=name, environment=OFTEN)
    assert rig.ends(runs, timeout_s=300) == {"COMPLETED": len(runs)}
    rig.check_each_ran_once(runs)
    assert len(rig.engine.containers(rig.pool)) == len(runs)


@pytest.mark.soak(limit_s=900)
@pytest.mark.timeout(900)
@pytest.mark.beyond_official("reports runs as crashed, and leaves containers that were never started")
def test_a80_faults_in_a_tenth_of_all_calls(rig: Rig, pace: Pace, record_property) -> None:  # noqa: ANN001
    rig.make_pool()
    proxies = [rig.proxy_engine(), rig.proxy_api()]
    good = rig.create_runs(rig.deploy(), pace.pick(24, 80))
    bad = rig.create_runs(rig.deploy('sh -c "exit 3"'), pace.pick(8, 20))
    worker = rig.start_worker(environment=OFTEN)
    for seed, proxy in enumerate(proxies):
        proxy.fail_randomly(RandomFaults(0.1, seed))
    ended = rig.api.wait_for_all(rig.pool, good + bad, timeout_s=400)
    assert {ended[run]["state_type"] for run in good} == {"COMPLETED"}
    assert {ended[run]["state"]["message"][: len(EXITED) + 2] for run in bad} == {f"{EXITED} 3"}
    rig.check_each_ran_once(good + bad)
    wait_until(lambda: worker.unfinished() == 0, "the worker to be done with all", timeout_s=90)
    failed = sum((proxy.failed for proxy in proxies), start=type(proxies[0].failed)())
    assert set(failed) == set(RandomFaults.ACTIONS), failed
    record_property("faults", sum(failed.values()))
    record_property("calls", sum(len(proxy.calls) for proxy in proxies))
    for proxy in proxies:
        proxy.clear()


def private_kb(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon")))


@pytest.mark.soak(limit_s=5400)
@pytest.mark.timeout(900)
def test_a71_many_runs_with_a_limit(rig: Rig, pace: Pace, record_property) -> None:  # noqa: ANN001
    count, limit, run_s = pace.pick((40, 8, 1), (1000, 50, 150))
    rig.make_pool()
    often = {"PREFECT_WORKER_QUERY_SECONDS": "0.5"}
    worker = rig.start_worker("--limit", str(limit), environment=pace.pick(often, {"PREFECT_WORKER_QUERY_SECONDS": "10"}))
    runs = rig.create_runs(rig.deploy(f"run-flow {run_s}", job_variables={"stream_output": False}), count)
    memory_kb: list[int] = []
    files: list[int] = []

    def all_through() -> bool:
        if rig.starts.ended:  # from when it has seen all parts of its work
            memory_kb.append(private_kb(worker.pid))
            files.append(worker.open_files())
        return len(rig.starts.ended) == count

    begun_s = time.monotonic()
    wait_until(all_through, "all containers to end", timeout_s=pace.pick(240, 5000), every_s=pace.pick(0.2, 5.0))
    assert rig.ends(runs) == {"COMPLETED": count}
    rig.check_each_ran_once(runs)
    spans = [(rig.starts.started[run][0], rig.starts.ended[run]) for run in runs]
    assert limit - 2 <= most_at_once(spans) <= limit
    # Flat: nine tenths of the last third need no more than those of the first, but for what a few pages more or less
    # make. Above that are moments in which two answers of 200 runs are being read; they have a bound of their own.
    third = len(memory_kb) // 3
    first, last = (sorted(part)[len(part) * 9 // 10] for part in (memory_kb[:third], memory_kb[-third:]))
    assert last <= first + 1024, memory_kb
    assert max(memory_kb) <= 16 * 1024, memory_kb
    assert max(files[-third:]) <= max(files[:third]) + 8
    record_property("runs", count)
    record_property("minutes", f"{(time.monotonic() - begun_s) / 60:.1f}")
    record_property("private memory, kB: nine tenths of the first and last third below", f"{first}, {last}")
    record_property("its highest moment, kB", max(memory_kb))
    record_property("most containers at once", most_at_once(spans))
