"""A server behind a login, CSRF tokens, TLS with a private authority and a proxy: A10, A11, A12, A13, A14, A15."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import conftest
from support.engine import Engine
from support.prefect_api import PrefectApi
from support.rig import Images, Rig
from support.servers import PrefectServer
from support.tls import ConnectProxy, TlsFront, make_authority, make_certificate

LOGIN = "admin:password-of-the-server"


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    folder = tmp_path / "authority"
    make_authority(folder)
    make_certificate(folder, "server", "serverAuth")
    return folder


@pytest.fixture
def guarded_server(tmp_path: Path) -> Iterator[PrefectServer]:
    settings = {"PREFECT_SERVER_API_AUTH_STRING": LOGIN, "PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true"}
    server = PrefectServer(tmp_path / "guarded-server", settings=settings)
    yield server
    server.stop()


@pytest.fixture
def guarded_rig(
    request: pytest.FixtureRequest,
    guarded_server: PrefectServer,
    authority: Path,
    engine: Engine,
    images: Images,
    tmp_path: Path,
) -> Iterator[Rig]:
    """A rig whose workers are told of the TLS front alone, and of no login."""
    front = TlsFront(authority, guarded_server.port)
    for rig in conftest.make_rig(request, guarded_server.url, engine, images, tmp_path):
        rig.api.close()
        rig.api = PrefectApi(guarded_server.url, LOGIN)
        rig.setup = replace(rig.setup, api_url=f"https://127.0.0.1:{front.port}/api")
        rig.secrets.append(LOGIN.split(":")[1])
        yield rig
    front.close()


@pytest.mark.beyond_official("ends at once when it is refused")
def test_a10_a11_a13_a14_a15_every_guard_at_once(guarded_rig: Rig, authority: Path, tmp_path: Path) -> None:
    rig = guarded_rig
    rig.make_pool()
    trusted = {"PREFECT_API_SSL_CERT_FILE": str(authority / "ca.pem")}
    login = {"PREFECT_API_AUTH_STRING": LOGIN}

    # What is wrong is said, and waited out.
    for name, environment, told in (
        ("wrong-login", {**trusted, "PREFECT_API_AUTH_STRING": "admin:other"}, "status=401"),
        ("no-authority", login, "certificate"),
        ("other-proxy", {**trusted, **login, "HTTPS_PROXY": "http://127.0.0.1:9"}, "refused"),
    ):
        worker = rig.new_worker(name=name, environment=environment).start()
        worker.wait_for_log("Prefect can't be worked with")
        worker.wait_for_log(told)
        assert worker.is_alive
        worker.kill()
        worker.expects_end = True
    assert rig.api.workers(rig.pool) == []

    # What is not checked needs no authority.
    worker = rig.start_worker(name="unchecked", environment={**login, "PREFECT_API_TLS_INSECURE_SKIP_VERIFY": "1"})
    assert worker.stop() == 0

    # All of it right, the login from a profile, through a proxy.
    proxy = ConnectProxy()
    profiles = tmp_path / "profiles.toml"
    profiles.write_text(f'active = "a"\n[profiles.a]\nPREFECT_API_AUTH_STRING = "{LOGIN}"\nPREFECT_LOGGING_LEVEL = "warning"\n')
    environment = {**trusted, "PREFECT_PROFILES_PATH": str(profiles), "https_proxy": proxy.url}
    worker = rig.start_worker(name="right", environment=environment)
    target = rig.setup.api_url.removeprefix("https://").removesuffix("/api")
    assert set(proxy.targets) == {target}
    run = rig.api.create_run(rig.deploy("sh -c true"))
    ended = rig.api.wait_for_state(run, "CRASHED")  # nobody in there has reported
    container = rig.engine.only_one(rig.pool, run)
    given = {*container["Config"]["Env"]}
    assert ended["infrastructure_pid"].endswith(container["Id"])
    assert given >= {f"PREFECT_API_AUTH_STRING={LOGIN}", "PREFECT_LOGGING_LEVEL=WARNING"}
    assert f"PREFECT_API_SSL_CERT_FILE={authority / 'ca.pem'}" in given
    assert worker.stop() == 0

    # Who is exempt is asked directly.
    asked = len(proxy.targets)
    rig.start_worker(name="direct", environment={**environment, "NO_PROXY": "example.com, 127.0.0.1"})
    assert len(proxy.targets) == asked
    proxy.close()


def test_a12_csrf_switched_on_while_running(
    request: pytest.FixtureRequest, engine: Engine, images: Images, tmp_path: Path
) -> None:
    with conftest.running_server(tmp_path / "server", {}) as server:
        for rig in conftest.make_rig(request, server.url, engine, images, tmp_path):
            proxy = rig.proxy_api()
            rig.make_pool()
            rig.start_worker()
            server.stop()
            server.start({"PREFECT_SERVER_CSRF_PROTECTION_ENABLED": "true"})
            rig.api.close()
            rig.api = PrefectApi(server.url, LOGIN)
            run = rig.api.create_run(rig.deploy("sh -c true"))
            rig.api.wait_for_state(run, "CRASHED")  # its container sends no token
            refused = [call for call in proxy.calls if call.status == 403]
            assert len(refused) == 1, "who has been refused once has a token"
