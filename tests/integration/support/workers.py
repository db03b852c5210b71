"""A worker process under test: ours, or the official one to prove a scenario by."""

import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .servers import clean_environment
from .waiting import wait_until

Kind = Literal["sluice", "official"]

# Given to every worker; must never be seen in a log.
API_KEY = "key-that-no-log-may-hold"


@dataclass
class Setup:
    """What does not change from worker to worker."""

    kind: Kind
    binary: Path
    directory: Path
    api_url: str
    docker_host: str


@dataclass
class Worker:
    setup: Setup
    pool: str | None
    name: str
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    config: str | None = None
    expects_end: bool = False  # the test itself saw to its end
    state_path: Path | None = None  # by default beside the log

    def __post_init__(self) -> None:
        self.log_path = self.setup.directory / f"{self.name.replace('/', '-')}.log"
        self.output_path = self.log_path.with_suffix(".out")
        self.state_path = self.state_path or self.log_path.with_suffix(".db")
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        pool = ["--pool", self.pool] if self.pool else []
        common = [*pool, "--name", self.name, *self.options]
        if self.setup.kind == "official":
            return [sys.executable, "-m", "prefect", "worker", "start", "--type", "docker", *common]
        files = ["--state", str(self.state_path)]
        if self.config is not None:
            config_path = self.log_path.with_suffix(".conf")
            config_path.write_text(self.config)
            files += ["--config", str(config_path)]
        return [str(self.setup.binary), "start", *common, *files]

    def start(self) -> "Worker":
        """Start, or start again with the same state file and logs."""
        environment = clean_environment(self.setup.directory / "home")
        environment.update(
            PREFECT_API_URL=self.setup.api_url,
            PREFECT_API_KEY=API_KEY,
            PREFECT_WORKER_QUERY_SECONDS="2",
            PREFECT_WORKER_HEARTBEAT_SECONDS="2",
            DOCKER_HOST=self.setup.docker_host,
        )
        environment.update(self.environment)
        with self.log_path.open("ab") as log, self.output_path.open("ab") as output:
            self._process = subprocess.Popen(
                self.command(), env=environment, cwd=self.setup.directory, stdin=subprocess.DEVNULL, stdout=output, stderr=log
            )
        self.expects_end = False
        return self

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def wait_for_exit(self, timeout_s: float = 30.0) -> int:
        assert self._process is not None
        try:
            code = self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {timeout_s:g} s: {self.log()[-2000:]}") from None
        self.expects_end = True
        return code

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self, timeout_s: float = 15.0) -> int:
        """SIGTERM, and the exit code."""
        self.send(signal.SIGTERM)
        return self.wait_for_exit(timeout_s)

    def kill(self) -> None:
        if self.is_alive:
            assert self._process is not None
            self._process.kill()
            self._process.wait()
        self.expects_end = True

    def log(self) -> str:
        """All that it wrote, but for the output of containers."""
        text = self.log_path.read_text(errors="replace")
        return text if self.setup.kind == "sluice" else text + self.output_path.read_text(errors="replace")

    def wait_for_log(self, text: str, timeout_s: float = 30.0) -> None:
        wait_until(lambda: text in self.log(), f"{text!r} in the log {self.log_path}", timeout_s)

    def ask_state(self, question: str, *values: str) -> list[tuple]:
        """SQL asked of the state file, which may be in use."""
        with closing(sqlite3.connect(f"file:{self.state_path}?mode=ro", uri=True, timeout=20)) as db:
            return db.execute(question, values).fetchall()

    def unfinished(self) -> int:
        """Launches that it still has to do with."""
        return self.ask_state("SELECT count(*) FROM launches WHERE state <> 'FINISHED'")[0][0]

    def open_files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))
