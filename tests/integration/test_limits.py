"""Who goes first, how many at once, and who not at all: A40, A41, A42, D32."""

from datetime import datetime

import pytest

from support.prefect_api import FINAL, parse_time
from support.proxy import Proxy
from support.rig import Rig
from support.waiting import wait_until

Span = tuple[datetime, datetime]


def most_at_once(spans: list[Span]) -> int:
    """How many of these spans overlapped at the worst moment; one that ends as another begins does not."""
    steps = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


def slot_span(rig: Rig, run_id: str) -> Span:
    """From PENDING to its end: the time in which a run counts against the limits of pool and queue."""
    states = rig.api.states(run_id)
    start = next(parse_time(s["timestamp"]) for s in states if s["type"] == "PENDING")
    end = next(parse_time(s["timestamp"]) for s in states if s["type"] in FINAL)
    return start, end


def container_span(rig: Rig, run_id: str) -> Span:
    state = rig.engine.only_one(rig.pool, run_id)["State"]
    return tuple(parse_time(state[key]) for key in ("StartedAt", "FinishedAt"))


@pytest.mark.timeout(300)
def test_a40_queue_priority(rig: Rig) -> None:
    rig.make_pool()
    rig.api.create_queue(rig.pool, "low", priority=2)
    rig.api.create_queue(rig.pool, "high", priority=1)
    # The less important runs have waited longer.
    low = [rig.api.create_run(rig.deploy(queue="low"), due_in_s=-60) for _ in range(5)]
    high = [rig.api.create_run(rig.deploy(queue="high"), due_in_s=-1) for _ in range(5)]
    rig.start_worker("--limit", "1")
    runs = rig.api.wait_for_all(rig.pool, low + high, timeout_s=180)
    assert {run["state_type"] for run in runs.values()} == {"COMPLETED"}
    last_high = max(slot_span(rig, run)[0] for run in high)
    first_low = min(slot_span(rig, run)[0] for run in low)
    assert last_high < first_low
    assert most_at_once([container_span(rig, run) for run in low + high]) == 1


def test_a41_pool_and_queue_limits(rig: Rig) -> None:
    rig.make_pool(limit=2)
    rig.api.create_queue(rig.pool, "narrow", concurrency_limit=1)
    narrow = [rig.api.create_run(rig.deploy("run-flow 1", queue="narrow")) for _ in range(3)]
    wide = [rig.api.create_run(rig.deploy("run-flow 1")) for _ in range(3)]
    rig.start_worker()
    runs = rig.api.wait_for_all(rig.pool, narrow + wide)
    assert {run["state_type"] for run in runs.values()} == {"COMPLETED"}
    assert most_at_once([slot_span(rig, run) for run in narrow + wide]) == 2
    assert most_at_once([slot_span(rig, run) for run in narrow]) == 1


@pytest.mark.timeout(300)
@pytest.mark.beyond_official("knows no classes, and sees no run behind the first 200")
def test_runs_at_their_limit_hide_nobody(rig: Rig) -> None:
    rig.make_pool()
    blocked = rig.create_runs(rig.deploy("run-flow 600", flow="crowd"), 210, due_in_s=-60)
    behind = rig.api.create_run(rig.deploy())
    worker = rig.start_worker(config="[class crowd]\nmatch_deployment = crowd-*\nrunning = 1\n")
    rig.api.wait_for_state(behind, "COMPLETED")

    def queued() -> int:
        return worker.ask_state("SELECT count(*) FROM launches WHERE state = 'QUEUED'")[0][0]

    wait_until(lambda: queued() == len(blocked) - 1, "all others in the queue")
    waiting = [run["id"] for run in rig.api.runs(rig.pool) if run["state_type"] == "SCHEDULED"]
    assert len(waiting) == len(blocked) - 1
    # What leaves the server's queue leaves ours, wherever it stands.
    for run in waiting[::20]:
        rig.api.cancel(run)
    left = len(waiting) - len(waiting[::20])
    wait_until(lambda: queued() == left, f"all but {left} to leave the queue", timeout_s=120)


def wait_for_two_rounds(rig: Rig, proxy: Proxy) -> None:
    """Until the worker has asked twice more for runs, or twice more for the pool, so it had its chance to claim."""
    polls = r"get_scheduled_flow_runs$"
    before = len(proxy.seen("POST", polls)), len(proxy.seen("GET", f"/work_pools/{rig.pool}$"))

    def look() -> bool:
        now = len(proxy.seen("POST", polls)), len(proxy.seen("GET", f"/work_pools/{rig.pool}$"))
        return now[0] >= before[0] + 2 or now[1] >= before[1] + 2

    wait_until(look, "two more rounds of the worker")


def test_a42_paused_pool_and_queue(rig: Rig) -> None:
    rig.make_pool()
    proxy = rig.proxy_api()
    rig.start_worker()
    rig.api.change_pool(rig.pool, is_paused=True)
    run = rig.api.create_run(rig.deploy())
    wait_for_two_rounds(rig, proxy)
    assert proxy.seen("POST", "/set_state$") == []
    rig.api.change_pool(rig.pool, is_paused=False)
    rig.api.wait_for_state(run, "COMPLETED")

    rig.api.create_queue(rig.pool, "q", is_paused=True)
    run = rig.api.create_run(rig.deploy(queue="q"))
    before = len(proxy.seen("POST", "/set_state$"))
    wait_for_two_rounds(rig, proxy)
    assert len(proxy.seen("POST", "/set_state$")) == before
    rig.api.change_queue(rig.pool, "q", is_paused=False)
    rig.api.wait_for_state(run, "COMPLETED")


@pytest.mark.beyond_official("has no rate of starts")
def test_starts_take_tokens_of_a_global_concurrency_limit(rig: Rig) -> None:
    """Two workers of two pools would be two hosts; one is enough to see that the server's rate is kept."""
    name = f"starts-{rig.pool}"
    limit = {"name": name, "limit": 2, "slot_decay_per_second": 1.0, "active": True}
    rig.api.call("POST", "/v2/concurrency_limits/", limit)
    rig.make_pool()
    rig.start_worker(config=f"[limits]\nshared_limit = {name}\n")
    runs = rig.create_runs(rig.deploy(), 8)
    rig.api.wait_for_all(rig.pool, runs)
    times = sorted(rig.starts.started[run][0] for run in runs)
    # A burst of 2 and one a second; a token may be a few hundred ms old when its container starts.
    assert times[-1] - times[0] >= 5.0
    for index in range(len(times) - 4):
        assert times[index + 4] - times[index] >= 1.5
