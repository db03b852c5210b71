"""Server or engine away, the worker halted, its disk full, its clock wrong: A52, A70, A73, A74."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from support.faults import Rule
from support.pace import Pace
from support.prefect_api import parse_time
from support.rig import Rig
from support.servers import PrefectServer, free_port
from support.waiting import last, wait_until

EXITED = "Flow run infrastructure exited with non-zero status code"
OFTEN = {"PREFECT_WORKER_QUERY_SECONDS": "0.5"}
SET_STATE = r"/set_state$"
PULL = r"/images/create"
PULLED = b'{"status":"Status: Image is up to date"}\r\n'
FULL_WORK_S = 15.0  # after an outage


@pytest.mark.soak(limit_s=1000)
@pytest.mark.beyond_official("claims late, and leaves a run PENDING whose claim it has no answer to")
def test_a52_server_out_of_reach(rig: Rig, pace: Pace, record_property) -> None:  # noqa: ANN001
    """Runs that run, end, launch and wait; the worker keeps its usual pace, so that 15 s say something."""
    rig.make_pool()
    engine = rig.proxy_engine()
    api = rig.proxy_api()
    pull = engine.add(Rule("POST", PULL, "hold"))
    engine.add(Rule("POST", PULL, "answer", status=200, answer=PULLED, times=None))
    worker = rig.start_worker(environment={"PREFECT_WORKER_QUERY_SECONDS": "10", "PREFECT_WORKER_HEARTBEAT_SECONDS": "30"})
    told = rig.deploy("run-flow told")
    running = rig.create_runs(told, 3)
    launching = rig.api.create_run(rig.deploy(job_variables={"image_pull_policy": "Always"}))
    for run in running:
        rig.api.wait_for_state(run, "RUNNING")
    pull.wait_caught()
    containers = [rig.engine.only_one(rig.pool, run)["Id"] for run in running]

    api.shut()
    waiting = rig.create_runs(rig.deploy(), 5)
    rig.engine.tell(containers[0], "3")
    rig.engine.tell(containers[1], "complete")
    pull.let_go()
    last(pace.pick(20, 600))
    assert worker.is_alive
    api.open()
    back_s = time.monotonic()
    wait_until(
        lambda: rig.api.run(running[0])["state_type"] == "CRASHED"
        and rig.api.worker_is_online(rig.pool, worker.name)
        and all(run in rig.starts.started for run in (*waiting, launching)),
        "full work",
        timeout_s=FULL_WORK_S,
    )
    record_property("back to full work, s", f"{time.monotonic() - back_s:.1f}")
    assert rig.api.run(running[0])["state"]["message"].startswith(f"{EXITED} 3")
    rig.engine.tell(containers[2], "complete")
    everything = [*running, launching, *waiting]
    assert rig.ends(everything) == {"CRASHED": 1, "COMPLETED": len(everything) - 1}
    rig.check_each_ran_once(everything)


@pytest.mark.soak(limit_s=1000)
@pytest.mark.beyond_official("reports runs as crashed")
def test_a52_server_that_is_silent_and_then_restarts(sqlite_rig: Rig, sqlite_server: PrefectServer, pace: Pace) -> None:
    rig = sqlite_rig
    rig.make_pool()
    api = rig.proxy_api()
    worker = rig.start_worker(environment={**OFTEN, "PREFECT_API_REQUEST_TIMEOUT": "5"})
    running = rig.create_runs(rig.deploy("run-flow told"), 3)
    for run in running:
        rig.api.wait_for_state(run, "RUNNING")
    containers = [rig.engine.only_one(rig.pool, run)["Id"] for run in running]
    waiting = rig.create_runs(rig.deploy(), 3, due_in_s=30.0)
    silence = api.add(Rule("", "", "stall", times=None))
    rig.engine.tell(containers[0], "3")
    last(pace.pick(7, 60))
    sqlite_server.stop()
    silence.times = 0
    last(pace.pick(1, 540))
    sqlite_server.start()
    ended = rig.api.wait_for_state(running[0], "CRASHED")
    assert ended["state"]["message"].startswith(f"{EXITED} 3")
    rig.wait_online(worker)
    for container in containers[1:]:
        rig.engine.tell(container, "complete")
    assert rig.ends([*running, *waiting], timeout_s=180) == {"CRASHED": 1, "COMPLETED": 5}
    rig.check_each_ran_once([*running, *waiting])


@pytest.mark.soak(limit_s=600)
def test_a70_health(rig: Rig, pace: Pace) -> None:
    rig.make_pool()
    engine = rig.proxy_engine()
    api = rig.proxy_api()
    port = free_port()
    # Thirty polls without success are too many.
    poll_s = pace.pick(0.2, 2.0)
    environment = {
        "PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1",
        "PREFECT_WORKER_WEBSERVER_PORT": str(port),
        "PREFECT_WORKER_QUERY_SECONDS": str(poll_s),
    }
    worker = rig.start_worker("--with-healthcheck", environment=environment)

    def health() -> tuple[int, str] | None:
        """None: no answer."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/health", timeout=2.0)
        except httpx.TransportError:
            return None
        return answer.status_code, answer.json()["message"]

    well = (200, "OK")
    unwell = (503, "Worker may be unresponsive at this time")
    assert health() == well

    # Halted, it is not there for the one who asks; afterwards it is.
    worker.send(signal.SIGSTOP)
    assert health() is None
    worker.send(signal.SIGCONT)
    wait_until(lambda: health() == well, "health after a halt")

    # Without an engine the worker itself is well: to start it again would help nobody.
    engine.shut()
    worker.wait_for_log("the engine can't be reached")
    last(32 * poll_s)
    assert health() == well
    engine.open()

    api.shut()
    assert health() == well
    wait_until(lambda: health() == unwell, "bad health", timeout_s=60 * poll_s + 20)
    api.open()
    wait_until(lambda: health() == well, "health after the outage", timeout_s=70)
    rig.api.wait_for_state(rig.api.create_run(rig.deploy()), "COMPLETED")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    """Takes all that is left of the folder's file system."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (64 * 1024, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass
    return ballast


@pytest.mark.soak(limit_s=600)
@pytest.mark.beyond_official("has no state file")
def test_a73_disk_full(rig: Rig, small_disk: Path) -> None:
    rig.make_pool()
    proxy = rig.proxy_api()
    worker = rig.new_worker(environment=OFTEN, state_path=small_disk / "w1.db").start()
    rig.wait_online(worker)
    deployment = rig.deploy("run-flow told")
    running = rig.api.create_run(deployment)
    rig.api.wait_for_state(running, "RUNNING")
    container = rig.engine.only_one(rig.pool, running)["Id"]

    ballast = fill(small_disk)
    claims = len(proxy.seen("POST", SET_STATE))
    # So many that they can't all have found a page in files that are there already.
    runs = rig.create_runs(rig.deploy(), 40)
    worker.wait_for_log("full", timeout_s=60)

    def is_quiet() -> bool:
        """Dead, or two polls older without a claim."""
        polls = len(proxy.seen("POST", r"get_scheduled_flow_runs$"))
        before = len(proxy.seen("POST", SET_STATE))
        wait_until(
            lambda: not worker.is_alive or len(proxy.seen("POST", r"get_scheduled_flow_runs$")) >= polls + 2,
            "the worker to die or poll",
        )
        return len(proxy.seen("POST", SET_STATE)) == before

    wait_until(is_quiet, "the worker to claim nothing")
    # Whatever was claimed had been saved: each such run is known to the file.
    assert len(proxy.seen("POST", SET_STATE)) - claims <= 3 * len(runs)
    known = {row[0] for row in worker.ask_state("SELECT flow_run_id FROM launches")}
    assert {run for run in runs if rig.api.run(run)["state_type"] != "SCHEDULED"} <= known
    assert rig.api.run(running)["state_type"] == "RUNNING"

    ballast.unlink()
    if not worker.is_alive:
        assert worker.wait_for_exit() != 0
        worker.start()
    rig.wait_online(worker)
    assert rig.ends(runs, timeout_s=120) == {"COMPLETED": len(runs)}
    rig.engine.tell(container, "complete")
    rig.api.wait_for_state(running, "COMPLETED")
    rig.check_each_ran_once([running, *runs])
    worker.stop()


@pytest.mark.soak(limit_s=600)
@pytest.mark.beyond_official("has no state file")
@pytest.mark.parametrize("damage", ["schema", "cut", "page"])
def test_a73_state_file_that_is_spoilt(rig: Rig, damage: str) -> None:
    rig.make_pool()
    worker = rig.start_worker(environment=OFTEN)
    runs = rig.create_runs(rig.deploy("run-flow told"), 3)
    for run in runs:
        rig.api.wait_for_state(run, "RUNNING")
    containers = [rig.engine.only_one(rig.pool, run)["Id"] for run in runs]
    worker.kill()
    state = worker.state_path
    for name in (f"{state.name}-wal", f"{state.name}-shm"):
        (state.parent / name).unlink(missing_ok=True)
    size = state.stat().st_size
    with state.open("r+b") as file:
        if damage == "cut":
            file.truncate(size // 2 + 100)
        else:
            # The first 100 bytes tell that it is ours: what isn't is left alone.
            file.seek(100 if damage == "schema" else 4096)
            file.write(os.urandom(4096 * 4))
    spoilt = state.read_bytes()
    worker.start()

    def is_kept() -> bool:
        """Set aside, not thrown away."""
        others = [file for file in state.parent.iterdir() if file != state and file.name.startswith(state.name)]
        return any(file.read_bytes() == spoilt for file in others if file.stat().st_size == len(spoilt))

    wait_until(is_kept, "the spoilt file to be set aside")
    rig.wait_online(worker)
    rig.engine.tell(containers[0], "3")
    ended = rig.api.wait_for_state(runs[0], "CRASHED")
    assert ended["state"]["message"].startswith(f"{EXITED} 3")
    rig.engine.tell(containers[1], "complete")
    rig.api.wait_for_state(runs[1], "COMPLETED")
    # It serves, and it knows whom it adopted: a cancelled one whose container dies is Cancelled.
    rig.api.wait_for_state(rig.api.create_run(rig.deploy()), "COMPLETED")
    rig.api.cancel(runs[2])
    rig.engine.kill(containers[2])
    rig.api.wait_for_state(runs[2], "CANCELLED")
    assert [rig.engine.only_one(rig.pool, run)["Id"] for run in runs] == containers
    rig.check_each_ran_once(runs)


FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


@pytest.mark.soak(limit_s=900)
@pytest.mark.parametrize("is_ahead", [True, False], ids=["ahead", "behind"])
def test_a74_clock_that_is_wrong(rig: Rig, pace: Pace, is_ahead: bool) -> None:
    """Behind the server a worker sees runs that much late, as it asks for what is due by its own clock."""
    assert FAKETIME.exists(), "the package faketime is missing: scripts/install-test-deps"
    rig.make_pool()
    skew_s = 300 if is_ahead else pace.pick(-20, -300)
    late_s = max(0, -skew_s)
    proxy = rig.proxy_api()
    wrong = {"LD_PRELOAD": str(FAKETIME), "FAKETIME": f"{skew_s:+d}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    worker = rig.start_worker("--prefetch-seconds", "2", environment={**OFTEN, **wrong})
    soon = rig.api.create_run(rig.deploy(), due_in_s=8)
    now = rig.api.create_run(rig.deploy())
    rig.api.wait_for_state(now, "COMPLETED", timeout_s=60 + late_s)
    due = parse_time(rig.api.run(soon)["expected_start_time"])
    rig.api.wait_for_state(soon, "COMPLETED", timeout_s=60)
    times = {state["name"]: parse_time(state["timestamp"]) for state in rig.api.states(soon)}
    # The server lets a run begin half a second early, and judges that some time after it has stamped the state.
    assert times["Running"] >= due - timedelta(seconds=2)
    # Two runs, two claims: none was tried on what had changed meanwhile.
    assert len(proxy.seen("POST", SET_STATE, body='"Pending"')) == 2
    rig.check_each_ran_once([soon, now])
    assert worker.is_alive
