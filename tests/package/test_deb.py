"""The Debian package: reproducible, clean by lintian, and its life in a clean Debian root."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT, Package, package_into
from root import Root, ServiceInRoot, next_version
from support.rig import Rig
from support.waiting import wait_until

NAME = "service-in-root"
SECRET = "key-that-only-the-service-may-read"


def test_two_builds_are_equal_and_lintian_is_silent(package: Package, tmp_path: Path) -> None:
    """In folders of different names; scripts/package fails on anything that lintian calls an error or a warning."""
    again = package_into(tmp_path / "another/folder")
    assert again.deb.name == package.deb.name
    assert again.deb.read_bytes() == package.deb.read_bytes()
    assert not re.search(r"^[EW]: ", package.said, re.MULTILINE)


def test_overrides_are_none() -> None:
    assert not list((ROOT / "packaging/debian").rglob("*lintian-overrides*"))


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    root = Root(tmp_path / "root")
    root.pretend_systemd()
    yield root
    mounted = [line for line in Path("/proc/self/mounts").read_text().splitlines() if str(tmp_path) in line]
    assert mounted == []
    subprocess.run(["rm", "-rf", "--one-file-system", root.folder], check=True)


def settle(root: Root, rig: Rig) -> None:
    """What the manual tells an operator to do: the pool, the server, the key."""
    conf = root.path("etc/sluice/sluice.conf")
    text, count = re.subn(r"^# pool .*$", f"pool = {rig.pool}\nname = {NAME}", conf.read_text(), flags=re.MULTILINE)
    assert count == 1
    conf.write_text(text)
    default = root.path("etc/default/sluice")
    text, count = re.subn(r"^#PREFECT_API_URL=.*$", f"PREFECT_API_URL={rig.setup.api_url}", default.read_text(), flags=re.MULTILINE)
    assert count == 1
    text += f"PREFECT_API_KEY={SECRET}\nPREFECT_WORKER_QUERY_SECONDS=2\nPREFECT_WORKER_HEARTBEAT_SECONDS=2\n"
    default.write_text(text)


def check_installed(root: Root) -> None:
    assert root.asked_of_systemd() == []  # neither enabled nor started
    assert "docker" in root.run("id -Gn sluice").split()
    assert root.owner("/etc/default/sluice") == "root sluice 640"
    assert root.owner("/etc/sluice") == "root sluice 750"
    for folder in ("/var/lib/sluice", "/var/log/sluice"):
        assert root.owner(folder) == "sluice sluice 750"
    assert root.run("sluice check /etc/sluice/sluice.conf").strip() == "/etc/sluice/sluice.conf: fine"
    origins = {line.split()[-1] for line in root.run("sluice config /etc/sluice/sluice.conf").splitlines()}
    assert not any("sluice.conf" in origin for origin in origins), "the installed file chooses something"
    for page in ("man1/sluice.1", "man5/sluice.conf.5", "man8/sluice.8"):
        assert root.path(f"usr/share/man/{page}.gz").exists()
    assert root.run("dpkg --verify sluice") == ""


def check_removed(root: Root, state: Path) -> None:
    assert root.asked_of_systemd() == ["stop sluice.service sluice@*.service"]
    assert not root.path("usr/bin/sluice").exists()
    assert "pool = " in root.path("etc/sluice/sluice.conf").read_text()
    assert SECRET in root.path("etc/default/sluice").read_text()
    assert state.exists()


def check_purged(root: Root) -> None:
    left = [path for path in ("etc/sluice", "etc/default/sluice", "var/lib/sluice", "var/log/sluice") if root.path(path).exists()]
    assert left == []
    assert root.run("dpkg-query -W sluice", check=False).startswith("dpkg-query: no packages found")
    assert "docker" in root.run("id -Gn sluice").split()  # users of the system are never removed


def test_installed_upgraded_with_a_running_container_removed_and_purged(
    package: Package, root: Root, rig: Rig, tmp_path: Path
) -> None:
    for name, deb in (("sluice.deb", package.deb), ("next.deb", next_version(package.deb, tmp_path))):
        root.path(name).write_bytes(deb.read_bytes())
    install = "apt-get install -y --no-install-recommends /sluice.deb"
    root.run(f"{install} || {{ apt-get update -q && {install}; }}")  # the root's package lists are as old as the root
    check_installed(root)

    settle(root, rig)
    state = root.path(f"var/lib/sluice/{rig.pool}/{NAME}.db")
    service = ServiceInRoot(rig.setup, rig.pool, NAME, state_path=state, root=root)
    rig.workers.append(service)
    rig.secrets.append(SECRET)
    rig.wait_online(service.start())
    deployment = rig.deploy("run-flow told")
    run = rig.api.create_run(deployment)
    rig.api.wait_for_state(run, "RUNNING")
    container = rig.engine.only_one(rig.pool, run)["Id"]

    # A package's upgrade replaces the files under the running service, and asks for its restart.
    root.run("dpkg -i /next.deb")
    assert root.run("dpkg-query -W -f '${Version}' sluice") == f"{package.version}+1"
    assert root.asked_of_systemd() == ["try-restart sluice.service", "try-restart sluice@*.service"]
    assert root.owner("/etc/default/sluice") == "root sluice 640"
    assert service.is_alive
    assert service.stop() == 0
    assert rig.engine.inspect(container)["State"]["Running"]
    rig.wait_online(service.start())
    assert service.unfinished() == 1
    rig.engine.tell(container, "complete")
    rig.api.wait_for_state(run, "COMPLETED")
    wait_until(lambda: service.unfinished() == 0, "the end of the container to be seen by the new version")
    assert rig.engine.only_one(rig.pool, run)["Id"] == container
    rig.check_each_ran_once([run])
    assert service.stop() == 0

    root.run("dpkg --remove sluice")
    check_removed(root, state)
    root.run("dpkg --purge sluice")
    check_purged(root)
