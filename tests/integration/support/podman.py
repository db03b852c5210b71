"""A Podman of our own: its storage, its run files, its network and its rules of the firewall are nobody else's."""

import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from .engine import Engine
from .proxy import Proxy
from .servers import stop_process
from .waiting import wait_until

# All that would otherwise be shared with a Podman of this machine's.
CONTAINERS_CONF = """\
[containers]
default_ulimits = [{ulimits}]

[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
events_logfile_path = "{home}/events.log"
lock_type = "file"
runtime = "runc"
static_dir = "{home}/storage/libpod"
tmp_dir = "{home}/tmp"
volume_path = "{home}/volumes"

[network]
network_backend = "netavark"
network_config_dir = "{home}/networks"
"""
STORAGE_CONF = """\
[storage]
driver = "{driver}"
graphroot = "{home}/storage"
runroot = "{home}/run"
"""
SUPPORT = Path(__file__).parent
# What a file can't put elsewhere.
FIXED_FOLDERS = "/run/containers /var/lib/containers"
SPACE = f"""
set -e
ip link set lo up
for folder in {FIXED_FOLDERS}; do
    mkdir -p $folder
    mount -t tmpfs tmpfs $folder
done
echo made
exec sleep infinity
"""


class Podman:
    """`podman system service` in namespaces for network and mounts. `api_port` there is that of the Prefect server here."""

    def __init__(self, api_port: int) -> None:
        # A short path: it holds sockets, whose names have a limit of 107 bytes.
        self._home = Path(tempfile.mkdtemp(prefix="podman-"))
        self.host = f"unix://{self._home}/podman.sock"
        self._process: subprocess.Popen[bytes] | None = None
        # From the namespace to the server: by a socket in the file system, which both can reach.
        self._bridge = Proxy(f"127.0.0.1:{api_port}", f"unix://{self._home}/api.sock").__enter__()
        (self._home / "containers.conf").write_text(CONTAINERS_CONF.format(home=self._home, ulimits=self._ulimits()))
        (self._home / "storage.conf").write_text(STORAGE_CONF.format(home=self._home, driver="vfs"))
        command = ["unshare", "--net", "--mount", "sh", "-c", SPACE]
        self._space = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        assert self._space.stdout is not None
        made = self._space.stdout.readline()
        assert made == b"made\n", f"no namespaces: {made!r}"
        command = [sys.executable, "-m", "support.proxy", "--listen", f"0.0.0.0:{api_port}", "--target", self._bridge.address]
        self._relay = subprocess.Popen(
            [*self._enter(), *command], env={**os.environ, "PYTHONPATH": str(SUPPORT.parent)}, stdout=subprocess.DEVNULL
        )

    @staticmethod
    def _ulimits() -> str:
        """Such as this process may hand on: by itself Podman asks for more than may be had everywhere."""
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        # The service lowers its own number of processes to this.
        processes = int(Path("/proc/sys/kernel/pid_max").read_text())
        _, most = resource.getrlimit(resource.RLIMIT_NPROC)
        processes = processes if most == resource.RLIM_INFINITY else min(processes, most)
        return f'"nofile={files}:{files}", "nproc={processes}:{processes}"'

    def _enter(self) -> list[str]:
        return ["nsenter", f"--target={self._space.pid}", "--net", "--mount"]

    def _environment(self) -> dict[str, str]:
        names = {"CONTAINERS_CONF": "containers.conf", "CONTAINERS_STORAGE_CONF": "storage.conf"}
        return {**os.environ, **{name: str(self._home / file) for name, file in names.items()}}

    def start(self) -> Engine:
        command = [*self._enter(), "podman", "system", "service", "--time=0", self.host]
        with (self._home / "podman.log").open("ab") as log:
            self._process = subprocess.Popen(command, env=self._environment(), stdout=log, stderr=subprocess.STDOUT)
        engine = Engine(self.host)
        wait_until(lambda: self._is_ready(engine), "our own Podman", timeout_s=30)
        return engine

    def _is_ready(self, engine: Engine) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"our own Podman ended: {self.log()}"
        return engine.works()

    def log(self) -> str:
        return (self._home / "podman.log").read_text()[-2000:]

    def stop(self) -> None:
        """The service alone: unlike Docker's, its containers live on."""
        if self._process is not None:
            stop_process(self._process)
            self._process = None

    def kill(self, container_id: str) -> None:
        """Without the service."""
        command = [*self._enter(), "podman", "kill", container_id]
        subprocess.run(command, env=self._environment(), stdout=subprocess.DEVNULL, check=True)

    def remove(self) -> None:
        self.stop()
        # All that runs ends here; what is mounted and the network go with the namespaces.
        command = [*self._enter(), "podman", "rm", "--all", "--force", "--time=0"]
        subprocess.run(command, env=self._environment(), capture_output=True, check=False)
        stop_process(self._relay)
        self._kill_the_rest()
        stop_process(self._space)
        self._bridge.__exit__()
        shutil.rmtree(self._home, ignore_errors=True)
        self._remove_groups()

    def _kill_the_rest(self) -> None:
        """What watched over an exec would stay for five minutes."""
        space = os.readlink(f"/proc/{self._space.pid}/ns/net")
        for process in Path("/proc").glob("[0-9]*"):
            try:
                is_ours = os.readlink(process / "ns/net") == space and int(process.name) != self._space.pid
                if is_ours:
                    os.kill(int(process.name), signal.SIGKILL)
            except OSError:
                pass  # it has ended

    @staticmethod
    def _remove_groups() -> None:
        """Those of conmon. One with somebody else's containers in it is not empty, and stays."""
        groups = Path("/sys/fs/cgroup")
        parents = [*groups.glob("libpod_parent"), *groups.glob("*/libpod_parent")]
        for group in [*(path for parent in parents for path in parent.rglob("*") if path.is_dir()), *parents]:
            try:
                group.rmdir()
            except OSError:
                pass
