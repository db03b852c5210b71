"""The shipped unit under real systemd, hardened as it is, with a real server and a real engine."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.rig import Rig
from support.systemd import Systemd
from support.waiting import wait_until
from support.workers import API_KEY

ROOT = Path(__file__).resolve().parents[2]
GOOD = "[prefect]\npool = p\nname = w1\n"

pytestmark = pytest.mark.beyond_official("is about what sluice alone does")


def install(binary: Path, directory: Path, configuration: str, environment: str) -> None:
    """What the package would: the unit, the user, the configuration, and the program (in /usr/local/bin here)."""
    for folder in ("units", "bin", "etc/sluice", "etc/default", "etc/sysusers.d", "etc/systemd/system/sluice.service.d"):
        (directory / folder).mkdir(parents=True)
    unit = (ROOT / "packaging/systemd/sluice.service").read_text().replace("/usr/bin/sluice", "/usr/local/bin/sluice")
    (directory / "units/sluice.service").write_text(unit)
    # The watchdog's real minute would be waited for.
    drop_in = directory / "etc/systemd/system/sluice.service.d/short.conf"
    drop_in.write_text("[Service]\nWatchdogSec=3\nTimeoutAbortSec=1\nRestartSec=1\n")
    shutil.copy(binary, directory / "bin/sluice")
    shutil.copy(ROOT / "packaging/sysusers.d/sluice.conf", directory / "etc/sysusers.d/")
    (directory / "etc/sluice/sluice.conf").write_text(configuration)
    (directory / "etc/sluice/prefect-api-key").write_text(f"{API_KEY}\n")
    (directory / "etc/sluice/prefect-api-key").chmod(0o600)
    (directory / "etc/default/sluice").write_text(environment)


def test_service_of_the_package(rig: Rig, tmp_path: Path) -> None:
    rig.make_pool()
    deployment = rig.deploy("run-flow told")
    environment = f"PREFECT_API_URL={rig.setup.api_url}\nPREFECT_WORKER_QUERY_SECONDS=2\n"
    install(rig.setup.binary, tmp_path, f"[prefect]\npool = {rig.pool}\nname = w1\n", environment)
    with Systemd(tmp_path, rig.engine.host.removeprefix("unix://")) as systemd:
        systemd.run("systemctl", "start", "sluice")  # comes back when it is ready
        assert systemd.show("sluice", "ActiveState") == "active"
        run = rig.api.create_run(deployment)
        rig.api.wait_for_state(run, "RUNNING")
        status = "1 running, 0 queued, engine in reach"
        wait_until(lambda: systemd.show("sluice", "StatusText") == status, "the line of status")

        # The key came as a credential: flows have it, the process's environment has not.
        assert f"PREFECT_API_KEY={API_KEY}" in rig.engine.only_one(rig.pool, run)["Config"]["Env"]
        pid = systemd.show("sluice", "MainPID")
        assert API_KEY not in systemd.run("cat", f"/proc/{pid}/environ").stdout
        assert "\nUid:\t0\t" not in systemd.run("cat", f"/proc/{pid}/status").stdout
        assert "\nCapEff:\t0000000000000000\n" in systemd.run("cat", f"/proc/{pid}/status").stdout

        systemd.run("systemctl", "reload", "sluice")
        wait_until(lambda: "configuration reloaded" in systemd.journal("sluice"), "the reload")
        wait_until(lambda: systemd.show("sluice", "ActiveState") == "active", "its end")

        # Stuck: killed by the watchdog and started again; the container is found.
        systemd.run("kill", "-STOP", pid)
        wait_until(lambda: systemd.show("sluice", "NRestarts") == "1", "the restart", 30)
        wait_until(lambda: systemd.show("sluice", "StatusText") == status, "the container to be adopted")
        assert "sluice.service: Watchdog timeout (limit 3s)!" in systemd.journal("sluice")
        rig.engine.tell(rig.engine.only_one(rig.pool, run)["Id"], "complete")
        rig.api.wait_for_state(run, "COMPLETED")

        systemd.run("systemctl", "stop", "sluice")
        assert systemd.show("sluice", "Result") == "success"
        assert systemd.show("sluice", "ExecMainStatus") == "0"
        lines = [json.loads(line) for line in systemd.journal("sluice", "--output=json", "_COMM=sluice").splitlines()]
        priorities = {"debug": "7", "info": "6", "warn": "4", "error": "3"}
        levels = [(line["MESSAGE"].removeprefix("level=").split()[0], line["PRIORITY"]) for line in lines]
        assert len(levels) > 10
        assert {line["SYSLOG_IDENTIFIER"] for line in lines} == {"sluice"}
        assert all(priorities[level] == priority for level, priority in levels), levels
        assert API_KEY not in systemd.journal("sluice")
        # What its own sandbox refuses it would show here.
        assert not [line for line in lines if line["PRIORITY"] in "34" and "denied" in line["MESSAGE"]]


@pytest.fixture
def alone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    """The service without server and engine, which it would wait for."""
    install(Path(request.config.getoption("--sluice")).resolve(), tmp_path, GOOD, "PREFECT_API_URL=http://127.0.0.1:9/api\n")
    with Systemd(tmp_path) as systemd:
        yield systemd


def write(systemd: Systemd, path: str, text: str) -> None:
    systemd.run("sh", "-c", 'printf %s "$1" >"$2"', "sh", text, path)


@pytest.mark.parametrize(
    ("path", "text", "said"),
    [
        ("/etc/sluice/sluice.conf", "[prefect]\npool = p\n[limits]\nrunning = none\n", '/etc/sluice/sluice.conf:4: [limits] running: "none"'),
        ("/etc/sluice/sluice.conf", "", "no work pool was given"),
        ("/etc/default/sluice", "", "no Prefect server was given"),
    ],
    ids=["a bad value", "no pool", "no server"],
)
def test_a_mistake_in_the_configuration_is_told_once(alone: Systemd, path: str, text: str, said: str) -> None:
    right = alone.run("cat", path).stdout
    write(alone, path, text)
    assert alone.run("systemctl", "start", "sluice", check=False).returncode != 0
    # RestartSec is 1 s here; a restart would have been planned already.
    assert alone.show("sluice", "ActiveState") == "failed"
    assert (alone.show("sluice", "NRestarts"), alone.show("sluice", "ExecMainStatus")) == ("0", "78")
    status = alone.run("systemctl", "status", "sluice", check=False).stdout
    assert "status=78" in status and "sluice[" in status and said in status, status
    assert alone.journal("sluice", "--output=cat").count(said) == 1
    write(alone, path, right)
    alone.run("systemctl", "start", "sluice")
    assert alone.show("sluice", "ActiveState") == "active"


def test_a_full_disk_is_tried_again_without_end(alone: Systemd) -> None:
    folder = "/var/lib/sluice"
    alone.run("mkdir", folder)
    alone.run("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", folder)
    alone.run("systemctl", "start", "sluice", check=False)
    wait_until(lambda: int(alone.show("sluice", "NRestarts")) >= 7, "more tries than systemd allows by itself", 60)
    assert alone.journal("sluice").count("status=1/FAILURE") >= 7
    alone.run("mount", "-o", "remount,size=64m", folder)
    wait_until(lambda: alone.show("sluice", "ActiveState") == "active", "the disk to have room again", 30)
