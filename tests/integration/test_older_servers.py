"""What is starred in the acceptance list, on each older server: A01, A16, A18, A44, A57 in one life of a server.

Every other scenario runs against one of them with `pytest --server=VERSION -k NAME`. The containers run busybox: a flow of
Prefect 3.8.8 does not get along with all of them, and that is not the worker's doing.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

import conftest
from support.engine import Engine
from support.pace import Pace
from support.prefect_api import Json
from support.rig import Images, Rig
from support.servers import PrefectServer
from support.waiting import wait_until
from test_limits import container_span, most_at_once
from test_pool import assert_default_template

# The others of the folder servers: pytest --server=VERSION with any scenario.
VERSIONS = ("3.0.11", "3.4.11")
OFTEN = {"PREFECT_WORKER_QUERY_SECONDS": "0.5"}
LACKING = (404, 405, 422)


@pytest.fixture(scope="module", params=VERSIONS)
def old_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pace: Pace
) -> Iterator[PrefectServer]:
    with conftest.running_server(tmp_path_factory.mktemp("old-server"), pace.server_settings, request.param) as server:
        yield server


@pytest.fixture
def old_rig(
    request: pytest.FixtureRequest, old_server: PrefectServer, engine: Engine, images: Images, tmp_path: Path
) -> Iterator[Rig]:
    yield from conftest.make_rig(request, old_server.url, engine, images, tmp_path)


def busybox(rig: Rig, command: str, **fields: object) -> str:
    """A deployment in a pool that the worker made itself."""
    variables = {"image": rig.images.busybox, "image_pull_policy": "Never"}
    return rig.deploy(command, job_variables=variables, **fields)


def test_starred_on_an_older_server(old_rig: Rig) -> None:
    rig = old_rig
    proxy = rig.proxy_api()
    rig.start_worker(environment=OFTEN, config="[timeouts]\ncancel_grace = 2s\n")

    # A01
    pool = rig.api.pool(rig.pool)
    assert pool is not None
    assert pool["type"] == "docker"
    assert_default_template(pool["base_job_template"])

    # A16: before 3.6.22 there is no Submitting, before 3.1.6 there are no labels.
    ok = rig.api.create_run(busybox(rig, "run-flow 0"))
    ended: Json = rig.api.wait_for_state(ok, "COMPLETED")
    states = [name for name in rig.api.state_names(ok) if name != "PENDING Submitting"]
    assert states == ["SCHEDULED Scheduled", "PENDING Pending", "RUNNING Running", "COMPLETED Completed"]
    assert ended["infrastructure_pid"] == f"http+docker://localhost:{rig.engine.only_one(rig.pool, ok)['Id']}"
    has_labels = "prefect.worker.name" in ended.get("labels", {})
    labelled = proxy.seen("PATCH", r"/labels$")
    assert has_labels == all(call.status == 204 for call in labelled)

    # A18, A44, A57, all at once
    bad = rig.api.create_run(busybox(rig, "run-flow bad"))
    limits = {"concurrency_limit": 1, "concurrency_options": {"collision_strategy": "ENQUEUE"}}
    limited = busybox(rig, "run-flow 1", **limits)
    queued = rig.create_runs(limited, 3)
    cancelled = rig.api.create_run(busybox(rig, "run-flow told"))
    rig.api.wait_for_state(cancelled, "RUNNING")
    rig.api.cancel(cancelled)
    rig.api.wait_for_state(bad, "FAILED")
    assert rig.ends([cancelled]) == {"CANCELLED": 1}
    assert rig.ends(queued) == {"COMPLETED": 3}
    assert most_at_once([container_span(rig, run) for run in queued]) == 1
    assert rig.api.slots_in_use(limited) == 0
    for run in (ok, bad, cancelled, *queued):
        assert "CRASHED" not in " ".join(rig.api.state_names(run))
        wait_until(
            lambda run=run: rig.engine.only_one(rig.pool, run)["State"]["Status"] == "exited", f"the container of {run} to end"
        )

    # What the server lacks was asked for once.
    for route in (r"/labels$", r"/workers/filter$", r"/renew$", r"/events$", r"/logs/$"):
        refused = [call for call in proxy.seen("", route) if call.status in LACKING]
        assert len(refused) <= 1, f"{len(refused)} calls of {route} that this server doesn't have"
