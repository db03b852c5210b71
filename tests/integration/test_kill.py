"""The worker dies, at a certain place or anywhere, and starts again: A54, A56, kills in a burst and at random."""

import random
import time

import pytest

from support.faults import Action, RandomFaults, Rule
from support.pace import Pace
from support.proxy import Proxy
from support.rig import Rig
from support.waiting import wait_until

OFTEN = {"PREFECT_WORKER_QUERY_SECONDS": "0.5", "DOCKER_CLIENT_TIMEOUT": "5", "PREFECT_API_REQUEST_TIMEOUT": "5"}
SET_STATE = r"/flow_runs/[^/]+/set_state$"
ANNOUNCE = r"/flow_runs/[^/]+$"
PULL = r"/images/create"
PULLED = b'{"status":"Status: Image is up to date"}\r\n'
CREATE = r"/containers/create"
START = r"/containers/[^/]+/start$"
# Event streams and looks at all containers go on for long: a fault in them hits them when they begin.
BUSY = "[limits]\nlaunching = 20\npulls = 20\n"


class Places:
    """Runs that are each held at a place of their own, until the worker that launched them has died."""

    def __init__(self, rig: Rig, api: Proxy, engine: Proxy) -> None:
        self._rig = rig
        self._deployment = rig.deploy("run-flow told", job_variables={"image_pull_policy": "Always"})
        self._proxies = {"api": api, "engine": engine}
        self.rules: list[Rule] = []
        self.runs: list[str] = []

    def run_to(self, proxy: str, method: str, path: str, action: Action, body: str = "") -> None:
        """One more run, brought to this call; the others are held already and can't be in its way."""
        rule = self._proxies[proxy].add(Rule(method, path, action, body=body))
        self.runs.append(self._rig.api.create_run(self._deployment))
        rule.wait_caught()
        self.rules.append(rule)

    def running(self) -> str:
        run = self._rig.api.create_run(self._deployment)
        self._rig.api.wait_for_state(run, "RUNNING")
        self.runs.append(run)
        return run


@pytest.mark.soak(limit_s=600)
@pytest.mark.parametrize("afterwards", ["lost", "late"])
@pytest.mark.beyond_official("leaves runs PENDING for ever")
def test_a54_killed_at_every_place(rig: Rig, pace: Pace, afterwards: str) -> None:
    rig.make_pool()
    engine = rig.proxy_engine()
    api = rig.proxy_api()
    # No clock may run out before the last run is at its place.
    patient = {**OFTEN, "DOCKER_CLIENT_TIMEOUT": "20", "PREFECT_API_REQUEST_TIMEOUT": "20"}
    worker = rig.start_worker(environment=patient, config=BUSY)
    places = Places(rig, api, engine)
    pulled = engine.add(Rule("POST", PULL, "answer", status=200, answer=PULLED, times=None))
    running = places.running()
    unreported = places.running()
    # Claimed: proposed, carried out without an answer, and known.
    places.run_to("api", "POST", SET_STATE, "hold", body='"Pending"')
    places.run_to("api", "POST", SET_STATE, "hold_answer", body='"Pending"')
    places.run_to("api", "POST", SET_STATE, "hold", body="Submitting")
    # Created: asked for, made without an answer, being announced.
    places.run_to("engine", "POST", CREATE, "hold")
    places.run_to("engine", "POST", CREATE, "hold_answer")
    places.run_to("api", "PATCH", ANNOUNCE, "hold", body="infrastructure_pid")
    # Started: asked for, done without an answer.
    places.run_to("engine", "POST", START, "hold")
    places.run_to("engine", "POST", START, "hold_answer")
    # Configured, its image being pulled.
    pulled.times = 0
    places.run_to("engine", "POST", PULL, "hold")
    pulled.times = None
    # Ended, and the report is out.
    report = api.add(Rule("POST", SET_STATE, "hold", body="CRASHED"))
    rig.engine.tell(rig.engine.only_one(rig.pool, unreported)["Id"], "3")
    report.wait_caught()
    places.rules.append(report)

    worker.kill()
    for rule in places.rules:
        rule.let_go() if afterwards == "late" else rule.drop()
    worker.start()
    rig.wait_online(worker)
    rig.api.wait_for_state(unreported, "CRASHED")
    others = [run for run in places.runs if run != unreported]
    for run in others:
        # A claim or start that may still land is waited for.
        rig.api.wait_for_state(run, "RUNNING", timeout_s=90)
    containers = [rig.engine.only_one(rig.pool, run)["Id"] for run in others]
    rig.engine.kill(containers[others.index(running)])
    for run, container in zip(others, containers, strict=True):
        if run != running:
            rig.engine.tell(container, "complete")
    rig.api.wait_for_state(running, "CRASHED")
    assert rig.ends(places.runs) == {"CRASHED": 2, "COMPLETED": len(places.runs) - 2}
    rig.check_each_ran_once(places.runs)
    if pace.is_unscaled:
        # Where a proposal may still land, a row waits a minute for that.
        wait_until(lambda: worker.unfinished() == 0, "the worker to be done with all", timeout_s=120)


@pytest.mark.soak(limit_s=600)
@pytest.mark.beyond_official("leaves the run PENDING")
def test_a56_sigterm_during_a_pull(rig: Rig) -> None:
    rig.make_pool()
    engine = rig.proxy_engine()
    pull = engine.add(Rule("POST", PULL, "hold"))
    engine.add(Rule("POST", PULL, "answer", status=200, answer=PULLED, times=None))
    worker = rig.start_worker(environment=OFTEN)
    run = rig.api.create_run(rig.deploy(job_variables={"image_pull_policy": "Always"}))
    pull.wait_caught()
    assert worker.stop() == 0
    pull.drop()
    assert rig.api.run(run)["state_type"] == "SCHEDULED"
    assert rig.api.run(run)["infrastructure_pid"] is None
    assert rig.engine.containers(rig.pool) == []
    rig.wait_online(worker.start())
    rig.api.wait_for_state(run, "COMPLETED")


PLANNED = "SELECT state, attempt, next_try_at_ms FROM launches WHERE next_try_at_ms > 0 AND attempt = {}"
READY = "worker online"


def test_a_kill_changes_no_try_and_no_time(rig: Rig, record_property) -> None:  # noqa: ANN001
    """Each of two tries fails, and the worker is killed in the backoff: the plan of the next try stands, and is kept."""
    rig.make_pool()
    create = rig.proxy_engine().add(Rule("POST", CREATE, "answer", status=500, answer=b'{"message":"busy"}', times=2))
    worker = rig.start_worker(environment=OFTEN, config="[retry]\nbase = 8s\ncap = 8s\njitter = none\n")
    run = rig.api.create_run(rig.deploy())
    late_ms = []
    for tries in (1, 2):
        ask = PLANNED.format(tries)
        planned = wait_until(lambda q=ask: worker.ask_state(q), f"the backoff after try {tries}", every_s=0.05)
        worker.kill()
        worker.start()
        wait_until(lambda n=tries: worker.log().count(READY) > n, "the worker to be back", every_s=0.05)
        assert worker.ask_state(ask) == planned
        if tries == 1:
            wait_until(lambda: len(create.caught) > 1, "the next try", every_s=0.05)
            sent_ms = 1000 * (time.time() - time.monotonic() + create.caught[1].begun_s)
            late_ms.append(round(sent_ms - planned[0][2]))
    rig.api.wait_for_state(run, "COMPLETED")
    rig.check_each_ran_once([run])
    assert all(late >= -1 for late in late_ms), late_ms
    record_property("the next try after its time, ms", late_ms)


def kill_in_a_burst(rig: Rig, count: int, faults: float, seed: int) -> dict[str, int]:
    rig.make_pool()
    engine = rig.proxy_engine()
    api = rig.proxy_api()
    deployment = rig.deploy()
    worker = rig.start_worker(environment=OFTEN)
    runs = rig.create_runs(deployment, count)
    for proxy, number in ((api, seed), (engine, seed + 1)):
        proxy.fail_randomly(RandomFaults(faults, number))
    wait_until(lambda: len(rig.starts.started) >= count // 3, "a third of the runs to start", timeout_s=120)
    worker.kill()
    assert len(rig.starts.started) < count, "all were through before the kill"
    worker.start()
    outcome = rig.outcome(runs, timeout_s=250)
    faults_seen = sum(api.failed.values()) + sum(engine.failed.values())
    for proxy in (api, engine):
        proxy.clear()
    return {**outcome, "faults": faults_seen, "calls": len(api.calls) + len(engine.calls)}


def check_burst(rig: Rig, count: int, outcome: dict[str, int], record_property) -> None:  # noqa: ANN001
    for name, value in outcome.items():
        record_property(name, value)
    ended = {state: outcome.get(state, 0) for state in ("COMPLETED", "never started", "started twice")}
    assert ended == {"COMPLETED": count, "never started": 0, "started twice": 0}, outcome
    assert outcome["containers left in Created"] == 0
    wait_until(lambda: rig.workers[0].unfinished() == 0, "the worker to be done with all", timeout_s=90)


@pytest.mark.soak(limit_s=900)
@pytest.mark.timeout(900)
@pytest.mark.beyond_official("loses more than half of them")
def test_killed_in_a_burst(rig: Rig, pace: Pace, record_property) -> None:  # noqa: ANN001
    count = pace.pick(40, 100)
    check_burst(rig, count, kill_in_a_burst(rig, count, faults=0.0, seed=1), record_property)


@pytest.mark.soak(limit_s=900)
@pytest.mark.timeout(900)
@pytest.mark.beyond_official("loses more than half of them")
def test_killed_in_a_burst_with_faults_in_5_percent_of_calls(rig: Rig, pace: Pace, record_property) -> None:  # noqa: ANN001
    count = pace.pick(40, 100)
    check_burst(rig, count, kill_in_a_burst(rig, count, faults=0.05, seed=2), record_property)


@pytest.mark.soak(limit_s=1800)
@pytest.mark.timeout(900)
@pytest.mark.beyond_official("loses runs")
def test_killed_again_and_again(rig: Rig, pace: Pace, record_property) -> None:  # noqa: ANN001
    kills = pace.pick(50, 200)
    count = pace.pick(60, 200)
    chance = random.Random(54)
    rig.make_pool()
    worker = rig.start_worker(environment=OFTEN)
    runs = rig.create_runs(rig.deploy("run-flow 1", job_variables={"stream_output": False}), count)
    for _ in range(kills):
        # From before its first call to in the midst of launches.
        until_s = time.monotonic() + chance.uniform(0.05, 1.2)
        wait_until(lambda at=until_s: time.monotonic() >= at, "the moment of the kill", every_s=0.005)
        worker.kill()
        worker.start()
    left = sum(run not in rig.starts.started for run in runs)
    rig.wait_online(worker)
    assert rig.ends(runs, timeout_s=pace.pick(180, 900)) == {"COMPLETED": count}
    rig.check_each_ran_once(runs)
    wait_until(lambda: worker.unfinished() == 0, "the worker to be done with all", timeout_s=90)
    record_property("kills", kills)
    record_property("runs left to start after the last kill", left)
