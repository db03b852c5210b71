"""Fixtures: a Prefect server on PostgreSQL and one engine for the session, and for each test a pool with its workers."""

import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.engine import Engine
from support.prefect_api import PrefectApi
from support.rig import Images, Rig
from support.pace import Pace
from support.servers import PostgresDatabase, PrefectServer
from support.workers import Setup

ROOT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--worker", choices=("sluice", "official"), default="sluice", help="whom the scenarios are run with")
    parser.addoption("--sluice", default=str(ROOT / "build/release/scheduler/sluice"), help="the binary under test")
    parser.addoption("--contract", default=str(ROOT / "build/release/tests/contract"), help="folder of the contract programs")
    parser.addoption("--server", help="a version of scripts/make-servers, for any scenario; by default the newest on PostgreSQL")
    parser.addoption("--unscaled", action="store_true", help="outages, leases and loads as long and large as in life")


def pytest_configure() -> None:
    """SIGTERM ends a session as Ctrl-C does: servers, workers, containers and databases go with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--unscaled"):
        for item in items:
            marker = item.get_closest_marker("soak")
            if marker is not None:
                item.add_marker(pytest.mark.timeout(marker.kwargs["limit_s"]), append=False)
    if config.getoption("--worker") == "official":
        for item in items:
            marker = item.get_closest_marker("beyond_official")
            if marker is not None:
                item.add_marker(pytest.mark.xfail(reason=marker.args[0], strict=False))


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    engine = Engine()
    if not engine.works():
        pytest.exit(f"no Docker Engine works at {engine.host}; scripts/test would start one", returncode=1)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def images(engine: Engine) -> Images:
    made = subprocess.run([ROOT / "scripts/make-images"], stdout=subprocess.PIPE, text=True, check=True).stdout
    names = dict(line.split(" ", 1) for line in made.splitlines())
    return Images(busybox=names["busybox"], flow=names["flow"])


@pytest.fixture(scope="session")
def pace(request: pytest.FixtureRequest) -> Pace:
    return Pace(request.config.getoption("--unscaled"))


@contextmanager
def running_server(home: Path, settings: dict[str, str], version: str | None = None) -> Iterator[PrefectServer]:
    """A server on PostgreSQL, of this version if one is named."""
    program = {}
    if version is not None:
        command = [str(ROOT / "scripts/make-servers"), version]
        made = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
        program = {"program": Path(made.split()[1]) / "bin/prefect"}
    database = PostgresDatabase()
    try:
        server = PrefectServer(home, database.url, settings, **program)
        try:
            yield server
        finally:
            server.stop()
    finally:
        database.drop()


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, pace: Pace) -> Iterator[PrefectServer]:
    version = request.config.getoption("--server")
    with running_server(tmp_path_factory.mktemp("server"), pace.server_settings, version) as server:
        yield server


@pytest.fixture(scope="module")
def sqlite_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    server = PrefectServer(tmp_path_factory.mktemp("sqlite-server"))
    yield server
    server.stop()


def make_rig(request: pytest.FixtureRequest, url: str, engine: Engine, images: Images, directory: Path) -> Iterator[Rig]:
    binary = Path(request.config.getoption("--sluice")).resolve()
    kind = request.config.getoption("--worker")
    if kind == "sluice" and not binary.exists():
        pytest.exit(f"no binary at {binary}: build it with `cmake --preset release && cmake --build --preset release`", 1)
    setup = Setup(kind, binary, directory, url, engine.host)
    pool = f"{request.node.name.split('[')[0].removeprefix('test_')[:40]}-{uuid.uuid4().hex[:6]}"
    rig = Rig(PrefectApi(url), engine, images, setup, pool)
    yield rig
    rig.close(check=not getattr(request.node, "has_failed", False))


def leave_without_an_engine(item: pytest.Item) -> None:
    """All that follows would fail after its whole time limit."""
    engine = item.funcargs.get("engine")
    if engine is not None and not engine.works():
        pytest.exit(f"the Docker Engine at {engine.host} no longer works", returncode=1)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Remember a failure, so that clean-up does not hide it behind failures of its own; and show the workers' logs."""
    outcome = yield
    report = outcome.get_result()
    if report.failed and report.when != "teardown":
        leave_without_an_engine(item)
    if report.failed and report.when == "call":
        item.has_failed = True
        rig = item.funcargs.get("rig") or item.funcargs.get("sqlite_rig")
        for worker in rig.workers if rig else []:
            report.sections.append((f"last lines of worker {worker.name}", worker.log()[-6000:]))


@pytest.fixture
def rig(
    request: pytest.FixtureRequest, server: PrefectServer, engine: Engine, images: Images, tmp_path: Path
) -> Iterator[Rig]:
    yield from make_rig(request, server.url, engine, images, tmp_path)


@pytest.fixture
def sqlite_rig(
    request: pytest.FixtureRequest, sqlite_server: PrefectServer, engine: Engine, images: Images, tmp_path: Path
) -> Iterator[Rig]:
    yield from make_rig(request, sqlite_server.url, engine, images, tmp_path)
