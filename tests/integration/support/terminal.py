"""A command on a pseudo-terminal."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Callable

from .command import Sluice

DEADLINE_S = 20


def open_terminal(columns: int, rows: int) -> tuple[int, int]:
    """Our end, and the command's."""
    main, side = pty.openpty()
    fcntl.ioctl(main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    return main, side


def read_to_the_end(main: int, process: subprocess.Popen[bytes], deadline_s: float) -> tuple[int, str]:
    """What a process whose terminal this is writes until it has ended, and its exit code."""
    code = None
    seen = b""
    deadline = time.monotonic() + deadline_s
    while code is None or select.select([main], [], [], 0)[0]:
        assert time.monotonic() < deadline, seen
        if select.select([main], [], [], 0.02)[0]:
            seen += os.read(main, 65536)
        code = process.poll()
    return code, seen.decode(errors="replace")


class Terminal:
    """A sluice command that runs on one."""

    def __init__(self, sluice: Sluice, *arguments: str, columns: int = 80, rows: int = 24, **changes: str | None) -> None:
        self._main, self._side = open_terminal(columns, rows)
        self.modes = termios.tcgetattr(self._side)
        changes = {"TERM": "xterm-256color", "LANG": "C.UTF-8", "LC_ALL": None, "NO_COLOR": None, "COLUMNS": None, **changes}
        self.process = subprocess.Popen(
            [sluice.binary, *arguments, "--state", str(sluice.state)],
            env=sluice.environment(**changes), cwd=sluice.directory, stdin=self._side, stdout=self._side, stderr=self._side,
            preexec_fn=self._take, start_new_session=True,
        )  # fmt: skip
        self.text = ""

    def _take(self) -> None:
        """In the child: Ctrl-C and Ctrl-Z come from a controlling terminal only."""
        fcntl.ioctl(self._side, termios.TIOCSCTTY, 0)

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._main, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read_until(self, is_there: Callable[[str], bool]) -> str:
        """All that came since the last time, which is_there is asked about."""
        deadline = time.monotonic() + DEADLINE_S
        seen = b""
        while not is_there(seen.decode(errors="replace")):
            left = deadline - time.monotonic()
            assert left > 0, f"this is all that came: {seen!r}"
            if select.select([self._main], [], [], left)[0]:
                seen += os.read(self._main, 65536)
        self.text += seen.decode(errors="replace")
        return seen.decode(errors="replace")

    def type(self, keys: bytes) -> None:
        os.write(self._main, keys)

    def end(self) -> tuple[int, str]:
        """Waits for its end: the exit code, and all it ever wrote. The terminal must have its modes back."""
        code, rest = read_to_the_end(self._main, self.process, DEADLINE_S)
        self.text += rest
        assert termios.tcgetattr(self._side) == self.modes
        os.close(self._side)
        os.close(self._main)
        return code, self.text
