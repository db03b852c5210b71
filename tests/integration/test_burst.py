"""A hundred due runs at once: A81, against both databases."""

import pytest

from support.rig import Rig

RUNS = 100


def burst(rig: Rig) -> None:
    rig.make_pool()
    deployment = rig.deploy("true")
    runs = [rig.api.create_run(deployment) for _ in range(RUNS)]
    rig.start_worker()
    ended = rig.api.wait_for_all(rig.pool, runs, timeout_s=240)
    # `true` never starts the flow: that, and nothing that happened on the way, is what every run ends with.
    assert {run["state_type"] for run in ended.values()} == {"CRASHED"}
    messages = {run["state"]["message"] for run in ended.values()}
    assert len(messages) == 1, messages
    containers = rig.engine.containers(rig.pool)
    assert len(containers) == RUNS
    assert {c["State"] for c in containers} == {"exited"}
    assert {c["Status"].split(" ")[1] for c in containers} == {"(0)"}


@pytest.mark.timeout(300)
@pytest.mark.beyond_official("leaves runs PENDING whose container never started the flow")
def test_a81_burst_on_postgresql(rig: Rig) -> None:
    burst(rig)


@pytest.mark.timeout(400)
@pytest.mark.beyond_official("reports runs as crashed when the database is busy")
def test_a81_burst_on_sqlite(sqlite_rig: Rig) -> None:
    burst(sqlite_rig)
