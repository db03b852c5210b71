"""A server or an engine that is not there, or talks nonsense, and then gets well: the process lives, says so once, works."""

import json
from contextlib import ExitStack
from dataclasses import replace

import pytest

from support.faults import Rule
from support.proxy import Proxy
from support.rig import Rig
from support.waiting import wait_until
from support.workers import Worker

pytestmark = pytest.mark.beyond_official("ends, or says it again and again")

NONSENSE: dict[str, tuple[bytes, dict[str, str]]] = {
    "html": (b"<html><body>Bad gateway</body></html>", {"Content-Type": "text/html"}),
    "cut": (b'{"id": "0b', {}),
    "null": (b"null", {}),
    "types": (b'[{"id": 5, "name": null, "flow_run": [], "priority": "high"}]', {}),
    "garbage": (b'{"id": "' + b"\xff\x00x" * (5 * 1024 * 1024 // 3), {}),
}
START_UP = "Prefect can't be worked with; going on trying"
ROUTES = {
    "pool": ("GET", r"/work_pools/[^/]+$", START_UP, "Prefect answers again"),
    "queues": ("POST", r"/work_pools/[^/]+/queues/filter$", START_UP, "Prefect answers again"),
    "poll": ("POST", r"get_scheduled_flow_runs$", "poll failed; going on trying", ""),
}
ENGINE_GONE = "the engine can't be reached; nothing is claimed meanwhile"


def start_victim(rig: Rig, queue: str, rule: Rule | None = None) -> tuple[Worker, Proxy]:
    """A worker that serves a queue of its own, through a proxy of its own."""
    direct = rig.setup
    proxy = rig.proxy_api()
    if rule is not None:
        proxy.add(rule)
    rig.api.create_queue(rig.pool, queue)
    often = {"PREFECT_WORKER_QUERY_SECONDS": "0.5"}
    worker = rig.new_worker("--work-queue", queue, name=queue, environment=often).start()
    rig.setup = direct
    return worker, proxy


def assert_lives_and_told_once(worker: Worker, told: str) -> None:
    log = worker.log()
    assert worker.is_alive, log[-2000:]
    assert log.count(told) == 1, log[-2000:]
    # Nonsense is told of, not repeated.
    assert len(log) < 64 * 1024


@pytest.mark.parametrize("route", ROUTES)
def test_server_that_answers_nonsense_twice(rig: Rig, route: str) -> None:
    method, path, told, over = ROUTES[route]
    rig.make_pool()
    victims: list[tuple[Worker, Proxy, str]] = []
    for name, (answer, headers) in NONSENSE.items():
        rule = Rule(method, path, "answer", times=2, status=200, answer=answer, headers=headers)
        victims.append((*start_victim(rig, name, rule), rig.api.create_run(rig.deploy(queue=name))))
    for worker, proxy, run in victims:
        rig.api.wait_for_state(run, "COMPLETED")
        assert len(proxy.seen(method, path)) >= 3
        assert_lives_and_told_once(worker, told)
        assert over in worker.log()


def test_server_that_knows_more_fields(rig: Rig) -> None:
    rig.make_pool()
    pool = rig.api.pool(rig.pool)
    assert pool is not None
    queues = rig.api.call("POST", f"/work_pools/{rig.pool}/queues/filter", {})
    proxy = rig.proxy_api()
    new = {"a_new_field": {"a": [1, None, {"b": "c"}]}, "another": None}
    for method, path, answer in (
        ("GET", ROUTES["pool"][1], {**new, **pool, "type": "docker"}),
        ("POST", ROUTES["queues"][1], [{**new, **queue} for queue in queues]),
        ("POST", r"/heartbeat$", new),
    ):
        proxy.add(Rule(method, path, "answer", times=None, status=200, answer=json.dumps(answer).encode()))
    worker = rig.new_worker().start()
    run = rig.api.create_run(rig.deploy())
    rig.api.wait_for_state(run, "COMPLETED")
    assert "level=warn" not in worker.log()


def test_server_down_at_start(rig: Rig) -> None:
    rig.make_pool()
    run = rig.api.create_run(rig.deploy())
    proxy = rig.proxy_api()
    proxy.shut()
    worker = rig.new_worker().start()
    worker.wait_for_log(START_UP)
    worker.wait_for_log("ECONNREFUSED")
    proxy.open()
    rig.api.wait_for_state(run, "COMPLETED")
    assert_lives_and_told_once(worker, START_UP)


def test_engine_missing_at_start(rig: Rig) -> None:
    rig.make_pool()
    run = rig.api.create_run(rig.deploy())
    engine = rig.proxy_engine()
    engine.shut()
    worker = rig.new_worker().start()
    worker.wait_for_log(ENGINE_GONE)
    worker.wait_for_log("ENOENT socket")
    rig.wait_online(worker)
    assert rig.api.run(run)["state_type"] == "SCHEDULED"
    engine.open()
    rig.api.wait_for_state(run, "COMPLETED")
    assert_lives_and_told_once(worker, ENGINE_GONE)


def test_engine_that_answers_nonsense_at_start(rig: Rig) -> None:
    rig.make_pool()
    with ExitStack() as stack:
        victims: list[tuple[Worker, Proxy, Proxy, str]] = []
        direct = rig.setup
        for name, (answer, headers) in NONSENSE.items():
            # Not a socket in this folder: its name could be too long for one.
            engine = stack.enter_context(Proxy(direct.docker_host))
            for method in ("GET", "POST", "HEAD"):
                engine.add(Rule(method, "", "answer", times=None, status=200, answer=answer, headers=headers))
            rig.setup = replace(direct, docker_host=f"tcp://{engine.address}")
            victims.append((*start_victim(rig, name), engine, rig.api.create_run(rig.deploy(queue=name))))
        for worker, api, engine, _ in victims:
            worker.wait_for_log(ENGINE_GONE)
            wait_until(lambda e=engine: len(e.calls) >= 3, "further tries")
            rig.wait_online(worker)
            assert api.seen("POST", r"/set_state$") == []
            engine.clear()
        for worker, _, _, run in victims:
            rig.api.wait_for_state(run, "COMPLETED")
            assert_lives_and_told_once(worker, ENGINE_GONE)
            worker.kill()
