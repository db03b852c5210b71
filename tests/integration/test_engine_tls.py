"""An engine that speaks TLS and asks for a certificate: [engine] tls_verify and cert_path, as Docker's clients read them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.rig import Rig
from support.tls import TlsFront, client_folder, make_authority, make_certificate


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    folder = tmp_path / "authority"
    make_authority(folder)
    make_certificate(folder, "server", "serverAuth")
    make_certificate(folder, "client", "clientAuth")
    return folder


@pytest.fixture
def front(rig: Rig, authority: Path) -> Iterator[TlsFront]:
    front = TlsFront(authority, rig.setup.docker_host.removeprefix("unix://"))
    rig.setup = replace(rig.setup, docker_host=f"tcp://127.0.0.1:{front.port}")
    yield front
    front.close()


def test_a_run_over_tls(rig: Rig, authority: Path, front: TlsFront, tmp_path: Path) -> None:
    rig.make_pool()
    folder = client_folder(tmp_path / "client", authority, authority)
    rig.new_worker(environment={"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}).start()
    run = rig.api.create_run(rig.deploy())
    ended = rig.api.wait_for_state(run, "COMPLETED")
    assert ended["infrastructure_pid"].startswith(f"https://127.0.0.1:{front.port}:")


@pytest.mark.beyond_official("ends at once")
def test_certificates_that_do_not_fit(rig: Rig, authority: Path, front: TlsFront, tmp_path: Path) -> None:
    rig.make_pool()
    stranger = tmp_path / "stranger"
    make_authority(stranger)
    run = rig.api.create_run(rig.deploy())
    for name, ca, told in (
        ("other-ca", stranger, "TLS certificate verify failed"),
        ("no-certificate", authority, "TLS client certificate rejected"),
    ):
        folder = client_folder(tmp_path / name, ca, None)
        config = f"[engine]\ntls_verify = true\ncert_path = {folder}\n"
        worker = rig.new_worker(name=name, config=config).start()
        worker.wait_for_log("the engine can't be reached; nothing is claimed meanwhile")
        worker.wait_for_log(told)
        assert rig.api.run(run)["state_type"] == "SCHEDULED"
        worker.kill()
    folder = client_folder(tmp_path / "right", authority, authority)
    rig.new_worker(config=f"[engine]\ncert_path = {folder}\n").start()
    rig.api.wait_for_state(run, "COMPLETED")
