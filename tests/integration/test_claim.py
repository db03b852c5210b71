"""The claim decides who runs a flow run: A47, A79."""

import json

import pytest

from support.faults import Rule
from support.rig import Rig
from support.waiting import wait_until

CLAIM = r"/flow_runs/[^/]+/set_state$"


@pytest.mark.timeout(400)
def test_a47_two_workers_share_a_hundred_runs(rig: Rig) -> None:
    rig.make_pool()
    deployment = rig.deploy("run-flow 1")
    for name in ("w1", "w2"):
        rig.start_worker(name=name)
    runs = [rig.api.create_run(deployment) for _ in range(100)]
    ended = rig.api.wait_for_all(rig.pool, runs, timeout_s=300)
    assert {run["state_type"] for run in ended.values()} == {"COMPLETED"}
    for run in runs:
        names = rig.api.state_names(run)
        assert names.count("PENDING Pending") == 1, names
        assert names.count("RUNNING Running") == 1, names
    containers = rig.engine.containers(rig.pool)
    assert len(containers) == 100
    # Both took part, or this would have shown nothing.
    assert {c["Labels"]["io.prefect.worker-name"] for c in containers} == {"w1", "w2"}


def test_a79_aborted_claim_is_not_launched(rig: Rig) -> None:
    rig.make_pool()
    proxy = rig.proxy_api()
    rig.start_worker()
    refusal = {
        "status": "ABORT",
        "details": {"type": "abort_details", "reason": "This run is in a PENDING state and cannot transition."},
        "state": {"type": "SCHEDULED", "name": "Scheduled", "state_details": {}},
    }
    rule = proxy.add(
        Rule("POST", CLAIM, action="answer", body="PENDING", status=201, answer=json.dumps(refusal).encode(), times=2)
    )
    run = rig.api.create_run(rig.deploy())
    wait_until(lambda: rule.times == 0, "two aborted claims")
    # Only a third claim may have launched it, and that one went through.
    rig.api.wait_for_state(run, "COMPLETED")
    assert rig.api.state_names(run).count("PENDING Pending") == 1
    claims = proxy.seen("POST", CLAIM, body="PENDING")
    assert [claim.status for claim in claims[:2]] == [201, 201]
    first_announced = [call.body for call in proxy.calls].index(claims[2].body)
    before_third = proxy.calls[:first_announced]
    assert not [call for call in before_third if b"infrastructure_pid" in call.body]
    assert rig.engine.only_one(rig.pool, run)["State"]["ExitCode"] == 0
