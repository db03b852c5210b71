"""A clean Debian root, and sluice run in it as its unit says. Mounts live in mount namespaces that end with their command."""

import os
import re
import shlex
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

from support.workers import Worker

ROOT = Path(__file__).resolve().parents[2]

# Stands in for systemd, which does not run in a root: what maintainer scripts ask of it is written down.
SYSTEMCTL = """#!/bin/sh
echo "$*" >>/systemctl.log
case "$*" in
*is-enabled* | *is-active*) exit 1 ;;
esac
"""

# Shared by all roots of this machine: what apt has downloaded.
ARCHIVES = Path(os.environ.get("SLUICE_CACHE", Path.home() / ".cache/sluice")) / "root-archives"


class Root:
    def __init__(self, folder: Path) -> None:
        made = subprocess.run([ROOT / "scripts/make-root"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        self.folder = folder
        folder.mkdir(mode=0o755)
        subprocess.run(["tar", "-C", folder, "--numeric-owner", "-xf", made], check=True)
        (ARCHIVES / "partial").mkdir(parents=True, exist_ok=True)

    def path(self, path: str) -> Path:
        return self.folder / path.lstrip("/")

    def entering(self, mounts: str, command: str) -> list[str]:
        """The command line that mounts and then becomes the command, a line of sh, in the root."""
        script = f"cd {shlex.quote(str(self.folder))}\n{mounts}\nexec chroot . sh -c {shlex.quote('exec ' + command)}"
        return ["unshare", "--mount", "--propagation", "private", "sh", "-euc", script]

    def run(self, command: str, check: bool = True) -> str:
        """Output of a command line in the root, of which nothing outlives it."""
        mounts = f"mount -t proc proc proc\nmount --bind /dev dev\nmount --bind {shlex.quote(str(ARCHIVES))} var/cache/apt/archives"
        inside = self.entering(mounts, f"sh -c {shlex.quote(command)}")
        whole = [*inside[:1], "--pid", "--fork", "--kill-child", *inside[1:]]
        environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        done = subprocess.run(
            whole, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout[-3000:]}"
        return done.stdout

    def pretend_systemd(self) -> None:
        self.path("run/systemd/system").mkdir(parents=True)
        stand_in = self.path("usr/local/sbin/systemctl")
        stand_in.write_text(SYSTEMCTL)
        stand_in.chmod(0o755)

    def asked_of_systemd(self) -> list[str]:
        """What has been asked about our unit since the last call, but for questions."""
        log = self.path("systemctl.log")
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line for line in lines if "sluice" in line and "is-" not in line]

    def owner(self, path: str) -> str:
        """OWNER GROUP MODE"""
        return self.run(f"stat -c '%U %G %a' {path}").strip()


def next_version(deb: Path, folder: Path) -> Path:
    """The same package with a later version."""
    tree = folder / "next"
    subprocess.run(["dpkg-deb", "-R", deb, tree], check=True)
    control = tree / "DEBIAN/control"
    text, count = re.subn(r"^Version: (.*)$", r"Version: \1+1", control.read_text(), flags=re.MULTILINE)
    assert count == 1
    control.write_text(text)
    made = folder / "next.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "--build", tree, made], check=True, stdout=subprocess.DEVNULL)
    return made


@dataclass
class ServiceInRoot(Worker):
    """The worker that the installed unit starts: its user, its environment, its command line."""

    root: Root | None = None

    def unit(self) -> dict[str, list[str]]:
        assert self.root is not None
        found: dict[str, list[str]] = {}
        for line in self.root.path("lib/systemd/system/sluice.service").read_text().splitlines():
            if re.match(r"[A-Za-z]+=", line):
                key, _, value = line.partition("=")
                found.setdefault(key, []).append(value)
        return found

    def variables(self) -> list[str]:
        """As systemd puts them together: the unit's, then those of the files it names."""
        assert self.root is not None
        unit = self.unit()
        variables = [word for line in unit.get("Environment", []) for word in shlex.split(line)]
        for name in unit["EnvironmentFile"]:
            for line in self.root.path(name.lstrip("-")).read_text().splitlines():
                if line and not line.startswith("#"):
                    variables.append(line)
        return variables

    def command(self) -> list[str]:
        assert self.root is not None
        unit = self.unit()
        user = unit["User"][0]
        socket = self.setup.docker_host.removeprefix("unix://")
        # The engine is this machine's, whose group docker has another number than the root's.
        groups = f"{user},docker,{os.stat(socket).st_gid}"
        inside = "run/docker.sock"
        mounts = "\n".join(
            [
                "mount --rbind /proc proc",
                "mount --bind /dev dev",
                f"touch {inside}",
                f"mount --bind {shlex.quote(socket)} {inside}",
                # StateDirectory and RuntimeDirectory
                f"chroot . install -d -o {user} -g {user} -m 0750 /var/lib/sluice /run/sluice",
            ]
        )
        variables = " ".join(shlex.quote(word) for word in [*self.variables(), "RUNTIME_DIRECTORY=/run/sluice"])
        start = unit["ExecStart"][0].lstrip("-+!")
        command = f"setpriv --reuid={user} --regid={user} --groups={groups} env -i HOME=/var/lib/sluice {variables} {start}"
        return self.root.entering(mounts, command)


def members(archive: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(archive) as tar:
        return {member.name: member for member in tar.getmembers()}
