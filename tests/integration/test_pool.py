"""How a worker starts, shows itself and stops: A01 to A09, and A43."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from prefect_docker.worker import DockerWorker

from support.prefect_api import EMPTY_TEMPLATE, plain_template
from support.rig import Rig
from support.waiting import wait_until

HEARTBEAT = r"/work_pools/[^/]+/workers/heartbeat$"


def structure_of(template: Any) -> Any:
    """A template without its explanations: descriptions are each worker's own, and examples vary by version."""
    if isinstance(template, dict):
        return {key: structure_of(value) for key, value in template.items() if key not in ("description", "examples")}
    if isinstance(template, list):
        return [structure_of(value) for value in template]
    return template


def assert_default_template(template: Any) -> None:
    expected = DockerWorker.get_default_base_job_template()
    # The default image is each worker's own: the official one names its own version of Prefect and Python.
    for one in (template, expected):
        one["variables"]["properties"]["image"].pop("default", None)
    assert structure_of(template) == structure_of(expected)


def test_a01_missing_pool_is_created_with_the_default_template(rig: Rig) -> None:
    rig.start_worker()
    pool = rig.api.pool(rig.pool)
    assert pool is not None
    assert pool["type"] == "docker"
    assert_default_template(pool["base_job_template"])
    assert rig.engine.containers(rig.pool) == []


def test_a02_missing_pool_is_waited_for(rig: Rig) -> None:
    proxy = rig.proxy_api()
    worker = rig.new_worker("--no-create-pool-if-not-found").start()
    wait_until(lambda: len(proxy.seen("GET", f"/work_pools/{rig.pool}$")) >= 2, "two looks for the pool")
    assert worker.is_alive
    assert rig.api.pool(rig.pool) is None
    worker.wait_for_log(rig.pool)
    rig.make_pool()
    run = rig.api.create_run(rig.deploy())
    rig.api.wait_for_state(run, "COMPLETED")


def test_a03_empty_template_is_filled(rig: Rig) -> None:
    rig.api.create_pool(rig.pool, EMPTY_TEMPLATE)
    rig.start_worker()

    def template() -> Any:
        pool = rig.api.pool(rig.pool)
        return pool and pool["base_job_template"]

    assert_default_template(wait_until(template, "the pool's template"))


@pytest.mark.beyond_official("asks the server for the pool before it looks at the name")
@pytest.mark.parametrize(
    ("pool", "name", "options"),
    [("p", "a/b", ()), (None, "w1", ()), ("p", "w1", ("--no-such-option",))],
    ids=["name-with-a-slash", "no-pool", "unknown-option"],
)
def test_a06_wrong_command_line_is_refused_before_any_request(
    rig: Rig, pool: str | None, name: str, options: tuple[str, ...]
) -> None:
    proxy = rig.proxy_api()
    worker = rig.new_worker(*options, name=name, pool=pool).start()
    assert worker.wait_for_exit() == 1
    assert worker.log().strip() != ""
    assert proxy.calls == []


@pytest.mark.beyond_official("sends its heartbeats through a websocket")
def test_a08_heartbeats_are_whole_numbers(rig: Rig) -> None:
    proxy = rig.proxy_api()
    rig.start_worker(environment={"PREFECT_WORKER_HEARTBEAT_SECONDS": "5.5"})
    beats = wait_until(lambda: proxy.seen("POST", HEARTBEAT)[1:] and proxy.seen("POST", HEARTBEAT), "two heartbeats")
    wait_until(lambda: all(beat.status for beat in beats), "their answers")
    assert [beat.status for beat in beats] == [204] * len(beats)
    for beat in beats:
        assert json.loads(beat.body)["name"] == "w1"
        assert re.search(rb'"heartbeat_interval_seconds": ?[0-9]+[,}]', beat.body), beat.body


def test_a09_sigterm_when_idle(rig: Rig) -> None:
    worker = rig.start_worker(environment={"PREFECT_WORKER_HEARTBEAT_SECONDS": "1"})
    assert worker.stop(timeout_s=5) == 0
    wait_until(lambda: not rig.api.worker_is_online(rig.pool, "w1"), "the worker to be OFFLINE")
    pool = rig.api.pool(rig.pool)
    assert pool is not None
    events = wait_until(
        lambda: rig.api.events(f"prefect.work-pool.{pool['id']}", "prefect.worker.")[1:]
        and rig.api.events(f"prefect.work-pool.{pool['id']}", "prefect.worker."),
        "the events started and stopped",
    )
    assert [event["event"] for event in events] == ["prefect.worker.started", "prefect.worker.stopped"]
    assert events[1]["follows"] == events[0]["id"]
    assert events[0]["resource"]["prefect.resource.id"] == "prefect.worker.docker.w1"


def test_a04_a05_a07_pools_of_other_types_and_a_template_of_our_own(rig: Rig, tmp_path: Path) -> None:
    # A07: the template of a pool that is created.
    template = plain_template(image=rig.images.busybox, image_pull_policy="Never")
    file = tmp_path / "template.json"
    file.write_text(json.dumps(template))
    worker = rig.start_worker("--base-job-template", str(file))
    pool = rig.api.pool(rig.pool)
    assert pool is not None
    assert pool["base_job_template"] == template
    assert worker.stop() == 0
    rig.api.delete_pool(rig.pool)

    # A05: nobody's business without --type, and push pools never.
    for type_, options in (("process", ()), ("docker:push", ("--type", "docker"))):
        rig.api.create_pool(rig.pool, template, type_=type_)
        worker = rig.new_worker(*options, name=type_.replace(":", "-")).start()
        assert worker.wait_for_exit() == 1
        assert f'is of type "{type_}"' in worker.log() or rig.is_official
        assert rig.api.workers(rig.pool) == []
        rig.api.delete_pool(rig.pool)

    # A04: as told.
    rig.api.create_pool(rig.pool, template, type_="process")
    worker = rig.start_worker("--type", "docker", name="told")
    rig.api.wait_for_state(rig.api.create_run(rig.deploy()), "COMPLETED")
    worker.wait_for_log("the work pool is of another type" if not rig.is_official else "type")


def test_a43_queue_that_is_made_later(rig: Rig) -> None:
    rig.make_pool()
    worker = rig.start_worker("--work-queue", "later")
    worker.wait_for_log("later")
    other = rig.api.create_run(rig.deploy())
    rig.api.create_queue(rig.pool, "later")
    run = rig.api.create_run(rig.deploy(queue="later"))
    rig.api.wait_for_state(run, "COMPLETED")
    assert rig.api.run(other)["state_type"] == "SCHEDULED"
    assert sum("later" in line and "level=warn" in line for line in worker.log().splitlines()) == 1
