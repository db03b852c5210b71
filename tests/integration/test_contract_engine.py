"""The fake engine against the real one: the same calls, and equal answers."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.engine import Engine
from support.rig import Images

NETWORK = "sluice-contract-net"


@pytest.fixture
def contract(request: pytest.FixtureRequest) -> Path:
    """The program beside the binary under test."""
    program = Path(request.config.getoption("--sluice")).resolve().parents[1] / "tests/contract/contract_engine"
    assert program.exists(), f"no program at {program}: it is built with sluice"
    return program


@pytest.fixture
def network(engine: Engine) -> Iterator[None]:
    for found in engine.call("GET", "/networks", filters='{"name": ["%s"]}' % NETWORK):
        engine.call("DELETE", f"/networks/{found['Id']}")
    network_id = engine.call("POST", "/networks/create", {"Name": NETWORK})["Id"]
    yield
    engine.call("DELETE", f"/networks/{network_id}")


def said(*command: object) -> list[str]:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout.splitlines()


@pytest.mark.usefixtures("network")
def test_fake_and_real_engine_answer_alike(contract: Path, engine: Engine, images: Images) -> None:
    assert said(contract, "--fake") == said(contract, engine.host, images.busybox)
