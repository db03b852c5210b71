"""Prefect servers and engines that belong to a test session alone."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import httpx

from .engine import Engine
from .waiting import wait_until


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clean_environment(home: Path) -> dict[str, str]:
    """This process's environment without any Prefect setting of the person who runs the tests."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "DOCKER_"))}
    environment.update(PREFECT_HOME=str(home), DO_NOT_TRACK="1", NO_COLOR="1")
    return environment


def stop_process(process: subprocess.Popen[bytes], timeout_s: float = 20.0) -> None:
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


class PostgresDatabase:
    """A database and its owner in the machine's cluster (PGHOST, PGPORT), both dropped by drop()."""

    def __init__(self) -> None:
        self.name = f"sluice_test_{uuid.uuid4().hex[:8]}"
        self._password = uuid.uuid4().hex
        host, port = os.environ.get("PGHOST", "127.0.0.1"), os.environ.get("PGPORT", "5432")
        self.url = f"postgresql+asyncpg://{self.name}:{self._password}@{host}:{port}/{self.name}"
        self._sql(f"CREATE ROLE {self.name} LOGIN PASSWORD '{self._password}'")
        self._sql(f"CREATE DATABASE {self.name} OWNER {self.name}")

    def drop(self) -> None:
        self._sql(f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)")
        self._sql(f"DROP ROLE IF EXISTS {self.name}")

    @staticmethod
    def _sql(statement: str) -> None:
        command = ["psql", "-q", "-v", "ON_ERROR_STOP=1", "-p", os.environ.get("PGPORT", "5432"), "-c", statement]
        if os.geteuid() == 0:
            command = ["runuser", "-u", "postgres", "--", *command]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
        done = subprocess.run(command, cwd="/", env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"PostgreSQL refused {statement.split(' ')[0:2]}: {done.stderr.strip()}"


class PrefectServer:
    def __init__(
        self,
        home: Path,
        database_url: str | None = None,
        settings: dict[str, str] | None = None,
        program: Path = Path(sys.executable).with_name("prefect"),
    ) -> None:
        """Start a server; without database_url it uses an SQLite file in home. settings: further variables; program: prefect."""
        home.mkdir(parents=True, exist_ok=True)
        self._program = program
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/api"
        environment = clean_environment(home)
        environment.update(
            PREFECT_SERVER_ANALYTICS_ENABLED="false",
            PREFECT_UI_ENABLED="false",
            PREFECT_LOGGING_SERVER_LEVEL="WARNING",
        )
        environment.update(settings or {})
        if database_url:
            environment["PREFECT_API_DATABASE_CONNECTION_URL"] = database_url
        self._home = home
        self._environment = environment
        self.log = home / "server.log"
        self.start()

    def start(self, settings: dict[str, str] | None = None) -> None:
        """Start it, or start it again with the same database and address; settings: from now on."""
        self._environment.update(settings or {})
        command = [str(self._program), "server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._home, env=self._environment, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            wait_until(self._is_ready, f"the Prefect server (its log: {self.log})", timeout_s=180)
        except BaseException:
            self.stop()
            raise

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise AssertionError(f"the Prefect server ended: {self.log.read_text()[-2000:]}")
        try:
            return httpx.get(f"{self.url}/health", timeout=2.0).text == "true"
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        stop_process(self._process)


class PrivateEngine:
    """A dockerd of our own, to be stopped and started without harm to anyone. Containers use the host's network."""

    def __init__(self) -> None:
        # A short path: it holds sockets, whose names have a limit of 107 bytes.
        self._home = Path(tempfile.mkdtemp(prefix="engine-"))
        self.host = f"unix://{self._home}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None
        # Nothing is ever attached to it, but without a bridge of its own dockerd takes the machine's, and told to have
        # none it deletes the machine's.
        self._bridge = f"sluice{uuid.uuid4().hex[:8]}"
        self._ip("link", "add", self._bridge, "type", "bridge")
        self._ip("address", "add", "127.77.0.1/24", "dev", self._bridge)

    @staticmethod
    def _ip(*arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True)

    def start(self) -> Engine:
        # The machine's own daemon.json is not for this one.
        config = self._home / "daemon.json"
        config.write_text("{}")
        command = [
            "dockerd",
            f"--config-file={config}",
            f"--host={self.host}",
            f"--data-root={self._home}/data",
            f"--exec-root={self._home}/exec",
            f"--pidfile={self._home}/pid",
            f"--bridge={self._bridge}",
            "--iptables=false",
            "--ip6tables=false",
            "--ip-forward=false",
            "--ip-masq=false",
            "--shutdown-timeout=1",
            f"--storage-driver={self._storage_driver()}",
        ]
        with (self._home / "dockerd.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        engine = Engine(self.host)
        wait_until(lambda: self._is_ready(engine), "our own dockerd", timeout_s=60)
        return engine

    def _is_ready(self, engine: Engine) -> bool:
        if self._process is not None and self._process.poll() is not None:
            raise AssertionError(f"our own dockerd ended: {(self._home / 'dockerd.log').read_text()[-2000:]}")
        return engine.works()

    @staticmethod
    def _storage_driver() -> str:
        """The driver that is known to work here; data of the machine's engine stay untouched."""
        shown = subprocess.run(["docker", "info"], capture_output=True, text=True, check=True).stdout
        found = re.search(r"Storage Driver: (\S+)", shown)
        return found.group(1) if found else "vfs"

    def stop(self) -> None:
        if self._process is not None:
            stop_process(self._process, timeout_s=40)
            self._process = None

    def remove(self) -> None:
        self.stop()
        self._ip("link", "delete", self._bridge)
        # dockerd leaves these mounted, and the folder could not be removed.
        for mounted in ("exec/netns/default", "data"):
            subprocess.run(["umount", self._home / mounted], capture_output=True, check=False)
        shutil.rmtree(self._home, ignore_errors=True)
