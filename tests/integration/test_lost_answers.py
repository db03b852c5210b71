"""Answers that are lost, late or refusals: A48, A49, A50, A51."""

import signal

import pytest

from support.faults import Action, Rule
from support.rig import Rig
from support.waiting import wait_until

CLAIM = r"/flow_runs/[^/]+/set_state$"
POLL = r"get_scheduled_flow_runs$"
LOOK = r"/flow_runs/[^/]+$"
FILTER = r"/flow_runs/filter$"
CREATE = r"/containers/create"
START = r"/containers/[^/]+/start$"
OFTEN = {"PREFECT_WORKER_QUERY_SECONDS": "0.5"}


def assert_ran_once(rig: Rig, run: str, claims: int = 1) -> None:
    names = rig.api.state_names(run)
    assert names.count("PENDING Pending") <= claims, names
    assert names.count("RUNNING Running") == 1, names
    assert names[-1] == "COMPLETED Completed", names
    rig.check_each_ran_once([run])


@pytest.mark.soak(limit_s=600)
def test_a48_worker_halted_between_poll_and_claim(rig: Rig) -> None:
    rig.make_pool()
    direct = rig.setup
    proxy = rig.proxy_api()
    w1 = rig.start_worker(name="w1", environment=OFTEN)
    poll = proxy.add(Rule("POST", POLL, "hold"))
    poll.wait_caught()
    run = rig.api.create_run(rig.deploy())
    w1.send(signal.SIGSTOP)
    poll.let_go()  # the answer, with this run in it, waits for a process that does not run
    wait_until(lambda: poll.caught[0].ended_s, "the answer to be there")
    rig.setup = direct
    w2 = rig.start_worker(name="w2", environment=OFTEN)
    rig.api.wait_for_state(run, "COMPLETED")
    w2.stop()
    w1.send(signal.SIGCONT)
    # It is awake again, has read that answer, and serves.
    rig.api.wait_for_state(rig.api.create_run(rig.deploy()), "COMPLETED")
    wait_until(lambda: w1.unfinished() == 0, "w1 to be through")
    # If it took the old answer for a new one, it has put the end back that its claim overwrote.
    assert_ran_once(rig, run, claims=2)


@pytest.mark.soak(limit_s=600)
@pytest.mark.beyond_official("launches the run that its late claim overwrote")
def test_a48_claim_that_lands_when_another_worker_is_through(rig: Rig) -> None:
    rig.make_pool()
    direct = rig.setup
    proxy = rig.proxy_api()
    w1 = rig.start_worker(name="w1", environment=OFTEN)
    claim = proxy.add(Rule("POST", CLAIM, "hold", body="PENDING"))
    run = rig.api.create_run(rig.deploy())
    assert run in claim.wait_caught().path
    rig.setup = direct
    w2 = rig.start_worker(name="w2", environment=OFTEN)
    rig.api.wait_for_state(run, "COMPLETED")
    w2.stop()
    claim.let_go()
    wait_until(lambda: claim.caught[0].status, "the late claim to be answered")
    wait_until(lambda: w1.unfinished() == 0, "w1 to be through with it", timeout_s=100)
    assert_ran_once(rig, run, claims=2)


@pytest.mark.soak(limit_s=600)
@pytest.mark.beyond_official("leaves a run PENDING whose claim it has no answer to")
def test_a49_answer_of_the_claim_is_lost(rig: Rig) -> None:
    rig.make_pool()
    proxy = rig.proxy_api()
    deployment = rig.deploy()
    # The claims of five runs, then one and with it the looks that would tell of it.
    proxy.add(Rule("POST", CLAIM, "drop_answer", body="PENDING", times=5))
    runs = rig.create_runs(deployment, 5)
    rig.start_worker(environment=OFTEN)
    assert rig.ends(runs) == {"COMPLETED": 5}
    claim = proxy.add(Rule("POST", CLAIM, "hold_answer", body="PENDING"))
    runs.append(rig.api.create_run(deployment))
    claim.wait_caught()
    looks = [proxy.add(Rule("GET", LOOK, "refuse", times=5)), proxy.add(Rule("POST", FILTER, "refuse", times=5))]
    claim.drop()
    rig.api.wait_for_state(runs[-1], "COMPLETED")
    assert 0 in [rule.times for rule in looks]
    for run in runs:
        assert_ran_once(rig, run)


AFTER_THE_EFFECT: tuple[Action, ...] = ("drop_answer", "reset_answer", "half_answer", "stall_answer", "late")
BEFORE_THE_EFFECT: tuple[Action, ...] = ("refuse", "reset", "stall")


@pytest.mark.soak(limit_s=600)
@pytest.mark.beyond_official("reports the run as crashed, and lets the container run")
def test_a50_answers_of_create_and_start_are_lost(rig: Rig) -> None:
    rig.make_pool()
    proxy = rig.proxy_engine()
    rules = [
        proxy.add(Rule("POST", path, action, late_s=1.0))
        for path in (CREATE, START)
        for action in (*AFTER_THE_EFFECT, *BEFORE_THE_EFFECT)
    ]
    # The rules are used up in turn, by whoever comes next.
    runs = rig.create_runs(rig.deploy("run-flow 1"), len(rules))
    rig.start_worker(environment={**OFTEN, "DOCKER_CLIENT_TIMEOUT": "3"})
    assert rig.ends(runs, timeout_s=240) == {"COMPLETED": len(runs)}
    assert {rule.times for rule in rules} == {0}
    rig.check_each_ran_once(runs)


@pytest.mark.soak(limit_s=600)
@pytest.mark.beyond_official("reports runs as crashed")
def test_a51_server_that_refuses_for_now(rig: Rig) -> None:
    rig.make_pool()
    proxy = rig.proxy_api()
    wait = {"Retry-After": "7"}
    paths = (("POST", CLAIM), ("POST", POLL), ("GET", r"/deployments/[^/]+$"), ("PATCH", LOOK))
    refusals = {
        (path, status): proxy.add(Rule(method, path, "answer", status=status, headers=wait if status == 429 else {}))
        for method, path in paths
        for status in (429, 503, 500, 408)
    }
    runs = rig.create_runs(rig.deploy(), 8)
    rig.start_worker(environment=OFTEN)
    assert rig.ends(runs) == {"COMPLETED": len(runs)}
    rig.check_each_ran_once(runs)
    assert {rule.times for rule in refusals.values()} == {0}
    # The call that was told to wait 7 s did; a worker counts whole milliseconds.
    for (path, status), rule in refusals.items():
        if status == 429:
            told = rule.caught[0]
            again = [c for c in proxy.seen(told.method, path) if c.path == told.path and c.begun_s > told.begun_s]
            assert again and again[0].begun_s - told.begun_s >= 6.998, f"{told.method} {told.path}"
