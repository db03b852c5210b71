"""sluice run to its end, for tests of what it says and how it exits."""

import os
import socket
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from .servers import clean_environment


class Doorbell:
    """A server that only knows whether anybody came."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"

    def was_rung(self) -> bool:
        try:
            self._socket.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        self._socket.close()


@dataclass
class Ended:
    code: int
    output: str
    error: str

    def only_line(self) -> str:
        """What stderr says, which must be one line."""
        assert self.error.endswith("\n"), self.error
        assert self.error.count("\n") == 1, self.error
        return self.error


@dataclass
class Sluice:
    """The binary with surroundings of its own; the server and the engine are doorbells."""

    binary: Path
    directory: Path
    api: Doorbell = field(default_factory=Doorbell)
    engine: Doorbell = field(default_factory=Doorbell)

    @property
    def state(self) -> Path:
        """Where a state file would be made, folder and all."""
        return self.directory / "state" / "w.db"

    def environment(self, **changes: str | None) -> dict[str, str]:
        """None takes a variable out."""
        environment: dict[str, str | None] = dict(clean_environment(self.directory / "home"))
        environment.update(
            HOME=str(self.directory),
            PREFECT_API_URL=f"http://{self.api.address}/api",
            DOCKER_HOST=f"tcp://{self.engine.address}",
        )
        environment.update(changes)
        return {name: value for name, value in environment.items() if value is not None}

    def run(self, *arguments: str, **changes: str | None) -> Ended:
        done = subprocess.run(
            [self.binary, *arguments],
            env=self.environment(**changes),
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=20,
            check=False,
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self, *arguments: str, **changes: str | None) -> Ended:
        """`sluice start` that is expected to end by itself."""
        return self.run("start", "--state", str(self.state), *arguments, **changes)

    def write(self, name: str, text: str | bytes) -> str:
        (self.directory / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return name

    def files(self, path: Path) -> dict[str, bytes]:
        """The content of all files below, locks and indexes that SQLite makes anew apart."""
        found = (f for f in sorted(path.rglob("*")) if f.is_file() and not f.name.endswith((".lock", "-shm")))
        return {os.fspath(f.relative_to(path)): f.read_bytes() for f in found}

    def was_silent(self) -> bool:
        return not self.api.was_rung() and not self.engine.was_rung()

    def close(self) -> None:
        self.api.close()
        self.engine.close()
