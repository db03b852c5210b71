"""The worker goes and comes back, the engine goes and comes back: A53, A55."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from support.rig import Rig
from support.servers import PrivateEngine
from support.waiting import wait_until

EXITED = "Flow run infrastructure exited with non-zero status code"
POLL = r"get_scheduled_flow_runs$"


@pytest.mark.beyond_official("stays until its containers have ended, and reports nothing in that time")
def test_a55_sigterm_leaves_containers_to_be_adopted(rig: Rig) -> None:
    rig.make_pool()
    worker = rig.start_worker()
    deployment = rig.deploy("run-flow told")
    runs = [rig.api.create_run(deployment) for _ in range(3)]
    for run in runs:
        rig.api.wait_for_state(run, "RUNNING")
    assert worker.stop() == 0
    containers = [rig.engine.only_one(rig.pool, run)["Id"] for run in runs]
    assert {rig.engine.inspect(c)["State"]["Status"] for c in containers} == {"running"}
    assert {rig.api.run(run)["state_type"] for run in runs} == {"RUNNING"}

    # The first one ends while nobody watches.
    rig.engine.tell(containers[0], "3")
    wait_until(lambda: rig.engine.inspect(containers[0])["State"]["Status"] == "exited", "the first container to end")
    rig.wait_online(worker.start())
    ended = rig.api.wait_for_state(runs[0], "CRASHED")
    assert ended["state"]["message"].startswith(f"{EXITED} 3")
    rig.engine.kill(containers[1])
    ended = rig.api.wait_for_state(runs[1], "CRASHED")
    assert ended["state"]["message"].startswith(f"{EXITED} 137")
    rig.engine.tell(containers[2], "complete")
    rig.api.wait_for_state(runs[2], "COMPLETED")
    assert [rig.engine.only_one(rig.pool, run)["Id"] for run in runs] == containers


@pytest.fixture
def private_engine(rig: Rig) -> Iterator[PrivateEngine]:
    """The rig with an engine of its own, which has the busybox image and is down at first."""
    private = PrivateEngine()
    shared = rig.engine
    try:
        rig.engine = private.start()
        rig.engine.load(shared.save(rig.images.busybox))
        private.stop()
        rig.setup = replace(rig.setup, docker_host=private.host)
        yield private
    finally:
        rig.engine = shared
        private.remove()


@pytest.mark.beyond_official("ends when there is no engine at the start, and loses sight of containers")
def test_a53_engine_down_at_start_while_polling_and_with_containers(rig: Rig, private_engine: PrivateEngine) -> None:
    rig.make_pool()
    proxy = rig.proxy_api()
    worker = rig.new_worker().start()
    rig.wait_online(worker)

    def claims() -> int:
        return len(proxy.seen("POST", "/set_state$"))

    def wait_for_beats() -> None:
        before = len(proxy.seen("POST", "/workers/heartbeat$"))
        wait_until(lambda: len(proxy.seen("POST", "/workers/heartbeat$")) >= before + 2, "two heartbeats")

    # Down at the start: stays up, claims nothing.
    deployment = rig.deploy("run-flow told")
    first = rig.api.create_run(deployment)
    wait_for_beats()
    assert worker.is_alive
    assert claims() == 0
    private_engine.start()
    rig.api.wait_for_state(first, "RUNNING")

    # Restarted with a container running: its end is reported with its code, and nothing is claimed in between.
    container = rig.engine.only_one(rig.pool, first)["Id"]
    private_engine.stop()
    second = rig.api.create_run(deployment)
    before = claims()
    wait_for_beats()
    assert worker.is_alive
    assert [c for c in proxy.seen("POST", "/set_state$", body="PENDING") if second in c.path] == []
    assert claims() == before
    private_engine.start()
    ended = rig.api.wait_for_state(first, "CRASHED")
    code = rig.engine.inspect(container)["State"]["ExitCode"]
    assert code != 0
    assert ended["state"]["message"].startswith(f"{EXITED} {code}")

    # And it goes on serving.
    rig.api.wait_for_state(second, "RUNNING")
    rig.engine.tell(rig.engine.only_one(rig.pool, second)["Id"], "complete")
    rig.api.wait_for_state(second, "COMPLETED")
