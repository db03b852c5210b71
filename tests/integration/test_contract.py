"""The fakes of the C tests and what they stand for must give equal answers, or the fakes only agree with us."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from support.engine import Engine
from support.pace import Pace
from support.rig import Images
from support.servers import PrefectServer

NETWORK = "sluice-contract-net"


def answers(program: Path, *arguments: str, settings: dict[str, str] | None = None) -> list[str]:
    assert program.exists(), f"no {program}: build it with `cmake --preset dev && cmake --build --preset dev`"
    done = subprocess.run(
        [program, *arguments],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
        env={**os.environ, **(settings or {})},
    )
    assert done.returncode == 0, f"{program.name} {arguments}: {done.stderr[-2000:]}"
    return done.stdout.splitlines()


def with_sorted_keys(line: str) -> str:
    """The line with the keys of its JSON objects in order: PostgreSQL keeps them by length, SQLite as they came."""
    start = line.find("={")
    if start < 0:
        return line
    value, length = json.JSONDecoder().raw_decode(line[start + 1 :])
    rest = line[start + 1 + length :]
    return line[: start + 1] + json.dumps(value, sort_keys=True) + with_sorted_keys(rest)


@pytest.fixture
def programs(request: pytest.FixtureRequest) -> Path:
    return Path(request.config.getoption("--contract"))


def test_contract_of_the_engine(engine: Engine, images: Images, programs: Path) -> None:
    program = programs / "contract_engine"
    engine.create_network(NETWORK)
    try:
        real = answers(program, engine.host, images.busybox)
    finally:
        engine.remove_network(NETWORK)
    assert answers(program, "--fake") == real


def test_contract_of_the_server(server: PrefectServer, programs: Path, pace: Pace) -> None:
    program = programs / "contract_prefect"
    fake = [with_sorted_keys(line) for line in answers(program, "--fake", settings=pace.server_settings)]
    assert fake == [with_sorted_keys(line) for line in answers(program, server.url)]
