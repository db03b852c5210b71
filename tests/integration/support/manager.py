"""A stand-in for systemd: the socket that a service tells its state to."""

import socket
import time
import uuid
from pathlib import Path


class Manager:
    """Hears every datagram, in order. The address is a path, or a name of the abstract space."""

    def __init__(self, directory: Path, abstract: bool = False) -> None:
        self.address = f"@sluice-test-{uuid.uuid4().hex}" if abstract else str(directory / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + self.address[1:] if abstract else self.address)
        self.heard: list[str] = []

    def hear(self, what: str, timeout_s: float = 20.0) -> str:
        """The next message with this line or beginning of a line; those before it are kept in `heard`, too."""
        end = time.monotonic() + timeout_s
        while (left := end - time.monotonic()) > 0:
            self._socket.settimeout(left)
            try:
                message = self._socket.recv(4096).decode()
            except TimeoutError:
                break
            self.heard.append(message)
            if any(line.startswith(what) for line in message.splitlines()):
                return message
        raise AssertionError(f"no {what!r} within {timeout_s:g} s; heard {self.heard}")

    def drain(self) -> list[str]:
        """What has come in and was not heard yet."""
        self._socket.setblocking(False)
        fresh = []
        try:
            while True:
                fresh.append(self._socket.recv(4096).decode())
        except BlockingIOError:
            self.heard += fresh
            return fresh

    def close(self) -> None:
        self._socket.close()
