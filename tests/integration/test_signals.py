"""A worker that is told something while it runs, or told at its start how long to run: signals, reloads, limits, health."""

import json
import re
import signal
import subprocess
from typing import Any

import httpx
import pytest

from support.faults import Rule
from support.rig import Rig
from support.servers import free_port
from support.waiting import wait_until
from support.workers import Worker

pytestmark = pytest.mark.beyond_official("is about what sluice alone does")

RELOADED = "configuration reloaded"


def running(rig: Rig, runs: list[str]) -> list[str]:
    return [run for run in runs if rig.api.run(run)["state_type"] == "RUNNING"]


def wait_for_running(rig: Rig, runs: list[str], count: int) -> list[str]:
    return wait_until(lambda: len(running(rig, runs)) == count and running(rig, runs), f"{count} runs to be RUNNING")


def complete(rig: Rig, run: str) -> None:
    rig.engine.tell(rig.engine.only_one(rig.pool, run)["Id"], "complete")
    rig.api.wait_for_state(run, "COMPLETED")


def look(worker: Worker, command: str) -> Any:
    """What `sluice queue --json` or `sluice status --json` says of this worker."""
    shown = subprocess.run(
        [worker.setup.binary, command, "--json", "--state", worker.log_path.with_suffix(".db")],
        capture_output=True,
        check=True,
        timeout=20,
    )
    return json.loads(shown.stdout)


def reload(worker: Worker, config: str) -> None:
    worker.log_path.with_suffix(".conf").write_text(config)
    worker.send(signal.SIGHUP)


def test_sighup_takes_a_good_file_and_leaves_a_bad_one(rig: Rig) -> None:
    rig.make_pool()
    deployment = rig.deploy("run-flow told")
    worker = rig.start_worker(config="[limits]\nrunning = 1\n")
    runs = [rig.api.create_run(deployment) for _ in range(3)]
    first = wait_for_running(rig, runs, 1)[0]
    wait_until(lambda: len(look(worker, "queue")) == 2, "the two others to wait")

    # Mistakes: all are told with their lines, and the one container stays the only one.
    reload(worker, "[limits]\nrunning = 3\npulls = 0\nnonsense = 5\n")
    worker.wait_for_log("was not reloaded; the old one stays in force")
    log = worker.log()
    mistake = 'level=error msg="mistake in the configuration" mistake="'
    assert re.search(mistake + r'\S+\.conf:3: \[limits\] pulls: \\"0\\" is too small', log), log
    assert re.search(mistake + r"\S+\.conf:4: \[limits\] nonsense: unknown key", log), log
    assert RELOADED not in log
    assert "configuration changed" not in log

    # A missing file is a mistake, too.
    worker.log_path.with_suffix(".conf").unlink()
    worker.send(signal.SIGHUP)
    wait_until(lambda: worker.log().count("stays in force") == 2, "the second refusal")
    assert running(rig, runs) == [first]

    reload(worker, "[limits]\nrunning = 2\npulls = 5\n[log]\nformat = json\n")
    worker.wait_for_log(RELOADED)
    log = worker.log()
    assert "limits.running: 1 -> 2" in log
    assert "limits.pulls: 3 -> 5" in log
    assert "log.format: logfmt -> json (after a restart)" in log
    both = wait_for_running(rig, runs, 2)
    assert len(look(worker, "queue")) == 1
    limits = {(row["class"], row["kind"]): row["limit"] for row in look(worker, "status")["limits"]}
    assert limits["(pool)", "running"] == 2

    # And back: what runs goes on, what waits waits until both have ended.
    reload(worker, "[limits]\nrunning = 1\n")
    wait_until(lambda: worker.log().count(RELOADED) == 2, "the second reload")
    complete(rig, both[0])
    assert len(look(worker, "queue")) == 1
    complete(rig, both[1])
    last = wait_for_running(rig, runs, 1)[0]
    complete(rig, last)
    assert worker.is_alive


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_stop_while_idle(rig: Rig, number: signal.Signals) -> None:
    worker = rig.start_worker()
    worker.send(number)
    assert worker.wait_for_exit(timeout_s=2) == 0
    assert "msg=stopped" in worker.log()


def test_stop_does_not_wait_for_a_silent_server(rig: Rig) -> None:
    proxy = rig.proxy_api()
    worker = rig.start_worker()
    for method in ("GET", "POST"):
        proxy.add(Rule(method, "", times=None, delay_s=60))
    assert worker.stop(timeout_s=15) == 0


def test_second_signal_changes_nothing(rig: Rig) -> None:
    worker = rig.start_worker()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        if worker.is_alive:
            worker.send(number)
    assert worker.wait_for_exit() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_container_lives_on_and_the_next_start_adopts_it(rig: Rig, number: signal.Signals) -> None:
    rig.make_pool()
    worker = rig.start_worker()
    run = rig.api.create_run(rig.deploy("run-flow told"))
    rig.api.wait_for_state(run, "RUNNING")
    worker.send(number)
    assert worker.wait_for_exit(timeout_s=10) == 0
    container = rig.engine.only_one(rig.pool, run)
    assert container["State"]["Status"] == "running"
    assert rig.api.run(run)["state_type"] == "RUNNING"
    # The server may still call the one that left ONLINE.
    worker.start().wait_for_log(" unfinished=1")
    complete(rig, run)
    assert rig.engine.only_one(rig.pool, run)["Id"] == container["Id"]
    wait_until(lambda: look(worker, "queue") == [] and worker.stop() == 0, "a stop with nothing left")


def test_run_once(rig: Rig) -> None:
    rig.make_pool()
    deployment = rig.deploy()
    runs = [rig.api.create_run(deployment) for _ in range(2)]
    worker = rig.new_worker("--run-once", "--limit", "2").start()
    assert worker.wait_for_exit() == 0
    assert {rig.api.run(run)["state_type"] for run in runs} == {"COMPLETED"}

    # Without --limit, it leaves while containers run.
    told = rig.deploy("run-flow told")
    run = rig.api.create_run(told)
    worker = rig.new_worker("--run-once", name="w2").start()
    assert worker.wait_for_exit() == 0
    rig.api.wait_for_state(run, "RUNNING")
    complete(rig, run)

    # Nothing to do is fine, too.
    assert rig.new_worker("--run-once", name="w3").start().wait_for_exit() == 0


def test_limit_of_one(rig: Rig) -> None:
    rig.make_pool()
    deployment = rig.deploy("run-flow told")
    worker = rig.start_worker("--limit", "1")
    runs = [rig.api.create_run(deployment) for _ in range(2)]
    first = wait_for_running(rig, runs, 1)[0]
    waiting = wait_until(lambda: look(worker, "queue"), "the other to be seen")
    assert [row["run_id"] for row in waiting] == [run for run in runs if run != first]
    assert "running" in waiting[0]["waits_for"]
    assert running(rig, runs) == [first]
    complete(rig, first)
    second = wait_for_running(rig, runs, 1)[0]
    assert second != first
    complete(rig, second)


def test_health(rig: Rig) -> None:
    port = free_port()
    where = {"PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1", "PREFECT_WORKER_WEBSERVER_PORT": str(port)}
    rig.start_worker("--with-healthcheck", environment=where)
    answer = httpx.get(f"http://127.0.0.1:{port}/health")
    assert (answer.status_code, answer.json()) == (200, {"message": "OK"})
    assert httpx.get(f"http://127.0.0.1:{port}/").status_code == 404
    assert httpx.get(f"http://127.0.0.1:{port}/health/more").status_code == 404
    second = rig.new_worker("--with-healthcheck", name="w2", environment=where).start()
    assert second.wait_for_exit() == 1
    assert f"127.0.0.1:{port}" in second.log()
    assert "Address already in use" in second.log()
