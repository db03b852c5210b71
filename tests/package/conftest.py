"""Fixtures: the package built once, a server on SQLite, the engine, and for each test a pool with its workers."""

import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from support.engine import Engine
from support.prefect_api import PrefectApi
from support.rig import Images, Rig
from support.servers import PrefectServer
from support.workers import Setup

ROOT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--build", type=Path, default=ROOT / "build/release", help="folder of the build: binary and manual")


def pytest_configure() -> None:
    """SIGTERM ends a session as Ctrl-C does: server, workers, containers and roots go with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


class Build(NamedTuple):
    folder: Path

    @property
    def sluice(self) -> Path:
        return self.folder / "scheduler/sluice"

    def made(self, name: str) -> Path:
        """A page or a completion."""
        return self.folder / "packaging/manual" / name


@pytest.fixture(scope="session")
def build(request: pytest.FixtureRequest) -> Build:
    build = Build(request.config.getoption("--build").resolve())
    if not build.made("sluice.1").exists():
        pytest.exit(f"no manual in {build.folder}: build the targets sluice and manual", 1)
    return build


class Package(NamedTuple):
    deb: Path
    version: str
    said: str  # what lintian had to say


def package_into(folder: Path, *words: str) -> Package:
    # It steps back for scenarios that run beside it, but gets on also where the machine is never idle.
    command = ["nice", "-n", "10", ROOT / "scripts/package", *(words or ("deb",)), "--output", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    debs = list(folder.glob("sluice_*.deb"))
    assert len(debs) == 1, debs
    return Package(debs[0], debs[0].name.split("_")[1], done.stderr)


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    return package_into(tmp_path_factory.mktemp("package"))


class Image(NamedTuple):
    name: str
    archive: Path
    sbom: Path


def make_image(package: Package, folder: Path, name: str) -> Image:
    image = Image(f"{name}:{package.version}", folder / "image.tar.gz", folder / "sbom.json")
    time = subprocess.run(
        ["dpkg-parsechangelog", "-l", ROOT / "packaging/debian/changelog", "-S", "Timestamp"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()
    command = ["python3", ROOT / "scripts/package_image.py", "--deb", package.deb, "--version", package.version]
    command += ["--name", name, "--time", time, "--output", image.archive, "--sbom", image.sbom]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return image


@pytest.fixture(scope="session")
def image(package: Package, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The package's image, in the engine under a name of this session."""
    image = make_image(package, tmp_path_factory.mktemp("image"), f"sluice-test-{uuid.uuid4().hex[:8]}")
    engine.load(image.archive.read_bytes())
    yield image
    for tag in (package.version, "latest"):
        subprocess.run(["docker", "image", "rm", f"{image.name.split(':')[0]}:{tag}"], timeout=60, capture_output=True, check=False)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    engine = Engine()
    if not engine.works():
        pytest.exit(f"no Docker Engine works at {engine.host}; scripts/test would start one", returncode=1)
    os.environ["DOCKER_HOST"] = engine.host
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    server = PrefectServer(tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture
def rig(request: pytest.FixtureRequest, server: PrefectServer, engine: Engine, build: Build, tmp_path: Path) -> Iterator[Rig]:
    made = subprocess.run([ROOT / "scripts/make-images"], stdout=subprocess.PIPE, text=True, check=True).stdout
    names = dict(line.split(" ", 1) for line in made.splitlines())
    setup = Setup("sluice", build.sluice, tmp_path, server.url, engine.host)
    pool = f"{request.node.name.removeprefix('test_')[:40]}-{uuid.uuid4().hex[:6]}"
    rig = Rig(PrefectApi(server.url), engine, Images(names["busybox"], names["flow"]), setup, pool)
    rig.make_pool()
    failed_before = request.session.testsfailed
    yield rig
    rig.close(check=request.session.testsfailed == failed_before)
