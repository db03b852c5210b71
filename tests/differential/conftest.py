"""Our worker in every configuration, once for all tests: a server of its own, no engine but the recording ones."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import Outcome, Session
from support.servers import PostgresDatabase, PrefectServer

ROOT = Path(__file__).resolve().parents[2]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--sluice", default=str(ROOT / "build/release/scheduler/sluice"), help="the binary under test")


def pytest_configure() -> None:
    """SIGTERM ends a session as Ctrl-C does: servers, workers and databases go with it."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    database = PostgresDatabase()
    try:
        server = PrefectServer(tmp_path_factory.mktemp("server"), database.url)
        try:
            yield server
        finally:
            server.stop()
    finally:
        database.drop()


@pytest.fixture(scope="session")
def ours(request: pytest.FixtureRequest, server: PrefectServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    binary = Path(request.config.getoption("--sluice")).resolve()
    if not binary.exists():
        pytest.exit(f"no binary at {binary}: build it with `cmake --preset release && cmake --build --preset release`", 1)
    return Session("sluice", binary, server, tmp_path_factory.mktemp("ours")).outcomes()
