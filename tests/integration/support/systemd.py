"""The machine's own systemd, started once more in namespaces of its own, as the manager of a real unit."""

import os
import subprocess
import uuid
from pathlib import Path

from .waiting import wait_until

BOOT = Path(__file__).parent / "boot_systemd"
V1, V2 = Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup")


class Systemd:
    """Files below directory/units, etc and bin are there when it has booted."""

    def __init__(self, directory: Path, engine_socket: str = "") -> None:
        self.directory = directory
        for name in ("units", "etc", "bin"):
            (directory / name).mkdir(parents=True, exist_ok=True)
        self._socket = engine_socket
        self._cgroup = (V1 if V1.is_dir() else V2) / f"sluice-test-{uuid.uuid4().hex[:8]}"

    def __enter__(self) -> "Systemd":
        self._cgroup.mkdir()

        def enter_cgroup() -> None:
            (self._cgroup / "cgroup.procs").write_text(str(os.getpid()))

        namespaces = ["--mount", "--pid", "--cgroup", "--uts", "--ipc", "--fork", "--kill-child=SIGKILL"]
        self.console = self.directory / "console"
        with self.console.open("wb") as console:
            self._process = subprocess.Popen(
                ["unshare", *namespaces, BOOT, self.directory, self._socket],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                preexec_fn=enter_cgroup,
            )
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        self._first = wait_until(lambda: self._process.poll() is None and children.read_text().split(), "systemd's process")[0]

        def has_booted() -> bool:
            assert self._process.poll() is None, self.console.read_text()[-3000:]
            return self.run("systemctl", "is-active", "boot.target", check=False).stdout.strip() == "active"

        try:
            wait_until(has_booted, "systemd to boot", 60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()  # and with it all that is in its namespaces
        self._process.wait()
        for _ in range(2):
            for folder, _, _ in os.walk(self._cgroup, topdown=False):
                wait_until(lambda folder=folder: self._is_gone(Path(folder)), f"the end of {folder}", 20)

    @staticmethod
    def _is_gone(folder: Path) -> bool:
        try:
            folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command beside its services."""
        inside = ["nsenter", f"--target={self._first}", "--mount", "--pid", "--uts", "--ipc", "--cgroup"]
        done = subprocess.run([*inside, *command], capture_output=True, text=True, timeout=60)
        assert not check or done.returncode == 0, f"{command}: {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def show(self, unit: str, name: str) -> str:
        return self.run("systemctl", "show", "--value", f"--property={name}", unit).stdout.strip()

    def journal(self, unit: str, *options: str) -> str:
        return self.run("journalctl", "--no-pager", f"--unit={unit}", *options).stdout
