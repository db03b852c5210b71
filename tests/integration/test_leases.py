"""Deployments with a concurrency limit of their own: A44, A45, A46."""

import time

import pytest

from support.faults import Rule
from support.pace import Pace
from support.rig import Rig
from support.waiting import wait_until
from test_limits import container_span, most_at_once

OFTEN = {"PREFECT_WORKER_QUERY_SECONDS": "0.5"}
CLAIM = r"/set_state$"
POLL = r"get_scheduled_flow_runs$"
PULL = r"/images/create"
PULLED = b'{"status":"Status: Image is up to date"}\r\n'


@pytest.mark.soak(limit_s=600)
def test_a44_one_at_a_time(rig: Rig) -> None:
    rig.make_pool()
    deployment = rig.deploy("run-flow 1", concurrency_limit=1, concurrency_options={"collision_strategy": "ENQUEUE"})
    runs = rig.create_runs(deployment, 3)
    rig.start_worker(environment=OFTEN)
    assert rig.ends(runs, timeout_s=300) == {"COMPLETED": 3}
    assert most_at_once([container_span(rig, run) for run in runs]) == 1
    waited = [run for run in runs if "SCHEDULED AwaitingConcurrencySlot" in rig.api.state_names(run)]
    assert len(waited) >= 2, [rig.api.state_names(run) for run in runs]
    assert rig.api.slots_in_use(deployment) == 0
    rig.check_each_ran_once(runs)


@pytest.mark.soak(limit_s=600)
def test_a45_surplus_is_cancelled_and_a_limit_of_0_waits(rig: Rig) -> None:
    rig.make_pool()
    proxy = rig.proxy_api()
    options = {"collision_strategy": "CANCEL_NEW"}
    deployment = rig.deploy("run-flow told", concurrency_limit=1, concurrency_options=options)
    runs = rig.create_runs(deployment, 3)
    rig.start_worker(environment=OFTEN)

    def states() -> list[str]:
        return sorted(rig.api.run(run)["state_type"] for run in runs)

    wait_until(lambda: states() == ["CANCELLED", "CANCELLED", "RUNNING"], "two to be cancelled and one to run")
    one = next(run for run in runs if rig.api.run(run)["state_type"] == "RUNNING")
    rig.engine.tell(rig.engine.only_one(rig.pool, one)["Id"], "complete")
    rig.api.wait_for_state(one, "COMPLETED")
    assert len(rig.engine.containers(rig.pool)) == 1

    nobody = rig.deploy(concurrency_limit=1)
    rig.api.set_limit(nobody, 0)
    closed = rig.api.create_run(nobody)
    polls = len(proxy.seen("POST", POLL))
    wait_until(lambda: len(proxy.seen("POST", POLL)) >= polls + 10, "ten polls")
    assert rig.api.run(closed)["state_type"] == "SCHEDULED"
    # Asked for now and then, not with each poll and never in a storm.
    tries = [call for call in proxy.seen("POST", CLAIM) if closed in call.path]
    assert len(tries) <= 12, f"{len(tries)} claims in 10 polls"
    assert rig.engine.of_run(rig.pool, closed) == []


@pytest.mark.soak(limit_s=1200)
@pytest.mark.beyond_official("lets the lease run out")
def test_a46_lease_is_renewed_while_the_image_is_pulled(rig: Rig, pace: Pace) -> None:
    rig.make_pool()
    engine = rig.proxy_engine()
    api = rig.proxy_api()
    pull_s = pace.pick(1.4, 2.0) * pace.lease_s
    slow = engine.add(Rule("POST", PULL, "answer", status=200, answer=PULLED, delay_s=pull_s))
    engine.add(Rule("POST", PULL, "answer", status=200, answer=PULLED, times=None))
    rig.start_worker(environment=OFTEN, config="[timeouts]\npull_inactivity = 30m\n")
    deployment = rig.deploy(
        "run-flow 1",
        concurrency_limit=1,
        concurrency_options={"collision_strategy": "ENQUEUE"},
        job_variables={"image_pull_policy": "Always"},
    )
    first = rig.api.create_run(deployment)
    begun_s = slow.wait_caught().begun_s
    second = rig.api.create_run(deployment)

    def is_over() -> bool:
        assert rig.api.slots_in_use(deployment) == 1, f"slot lost {time.monotonic() - begun_s:.0f} s after the pull began"
        assert rig.api.run(second)["state_type"] == "SCHEDULED", rig.api.state_names(second)
        return time.monotonic() - begun_s > pull_s - 1

    wait_until(is_over, "the pull", timeout_s=pull_s + 30, every_s=0.5)
    assert "SCHEDULED AwaitingConcurrencySlot" in rig.api.state_names(second)
    assert rig.ends([first, second], timeout_s=120) == {"COMPLETED": 2}
    assert most_at_once([container_span(rig, run) for run in (first, second)]) == 1
    assert rig.api.slots_in_use(deployment) == 0
    renewals = api.seen("POST", r"/v2/concurrency_limits/leases/[^/]+/renew$")
    assert renewals and {call.status for call in renewals} <= {204}
