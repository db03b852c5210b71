"""Secrets go in through every input, and are looked for in every output."""

import base64
import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from support.blocks import make_block
from support.faults import Rule
from support.manager import Manager
from support.rig import Rig
from support.waiting import wait_until
from support.workers import API_KEY, Worker

pytestmark = pytest.mark.beyond_official("is about what sluice alone does")

# Each tells by which input it came.
LOGIN = "auth-string-that-nobody-may-see"
HEADER = "header-that-nobody-may-see"
PROFILE = "profile-key-that-nobody-may-see"
DOTENV = "dotenv-login-that-nobody-may-see"
VARIABLE = "job-variable-that-nobody-may-see"
BLOCK = "block-that-nobody-may-see"
DOCKER = "docker-login-that-nobody-may-see"
HELPER = "helper-answer-that-nobody-may-see"
WEBHOOK = "webhook-path-that-nobody-may-see"
AUTHORIZATION = "webhook-token-that-nobody-may-see"
COLLECTOR = "collector-header-that-nobody-may-see"
BROKEN = "broken-helper-that-nobody-may-see"


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


HIDDEN = [API_KEY, "that-nobody-may-see", basic("robot", DOCKER), basic("robot", HELPER), basic("user", LOGIN)]

DOCKER_CONFIG = {
    "auths": {"auths.invalid": {"auth": basic("robot", DOCKER)}},
    "credHelpers": {"helper.invalid": "good", "broken.invalid": "broken"},
}


def furnish(directory: Path) -> dict[str, str]:
    """Files with secrets, and the environment that leads to them and has some more."""
    docker = directory / "docker"
    docker.mkdir()
    (docker / "config.json").write_text(json.dumps(DOCKER_CONFIG))
    answer = json.dumps({"ServerURL": "helper.invalid", "Username": "robot", "Secret": HELPER})
    scripts = {"good": f"env > {docker}/environment; echo '{answer}'", "broken": f"echo 'can not open {BROKEN}'; exit 1"}
    for name, script in scripts.items():
        path = docker / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)
    profiles = directory / "profiles.toml"
    profiles.write_text(f'active = "p"\n[profiles.p]\nPREFECT_API_KEY = "{PROFILE}"\n')
    (directory / ".env").write_text(f"PREFECT_API_AUTH_STRING=user:{DOTENV}\n")
    return {
        "PREFECT_API_AUTH_STRING": f"user:{LOGIN}",
        "PREFECT_CLIENT_CUSTOM_HEADERS": json.dumps({"X-Secret": f"Token {HEADER}"}),
        "PREFECT_PROFILES_PATH": str(profiles),
        "SLUICE_ALERTS_WEBHOOK": f"http://127.0.0.1:9/{WEBHOOK}",
        "SLUICE_ALERTS_WEBHOOK_AUTHORIZATION": f"Bearer {AUTHORIZATION}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-token={COLLECTOR}",
        "DOCKER_CONFIG": str(docker),
        "PATH": f"{docker}:{os.environ['PATH']}",
    }


def refusal(*secrets: str) -> bytes:
    """What an engine or a server might say, having read too much."""
    return json.dumps({"message": f"refused: {' and '.join(secrets)}"}).encode()


def ask_socket(worker: Worker) -> bytes:
    assert worker.state_path is not None
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(20)
        client.connect(f"{worker.state_path}.sock")
        client.sendall(b'{"command":"progress"}\n')
        return client.recv(65536)


def ask_command(rig: Rig, worker: Worker, *command: str) -> bytes:
    assert worker.state_path is not None
    done = subprocess.run([rig.setup.binary, *command, "--state", worker.state_path], capture_output=True, timeout=20, check=True)
    return done.stdout + done.stderr


def assert_hides(content: bytes, what: str) -> None:
    for secret in HIDDEN:
        assert secret.encode() not in content, f"{what} holds {secret}"


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_secrets_stay_where_they_belong(rig: Rig, tmp_path: Path, form: str) -> None:
    environment = furnish(tmp_path)
    manager = Manager(tmp_path)
    block, _ = make_block(rig.api, {"password": BLOCK}, "password")
    rig.make_pool()
    server, engine = rig.proxy_api(), rig.proxy_engine()
    worker = rig.start_worker(
        environment={**environment, "NOTIFY_SOCKET": manager.address},
        config=f"[log]\nlevel = debug\nformat = {form}\n[retry]\nmax_attempts = 1\n",
    )
    variables = {"env": {"TOKEN": VARIABLE, "PASSWORD": "{{ prefect.blocks.%s.password }}" % block}}
    deployment = rig.deploy("run-flow told", job_variables=variables)
    run = rig.api.create_run(deployment)
    rig.api.wait_for_state(run, "RUNNING")
    # The container has them, or nothing of this would mean anything.
    inside = rig.engine.only_one(rig.pool, run)["Config"]["Env"]
    assert {f"TOKEN={VARIABLE}", f"PASSWORD={BLOCK}", f"PREFECT_API_KEY={API_KEY}"} <= set(inside)
    runs = [run]

    # Both dependencies repeat what they were told.
    for status in (400, 401):
        refused = server.add(Rule("GET", r"/work_pools/[^/]+$", "answer", status=status, answer=refusal(API_KEY, LOGIN, HEADER)))
        wait_until(lambda rule=refused: rule.times == 0, "the server's refusal")
    engine.add(Rule("POST", r"/containers/create", "answer", status=400, answer=refusal(f"TOKEN={VARIABLE}", BLOCK)))
    runs.append(rig.api.create_run(deployment))
    message = rig.api.wait_for_state(runs[-1], "CRASHED")["state"]["message"]
    assert "refused: TOKEN=****" in message

    # A block's secret in the command: the engine quotes the program that it can't find.
    command = {"command": "no-such-program-{{ prefect.blocks.%s.password }} --once" % block}
    runs.append(rig.api.create_run(rig.deploy(job_variables=command)))
    message = rig.api.wait_for_state(runs[-1], "CRASHED")["state"]["message"]
    assert "no-such-program-****" in message, message

    # Logins, from each of the places that Docker's configuration knows.
    told = {"auths": refusal(DOCKER, basic("robot", DOCKER)), "helper": refusal(HELPER, basic("robot", HELPER)), "broken": refusal("")}
    for host, said in told.items():
        pulled = engine.add(Rule("POST", rf"/images/create.*{host}\.invalid", "answer", status=404, answer=said))
        image = {"image": f"{host}.invalid/flows:1", "image_pull_policy": "Always"}
        runs.append(rig.api.create_run(rig.deploy(job_variables=image)))
        rig.api.wait_for_state(runs[-1], "CRASHED")
        assert pulled.times == 0
    assert "NOTIFY_SOCKET" not in (tmp_path / "docker/environment").read_text()

    seen = {
        "the admin socket": ask_socket(worker),
        "sluice queue": ask_command(rig, worker, "queue", "--json"),
        "sluice status": ask_command(rig, worker, "status", "--json"),
        "sluice why": b"".join(ask_command(rig, worker, "why", run) for run in runs),
        "the list of processes": subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, check=True).stdout,
        "the server": json.dumps([[rig.api.states(run), rig.api.logs(run)] for run in runs]).encode(),
        "the service manager": "".join(manager.drain()).encode(),
    }
    assert worker.state_path is not None
    assert Path(f"{worker.state_path}-wal").stat().st_size > 0
    for path in (worker.state_path, Path(f"{worker.state_path}-wal"), worker.log_path, worker.output_path):
        seen[str(path)] = path.read_bytes()
    assert str(worker.state_path).encode() in seen["the list of processes"]
    rig.engine.tell(rig.engine.only_one(rig.pool, run)["Id"], "complete")
    rig.api.wait_for_state(run, "COMPLETED")
    assert worker.stop() == 0
    for path in (worker.state_path, worker.log_path, worker.output_path):
        seen[f"{path} at the end"] = path.read_bytes()
    for what, content in seen.items():
        assert_hides(content, what)
    # What was said about the secrets was told, without them.
    log = worker.log()
    assert log.count("refused: ****") >= 3, log[-6000:]
    assert "docker-credential-broken ended with code 1" in log
    manager.close()
