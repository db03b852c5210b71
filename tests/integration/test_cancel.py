"""A person cancels, or deletes, in every state of a run: A57, A58, A59, A60, A61, A62, A63, A72."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from support.faults import Rule
from support.pace import Pace
from support.prefect_api import Json, parse_time
from support.rig import Rig
from support.waiting import last, wait_until
from test_limits import most_at_once

OFTEN = {"PREFECT_WORKER_QUERY_SECONDS": "0.5"}
ANNOUNCE = r"/flow_runs/[^/]+$"
START = r"/containers/[^/]+/start$"
PULL = r"/images/create"
PULLED = b'{"status":"Status: Image is up to date"}\r\n'
STOP = r"/containers/[^/]+/stop"
# What the promise allows beyond the grace times: a cancel of a running container is seen within 10 s.
MARGIN_S = 10.0
CONTAINER_GRACE_S = 30.0


def grace_s(pace: Pace) -> float:
    """How long a running container has to handle its cancellation itself."""
    return pace.pick(5.0, 60.0)


def config(pace: Pace, more: str = "") -> str:
    return f"[timeouts]\ncancel_grace = {grace_s(pace):g}s\n{more}"


def cancelled_after_s(rig: Rig, run: str) -> float:
    """Between the cancel and the end, by the server's clock."""
    times: dict[str, datetime] = {}
    for state in rig.api.states(run):
        times[state["type"]] = parse_time(state["timestamp"])
    return (times["CANCELLED"] - times["CANCELLING"]).total_seconds()


def wait_cancelled(rig: Rig, run: str, within_s: float) -> Json:
    """The run, which must end Cancelled within this time and never have been called Crashed."""
    ended = rig.api.wait_for_state(run, "CANCELLED", timeout_s=within_s + 20)
    assert "CRASHED" not in " ".join(rig.api.state_names(run))
    assert cancelled_after_s(rig, run) <= within_s
    return ended


def runs_no_more(rig: Rig, run: str) -> None:
    found = [(c["Names"], c["State"]) for c in rig.engine.of_run(rig.pool, run) if c["State"] in ("running", "created")]
    assert not found, found


@pytest.mark.soak(limit_s=600)
def test_a57_flow_that_handles_its_cancellation(rig: Rig) -> None:
    rig.make_pool()
    proxy = rig.proxy_engine()
    rig.start_worker()
    run = rig.api.create_run(rig.api.create_deployment(rig.pool, "long", job_variables=rig.flow_variables()))
    rig.api.wait_for_state(run, "RUNNING", timeout_s=300)
    rig.api.cancel(run)
    wait_cancelled(rig, run, within_s=CONTAINER_GRACE_S + MARGIN_S)
    wait_until(lambda: rig.engine.only_one(rig.pool, run)["State"]["Status"] == "exited", "the container to end")
    # It was the container's own doing.
    assert proxy.seen("POST", STOP) == []


@pytest.mark.soak(limit_s=600)
@pytest.mark.beyond_official("leaves it CANCELLING until the server gives up")
def test_a58_container_that_is_deaf(rig: Rig, pace: Pace) -> None:
    rig.make_pool()
    proxy = rig.proxy_engine()
    rig.start_worker(environment=OFTEN, config=config(pace))
    deployment = rig.deploy("run-flow told")
    deaf = [rig.api.create_run(deployment) for _ in range(3)]
    for run in deaf:
        rig.api.wait_for_state(run, "RUNNING")
    for run in deaf:
        rig.api.cancel(run)
    for run in deaf:
        wait_cancelled(rig, run, grace_s(pace) + CONTAINER_GRACE_S + MARGIN_S)
        runs_no_more(rig, run)
    stops = proxy.seen("POST", STOP)
    assert len(stops) == len(deaf)
    assert all(call.path.endswith("t=30") for call in stops), [call.path for call in stops]


@pytest.mark.soak(limit_s=600)
@pytest.mark.beyond_official("leaves it CANCELLING, or lets the container start")
def test_a59_cancel_before_create_and_before_start(rig: Rig) -> None:
    rig.make_pool()
    engine = rig.proxy_engine()
    api = rig.proxy_api()
    # With one launch at a time the second container waits, made, for the first one's start.
    rig.start_worker(environment=OFTEN, config="[limits]\nlaunching = 1\n")
    announce = api.add(Rule("PATCH", ANNOUNCE, "hold_answer", body="infrastructure_pid"))
    made = rig.api.create_run(rig.deploy())
    announce.wait_caught()
    start = engine.add(Rule("POST", START, "hold"))
    first = rig.api.create_run(rig.deploy())
    start.wait_caught()
    announce.let_go()
    pull = engine.add(Rule("POST", PULL, "hold"))
    pulled = rig.api.create_run(rig.deploy(job_variables={"image_pull_policy": "Always"}))
    pull.wait_caught()
    assert rig.engine.only_one(rig.pool, made)["State"]["Status"] == "created"
    for run in (made, pulled):
        rig.api.cancel(run)
    for run in (made, pulled):
        wait_cancelled(rig, run, within_s=10.0)
        assert rig.engine.of_run(rig.pool, run) == []
        assert run not in rig.starts.started
    pull.drop()
    start.let_go()
    rig.api.wait_for_state(first, "COMPLETED")


@pytest.mark.soak(limit_s=600)
@pytest.mark.beyond_official("leaves it CANCELLING until the server gives up")
def test_a59_cancel_just_after_the_start(rig: Rig, pace: Pace) -> None:
    rig.make_pool()
    rig.start_worker(environment=OFTEN, config=config(pace))
    # Started, and the flow will never say that it runs.
    run = rig.api.create_run(rig.deploy("sh -c \"trap 'exit 143' TERM; sleep 600 & wait\""))
    wait_until(lambda: rig.starts.started.get(run), "the container to start")
    assert rig.api.run(run)["state_type"] == "PENDING"
    rig.api.cancel(run)
    wait_cancelled(rig, run, grace_s(pace) + MARGIN_S)
    runs_no_more(rig, run)


@pytest.mark.soak(limit_s=600)
@pytest.mark.beyond_official("looks at start_time, and does nothing")
def test_a60_cancel_of_a_retried_run(rig: Rig) -> None:
    rig.make_pool()
    engine = rig.proxy_engine()
    engine.add(Rule("POST", PULL, "answer", status=200, answer=PULLED))
    pull = engine.add(Rule("POST", PULL, "hold", times=None))
    rig.start_worker(environment=OFTEN)
    run = rig.api.create_run(rig.deploy("run-flow told", job_variables={"image_pull_policy": "Always"}))
    rig.api.wait_for_state(run, "RUNNING")
    rig.engine.tell(rig.engine.only_one(rig.pool, run)["Id"], "3")
    rig.api.wait_for_state(run, "CRASHED")
    rig.may_start_again.add(run)
    rig.api.set_state(run, "SCHEDULED", name="AwaitingRetry")
    pull.wait_caught()
    assert rig.api.run(run)["start_time"] is not None
    assert rig.api.run(run)["state_type"] == "PENDING"
    rig.api.cancel(run)
    rig.api.wait_for_state(run, "CANCELLED", timeout_s=30)
    assert cancelled_after_s(rig, run) <= 10.0
    pull.drop()
    # The container of the first try is the only one.
    assert len(rig.starts.started[run]) == 1
    rig.engine.only_one(rig.pool, run)


@pytest.mark.soak(limit_s=600)
@pytest.mark.beyond_official("leaves it CANCELLING until the server gives up")
def test_a61_cancel_of_a_run_whose_container_is_dead(rig: Rig) -> None:
    rig.make_pool()
    api = rig.proxy_api()
    worker = rig.start_worker(environment=OFTEN)
    deployment = rig.deploy("run-flow told")
    runs = [rig.api.create_run(deployment) for _ in range(2)]
    for run in runs:
        rig.api.wait_for_state(run, "RUNNING")
    # One dies when we are away, the other when we have been told of the cancel already, or not: both at once.
    api.shut()
    worker.kill()
    rig.api.cancel(runs[0])
    rig.engine.kill(rig.engine.only_one(rig.pool, runs[0])["Id"])
    api.open()
    rig.wait_online(worker.start())
    wait_cancelled(rig, runs[0], within_s=60.0)
    rig.api.cancel(runs[1])
    rig.engine.kill(rig.engine.only_one(rig.pool, runs[1])["Id"])
    wait_cancelled(rig, runs[1], within_s=10.0)


@pytest.mark.soak(limit_s=600)
@pytest.mark.beyond_official("lets containers of deleted runs go on")
def test_a62_deleted_runs_and_deployments(rig: Rig, pace: Pace) -> None:
    rig.make_pool()
    engine = rig.proxy_engine()
    # Four places: they are all free again when the four runs that take them are gone.
    worker = rig.start_worker("--limit", "4", environment=OFTEN, config=config(pace))
    running = rig.api.create_run(rig.deploy("run-flow term"))
    doomed = rig.deploy("run-flow term")
    of_doomed = rig.api.create_run(doomed)
    for run in (running, of_doomed):
        rig.api.wait_for_state(run, "RUNNING")
    pull = engine.add(Rule("POST", PULL, "hold", times=None))
    pulled = rig.deploy(job_variables={"image_pull_policy": "Always"})
    pending = [rig.api.create_run(pulled) for _ in range(2)]
    for run in pending:
        rig.api.wait_for_state(run, "PENDING")
    waiting = rig.api.create_run(rig.deploy())
    wait_until(lambda: worker.ask_state("SELECT 1 FROM launches WHERE flow_run_id = ?", waiting), "the row of the waiting run")
    gone = [running, pending[0], waiting]
    rig.deleted.update([*gone, of_doomed])
    for run in gone:
        rig.api.delete_run(run)
    rig.api.delete_deployment(doomed)
    rig.api.delete_deployment(pulled)
    # Deleting a deployment leaves its runs.
    for run in (of_doomed, pending[1]):
        rig.api.cancel(run)
    for run in (of_doomed, pending[1]):
        wait_cancelled(rig, run, grace_s(pace) + MARGIN_S)
    pull.drop()
    wait_until(
        lambda: rig.engine.only_one(rig.pool, running)["State"]["Status"] == "exited",
        "the container of the deleted run to be stopped",
        timeout_s=grace_s(pace) + MARGIN_S + 10,
    )
    # All places are free, also that of a run which was deleted before it had one.
    assert rig.ends(rig.create_runs(rig.deploy(), 4)) == {"COMPLETED": 4}
    wait_until(lambda: worker.unfinished() == 0, "the worker to be done with all")
    assert len(rig.engine.containers(rig.pool)) == 6


@pytest.mark.soak(limit_s=700)
@pytest.mark.beyond_official("does not poll for cancels of runs that have started")
def test_a63_cancels_are_seen_without_an_event_stream(rig: Rig, pace: Pace) -> None:
    """We have none at Prefect; the engine's is cut off, which also means that nothing is stopped meanwhile."""
    rig.make_pool()
    engine = rig.proxy_engine()
    worker = rig.start_worker(environment=OFTEN, config=config(pace))
    deployment = rig.deploy("run-flow term")
    runs = [rig.api.create_run(deployment) for _ in range(2)]
    for run in runs:
        rig.api.wait_for_state(run, "RUNNING")
    cut_off = engine.add(Rule("GET", r"/events", "refuse", times=None))
    engine.cut()
    for run in runs:
        rig.api.cancel(run)
        wait_until(
            lambda r=run: worker.ask_state("SELECT 1 FROM launches WHERE flow_run_id = ? AND cancel_at_ms > 0", r),
            "the cancel to be seen",
            timeout_s=MARGIN_S + 3,
        )
        last(pace.pick(0, 100))  # of both together: after 300 s the server calls a run CANCELLED by itself
    cut_off.times = 0
    for run in runs:
        rig.api.wait_for_state(run, "CANCELLED", timeout_s=grace_s(pace) + MARGIN_S + 10)
        assert "CRASHED" not in " ".join(rig.api.state_names(run))
        runs_no_more(rig, run)


@pytest.mark.soak(limit_s=2700)
@pytest.mark.timeout(900)
@pytest.mark.beyond_official("leaves them CANCELLING until the server gives up")
def test_a72_cancel_of_many_at_once(rig: Rig, pace: Pace, record_property) -> None:  # noqa: ANN001
    count = pace.pick(60, 400)
    stops = 20
    rig.make_pool()
    engine = rig.proxy_engine()
    # Of the two minutes that the scenario allows, little is the flows' own time: the rest is 400 stops and reports.
    grace = pace.pick(5, 20)
    rig.start_worker(environment=OFTEN, config=f"[timeouts]\ncancel_grace = {grace}s\n[limits]\nstops = {stops}\n")
    runs = rig.create_runs(rig.deploy("run-flow term", job_variables={"stream_output": False}), count)
    wait_until(
        lambda: sum(run["state_type"] == "RUNNING" for run in rig.api.runs(rig.pool)) == count,
        f"{count} runs to be RUNNING",
        timeout_s=pace.pick(500, 1500),
        every_s=pace.pick(1, 8),
    )
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(rig.api.cancel, runs))
    assert rig.ends(runs, timeout_s=150) == {"CANCELLED": count}
    slowest_s = max(cancelled_after_s(rig, run) for run in runs)
    assert slowest_s <= 120.0
    wait_until(lambda: {c["State"] for c in rig.engine.containers(rig.pool)} == {"exited"}, "all containers to end")
    spans = [(call.begun_s, call.ended_s) for call in engine.seen("POST", STOP)]
    assert len(spans) == count
    assert 2 <= most_at_once(spans) <= stops
    record_property("slowest cancel, s", f"{slowest_s:.0f}")
    record_property("stops at once", most_at_once(spans))
