"""The real process under a service manager, without server and engine: what it tells, which signals it heeds, where its log goes;
and the files that the package installs for that."""

import os
import re
import resource
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.manager import Manager
from support.servers import clean_environment
from support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
UNITS = ("sluice.service", "sluice@.service")
GOOD, BAD = "[limits]\nrunning = 2\n", "[limits]\nrunning = none\n"

pytestmark = pytest.mark.beyond_official("is about what sluice alone does")


class Service:
    """sluice with nobody to talk to."""

    def __init__(self, binary: Path, directory: Path) -> None:
        self.binary, self.directory = binary, directory
        self.config = directory / "sluice.conf"
        self.log_path = directory / "log"
        self.config.write_text(GOOD)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str, stderr: int | None = None, prepare: Callable[[], None] | None = None, **variables: str) -> None:
        environment = clean_environment(self.directory / "home")
        environment.update(PREFECT_API_URL="http://127.0.0.1:9/api", DOCKER_HOST=f"unix://{self.directory}/nobody", **variables)
        command = [self.binary, "start", "--pool", "p", "--name", "w", "--state", self.directory / "state.db"]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--config", self.config, *options],
                env=environment,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stderr=log if stderr is None else stderr,
                preexec_fn=prepare,
            )

    def send(self, number: signal.Signals) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.send(number)
        assert self.process is not None
        return self.process.wait(20)

    def log(self) -> str:
        return self.log_path.read_text()


@pytest.fixture
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Service]:
    service = Service(Path(request.config.getoption("--sluice")).resolve(), tmp_path)
    yield service
    if service.process is not None and service.process.poll() is None:
        service.process.kill()
        service.process.wait()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path, abstract=request.param == "abstract")
    yield manager
    manager.close()


@pytest.fixture
def path_manager(tmp_path: Path) -> Iterator[Manager]:
    manager = Manager(tmp_path)
    yield manager
    manager.close()


# ---- what it tells ----


def test_order_of_a_life(service: Service, manager: Manager) -> None:
    service.start(NOTIFY_SOCKET=manager.address)
    assert manager.hear("READY=1") == "READY=1\nSTATUS=0 running, 0 queued, engine out of reach\n"
    for config in (GOOD.replace("2", "3"), BAD):
        service.config.write_text(config)
        before_us = time.monotonic_ns() // 1000
        service.send(signal.SIGHUP)
        said = re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=(\d+)\n", manager.hear("RELOADING=1"))
        assert said and before_us <= int(said.group(1)) <= time.monotonic_ns() // 1000 + 1000
        assert manager.hear("READY=1").startswith("READY=1\nSTATUS=0 running")
    assert "configuration reloaded" in service.log()
    assert "was not reloaded; the old one stays in force" in service.log()
    assert service.end() == 0
    assert manager.hear("STOPPING=1").startswith("STOPPING=1\nEXTEND_TIMEOUT_USEC=14000000\nSTATUS=stopping, 0 running")
    manager.drain()
    first_lines = [message.split("\n")[0] for message in manager.heard if not message.startswith("STATUS=")]
    assert first_lines == ["READY=1", "RELOADING=1", "READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]


def test_signals_before_ready_are_kept(service: Service, path_manager: Manager) -> None:
    """It reads the job template from a pipe: so it stands at a known place of its start, with its signals held."""
    template = service.directory / "template.json"
    os.mkfifo(template)
    service.start("--base-job-template", str(template), NOTIFY_SOCKET=path_manager.address)
    with template.open("w") as pipe:
        service.send(signal.SIGHUP)
        service.send(signal.SIGUSR1)
        pipe.write('{"job_configuration": {}, "variables": {}}')
    path_manager.hear("READY=1")
    wait_until(lambda: "configuration reloaded" in service.log(), "the reload")
    assert service.end() == 0


def test_watchdog_starves_while_the_process_is_stuck(service: Service, path_manager: Manager) -> None:
    service.start(NOTIFY_SOCKET=path_manager.address, WATCHDOG_USEC="400000")
    for _ in range(3):
        path_manager.hear("WATCHDOG=1")
    service.send(signal.SIGSTOP)
    assert service.process is not None
    status = Path(f"/proc/{service.process.pid}/stat")
    wait_until(lambda: status.read_text().rsplit(")", 1)[1].split()[0] == "T", "the process to stand")
    path_manager.drain()
    with pytest.raises(AssertionError, match="no 'WATCHDOG=1'"):
        path_manager.hear("WATCHDOG=1", timeout_s=1)
    service.send(signal.SIGCONT)
    path_manager.hear("WATCHDOG=1")
    assert service.end() == 0


def test_watchdog_of_another_process_is_not_fed(service: Service, path_manager: Manager) -> None:
    service.start(NOTIFY_SOCKET=path_manager.address, WATCHDOG_USEC="20000", WATCHDOG_PID="1")
    path_manager.hear("READY=1")
    assert service.end() == 0
    path_manager.drain()
    assert not [message for message in path_manager.heard if "WATCHDOG" in message]


@pytest.mark.parametrize("address", ["relative", "/" + "x" * 200, "/nonexistent/notify", "@nobody-listens-here"])
def test_bad_addresses_are_a_warning(service: Service, address: str) -> None:
    service.start(NOTIFY_SOCKET=address)
    wait_until(lambda: "the service manager can't be told anything" in service.log(), "the warning")
    wait_until(lambda: "state file open" in service.log(), "a service that works")
    assert service.end() == 0


# ---- its log ----


def test_stderr_that_nobody_reads(service: Service, path_manager: Manager) -> None:
    reader, writer = os.pipe()
    service.start(stderr=writer, NOTIFY_SOCKET=path_manager.address)
    os.close(writer)
    path_manager.hear("READY=1")
    # Far more than the pipe holds, mistakes of a configuration included.
    service.config.write_text(BAD)
    for _ in range(400):
        service.send(signal.SIGHUP)
        path_manager.hear("RELOADING=1")
        path_manager.hear("READY=1")
    assert service.end() == 0
    os.close(reader)


def test_stderr_closed(service: Service, path_manager: Manager) -> None:
    def close_all() -> None:
        for fd in (0, 1, 2):
            os.close(fd)

    service.start(prepare=close_all, NOTIFY_SOCKET=path_manager.address)
    path_manager.hear("READY=1")
    assert service.process is not None
    opened = {fd: os.readlink(f"/proc/{service.process.pid}/fd/{fd}") for fd in (0, 1, 2)}
    assert opened == {0: "/dev/null", 1: "/dev/null", 2: "/dev/null"}
    service.send(signal.SIGHUP)
    path_manager.hear("RELOADING=1")
    assert service.end() == 0


def test_log_file_is_rotated(service: Service) -> None:
    log = service.directory / "sluice.log"
    service.config.write_text(f"{GOOD}[log]\nfile = {log}\nformat = json\n")
    service.start(prepare=lambda: os.umask(0o022) and None)
    wait_until(lambda: log.exists() and '"msg":"state file open"' in log.read_text(), "the log")
    assert stat.S_IMODE(log.stat().st_mode) == 0o640
    # As the shipped file for logrotate does it, without compression and for this place.
    rules = (PACKAGING / "logrotate.d/sluice").read_text()
    rules = rules.replace("/var/log/sluice/*.log", str(log)).replace("    su sluice sluice\n", "").replace("    compress\n", "")
    assert service.process is not None
    rules = re.sub(r"systemctl kill .*", f"kill -USR1 {service.process.pid}", rules)
    conf = service.directory / "logrotate.conf"
    conf.write_text(rules)
    conf.chmod(0o644)
    service.directory.chmod(0o755)
    subprocess.run(["logrotate", "--force", "--state", service.directory / "logrotate.state", conf], check=True)
    wait_until(lambda: log.exists() and "log file opened again" in log.read_text(), "the new file")
    assert '"msg":"state file open"' in (service.directory / "sluice.log.1").read_text()
    assert service.end() == 0
    assert '"msg":"stopped"' in log.read_text()
    assert service.log() == ""


def test_log_file_that_cannot_be_opened(service: Service) -> None:
    service.config.write_text("[log]\nfile = /nonexistent/sluice.log\n")
    service.start()
    assert service.process is not None and service.process.wait(20) == 1
    assert service.log() == "sluice: the log file /nonexistent/sluice.log can't be opened: No such file or directory\n"


def test_journal_gets_levels_and_no_second_time(service: Service) -> None:
    service.log_path.touch()
    known = service.log_path.stat()
    service.start(JOURNAL_STREAM=f"{known.st_dev}:{known.st_ino}")
    wait_until(lambda: "state file open" in service.log(), "the log")
    assert service.end() == 0
    assert re.search("^<6>level=info msg=stopped ", service.log(), re.MULTILINE)
    assert re.search("^<4>level=warn msg=", service.log(), re.MULTILINE)
    assert all(re.match(r"<[3467]>level=", line) for line in service.log().splitlines())
    assert "time=" not in service.log()


# ---- core dumps ----


def ends_with_a_core(service: Service) -> bool:
    def allow() -> None:
        resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    service.start(prepare=allow)
    wait_until(lambda: "state file open" in service.log(), "the log")
    assert service.process is not None
    service.send(signal.SIGABRT)
    _, status = os.waitpid(service.process.pid, 0)
    service.process.returncode = -signal.SIGABRT
    assert os.WIFSIGNALED(status)
    return os.WCOREDUMP(status)


def test_no_core_by_default(service: Service) -> None:
    assert not ends_with_a_core(service)


def test_core_where_it_is_wanted(service: Service) -> None:
    service.config.write_text("[log]\ncore_dumps = true\n")
    assert ends_with_a_core(service)


# ---- the files of the package ----


def usable(unit: str, directory: Path) -> Path:
    """The unit with programs and pages that are there, which verify wants to see."""
    text = (PACKAGING / "systemd" / unit).read_text()
    path = directory / unit
    path.write_text(re.sub(r"(?m)^Documentation=.*\n", "", text).replace("/usr/bin/sluice", "/bin/true"))
    return path


@pytest.mark.parametrize("unit", UNITS)
def test_exposure_of_the_unit(unit: str, tmp_path: Path) -> None:
    path = usable(unit, tmp_path)
    verified = subprocess.run(["systemd-analyze", "verify", path], capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")
    shown = subprocess.run(["systemd-analyze", "security", "--offline=yes", path], capture_output=True, text=True, check=True)
    exposure = re.search(r"Overall exposure level for \S+: (\d+\.\d)", shown.stdout)
    assert exposure, shown.stdout
    assert float(exposure.group(1)) <= 1.5
    assert "\nSupplementaryGroups=docker\n" in path.read_text()


def test_the_template_differs_in_its_pool_alone() -> None:
    one, many = ((PACKAGING / "systemd" / unit).read_text().splitlines() for unit in UNITS)
    assert [line for line in one if line not in many] == [
        "Description=sluice, a scheduler for Prefect's Docker work pools",
        "ExecStart=/usr/bin/sluice start --mistake-code 78 --config /etc/sluice/sluice.conf",
    ]
    assert [line for line in many if line not in one] == [
        "Description=sluice, a scheduler for Prefect's Docker work pools (pool %I)",
        'ExecStart=/usr/bin/sluice start --mistake-code 78 --config /etc/sluice/%i.conf --pool "%I"',
        "EnvironmentFile=-/etc/default/sluice-%i",
    ]


def test_user_and_folders(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    subprocess.run(["systemd-sysusers", f"--root={tmp_path}", PACKAGING / "sysusers.d/sluice.conf"], check=True)
    users = (tmp_path / "etc/passwd").read_text()
    assert re.search(r"^sluice:.*:/var/lib/sluice:/usr/sbin/nologin$", users, re.MULTILINE), users
    assert re.search(r"^docker:.*:sluice$", (tmp_path / "etc/group").read_text(), re.MULTILINE)
    subprocess.run(["systemd-tmpfiles", "--create", f"--root={tmp_path}", PACKAGING / "tmpfiles.d/sluice.conf"], check=True)
    for folder in ("var/lib/sluice", "run/sluice", "var/log/sluice"):
        assert stat.S_IMODE((tmp_path / folder).stat().st_mode) == 0o750
