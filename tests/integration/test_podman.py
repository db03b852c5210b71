"""Podman 4.3 as the engine: the scenarios marked P. Those that need nothing of Podman's own are the ones of test_runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import make_rig
from test_runs import (  # noqa: F401: the same scenarios, on the engine of this module's `rig`
    test_a16_events,
    test_a21_command_that_does_not_exist,
    test_a22_exit_codes_are_reported,
    test_a23_container_that_never_starts_the_flow,
    test_a24_killed_where_the_exit_code_is_easily_lost,
    test_a30_taken_container_name,
)

from support.engine import Engine
from support.podman import Podman
from support.rig import Images, Rig
from support.servers import PrefectServer
from support.waiting import wait_until

EXITED = "Flow run infrastructure exited with non-zero status code"


@pytest.fixture(scope="module")
def podman(server: PrefectServer, engine: Engine, images: Images) -> Iterator[Podman]:
    """One that runs, and has the busybox image."""
    podman = Podman(server.port)
    try:
        podman.start().load(engine.save(images.busybox))
        yield podman
    finally:
        podman.remove()


@pytest.fixture
def rig(request: pytest.FixtureRequest, server: PrefectServer, podman: Podman, images: Images, tmp_path: Path) -> Iterator[Rig]:
    yield from make_rig(request, server.url, Engine(podman.host), images, tmp_path)


def environment(container: dict) -> dict[str, str]:
    return dict(item.split("=", 1) for item in container["Config"]["Env"])


@pytest.mark.beyond_official("writes host.docker.internal, a name that a container of Podman 4.3 does not know")
def test_a39_ways_to_a_server_on_this_machine(rig: Rig, server: PrefectServer) -> None:
    rig.make_pool()
    rig.start_worker()
    networks = [f"{rig.pool}-{letter}".replace("_", "-") for letter in "ab"]
    for network in networks:
        rig.engine.create_network(network)
    kinds = ({}, {"network_mode": "bridge"}, {"networks": networks})
    host, bridge, two = [rig.api.create_run(rig.deploy(job_variables=kind)) for kind in kinds]
    assert rig.ends([host, bridge, two]) == {"COMPLETED": 3}
    assert rig.engine.only_one(rig.pool, host)["HostConfig"]["NetworkMode"] == "host"
    for run in (bridge, two):
        container = rig.engine.only_one(rig.pool, run)
        assert environment(container)["PREFECT_API_URL"] == f"http://host.containers.internal:{server.port}/api"
        assert not container["HostConfig"]["ExtraHosts"]
    assert set(rig.engine.only_one(rig.pool, two)["NetworkSettings"]["Networks"]) == set(networks)


@pytest.mark.beyond_official("ends when there is no engine at the start, and loses sight of containers")
def test_a53_service_down_at_start_while_polling_and_with_containers(rig: Rig, podman: Podman) -> None:
    """Unlike Docker's, containers live on when the service has ended, and an end of theirs in that time has no event."""
    rig.make_pool()
    proxy = rig.proxy_api()
    podman.stop()
    worker = rig.new_worker().start()
    rig.wait_online(worker)

    def claims() -> int:
        return len(proxy.seen("POST", "/set_state$"))

    def wait_for_beats() -> None:
        before = len(proxy.seen("POST", "/workers/heartbeat$"))
        wait_until(lambda: len(proxy.seen("POST", "/workers/heartbeat$")) >= before + 2, "two heartbeats")

    # Down at the start: stays up, claims nothing.
    deployment = rig.deploy("run-flow told")
    first, second = rig.create_runs(deployment, 2)
    wait_for_beats()
    assert worker.is_alive
    assert claims() == 0
    podman.start()
    for run in (first, second):
        rig.api.wait_for_state(run, "RUNNING")

    # Away while one container runs on and another ends.
    ended, living = (rig.engine.only_one(rig.pool, run)["Id"] for run in (first, second))
    podman.stop()
    podman.kill(ended)
    third = rig.api.create_run(deployment)
    before = claims()
    wait_for_beats()
    assert worker.is_alive
    assert claims() == before
    podman.start()
    assert rig.api.wait_for_state(first, "CRASHED")["state"]["message"].startswith(f"{EXITED} 137")
    rig.engine.tell(living, "complete")
    rig.api.wait_for_state(second, "COMPLETED")

    # And it goes on serving.
    rig.api.wait_for_state(third, "RUNNING")
    rig.engine.tell(rig.engine.only_one(rig.pool, third)["Id"], "3")
    assert rig.api.wait_for_state(third, "CRASHED")["state"]["message"].startswith(f"{EXITED} 3")
