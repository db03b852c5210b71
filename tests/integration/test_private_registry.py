"""Pull policies, pulls that fail in the middle, and logins, with a real registry that wants one (A26 to A29)."""

import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.blocks import make_block
from support.engine import Engine
from support.faults import Rule
from support.prefect_api import Json
from support.registry import PASSWORD, USER, Registry, running_registry
from support.rig import Images, Rig
from support.waiting import wait_until
from support.workers import Worker

# A registry that is down is waited for, and the run handed back; here it is to end.
GIVES_UP = "[rule down]\nstage = pull\ndependency = registry\nmessage = *connection refused*\naction = fail\n"
NOT_FOUND = b'{"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown to registry"}]}'


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory, engine: Engine, images: Images) -> Iterator[Registry]:
    with running_registry(tmp_path_factory.mktemp("private"), engine, images.busybox, wants_login=True) as registry:
        yield registry


class Logins:
    """A folder for Docker's client configuration and for credential helpers."""

    def __init__(self, directory: Path, fields: Json) -> None:
        self.directory = directory / "docker"
        self.directory.mkdir()
        (self.directory / "config.json").write_text(json.dumps(fields))
        self.environment = {
            "DOCKER_CONFIG": str(self.directory),
            "PATH": f"{self.directory}:{os.environ['PATH']}",
        }

    def add_helper(self, name: str, script: str) -> None:
        path = self.directory / f"docker-credential-{name}"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o700)


def run_with(rig: Rig, image: str, **variables: object) -> str:
    return rig.api.create_run(rig.deploy(job_variables={"image": image, **variables}))


def crash_message(rig: Rig, run: str) -> str:
    return rig.api.wait_for_state(run, "CRASHED", timeout_s=40.0)["state"]["message"]


def check_nowhere(rig: Rig, worker: Worker, secrets: list[str], runs: list[str]) -> None:
    """Not in the log (the rig looks, too), the state file, the process list, nor at the server."""
    assert worker.state_path is not None
    files = [file for file in worker.state_path.parent.glob(f"{worker.state_path.name}*") if file.is_file()]
    seen = [worker.log(), worker.output_path.read_text(), Path(f"/proc/{worker.pid}/cmdline").read_text()]
    seen += [file.read_bytes().decode(errors="replace") for file in files]
    seen += [json.dumps([rig.api.states(run), rig.api.logs(run)]) for run in runs]
    for secret in secrets:
        assert not any(secret in text for text in seen), f"{secret} is seen"


def check_leaves_no_dump(worker: Worker) -> None:
    """Whatever it was allowed when it crashes."""
    resource.prlimit(worker.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    worker.send(signal.SIGABRT)
    _, status = os.waitpid(worker.pid, 0)
    assert os.WIFSIGNALED(status)
    assert not os.WCOREDUMP(status)
    worker.expects_end = True


def test_a26_pull_policies(rig: Rig, registry: Registry, tmp_path: Path) -> None:
    rig.make_pool()
    rig.secrets.append(PASSWORD)
    logins = Logins(tmp_path, {"auths": registry.auths()})
    rig.start_worker(config=GIVES_UP, environment=logins.environment)
    policies = ("Never", "IfNotPresent", "Always", "IfPossible")
    images = {policy: registry.push() for policy in policies[1:]}
    images["Never"] = f"{registry.proxy.address}/absent:1"

    up = {policy: run_with(rig, images[policy], image_pull_policy=policy) for policy in policies}
    assert "No such image" in crash_message(rig, up["Never"])
    for policy in policies[1:]:
        rig.api.wait_for_state(up[policy], "COMPLETED")
        assert registry.has(images[policy])

    registry.proxy.shut()
    try:
        down = {policy: run_with(rig, images[policy], image_pull_policy=policy) for policy in policies[1:]}
        down["Never"] = run_with(rig, images["Always"], image_pull_policy="Never")
        absent = {policy: run_with(rig, images["Never"], image_pull_policy=policy) for policy in policies[1:]}
        assert "connection refused" in crash_message(rig, down["Always"])
        for policy in ("Never", "IfNotPresent", "IfPossible"):
            rig.api.wait_for_state(down[policy], "COMPLETED")
        for policy in policies[1:]:
            assert "connection refused" in crash_message(rig, absent[policy])
        local = "not be found locally" if rig.is_official else "nor is the image here"
        assert local in crash_message(rig, absent["IfPossible"])
    finally:
        registry.proxy.open()


def test_a27_a_pull_that_fails_in_its_stream(rig: Rig, registry: Registry, tmp_path: Path) -> None:
    rig.make_pool()
    logins = Logins(tmp_path, {"auths": registry.auths()})
    engine = rig.proxy_engine()
    rig.start_worker(environment=logins.environment)
    image = registry.push()
    rig.api.wait_for_state(run_with(rig, image, image_pull_policy="Always"), "COMPLETED")
    registry.push_over(image)
    registry.proxy.add(Rule("GET", r"/blobs/", "answer", status=404, answer=NOT_FOUND, times=None))
    try:
        run = run_with(rig, image, image_pull_policy="Always")
        assert "unknown" in crash_message(rig, run)
    finally:
        registry.proxy.clear()
    assert rig.engine.of_run(rig.pool, run) == []
    pulls = engine.seen("POST", r"/images/create")
    assert pulls[-1].status == 200, "the error was to come inside the stream"


def test_a28_private_registry(rig: Rig, registry: Registry, tmp_path: Path) -> None:
    wrong = "wrong-password-that-nobody-may-see"
    rig.make_pool()
    rig.secrets += [PASSWORD, wrong]
    worker = rig.start_worker(environment=Logins(tmp_path, {}).environment)
    image = registry.push()
    good = run_with(rig, image, registry_credentials=registry.credentials(), image_pull_policy="Always")
    bad = run_with(rig, image, registry_credentials=registry.credentials(wrong), image_pull_policy="Always")
    none = run_with(rig, image, image_pull_policy="Always")
    _, block = make_block(rig.api, registry.credentials(), "password")
    reference = {"$ref": {"block_document_id": block["id"]}}
    of_block = run_with(rig, image, registry_credentials=reference, image_pull_policy="Always")
    rig.api.wait_for_state(good, "COMPLETED")
    rig.api.wait_for_state(of_block, "COMPLETED")
    assert "unauthorized" in crash_message(rig, bad).lower()
    assert "no basic auth credentials" in crash_message(rig, none)
    check_nowhere(rig, worker, [PASSWORD, wrong], [good, of_block, bad, none])
    if not rig.is_official:
        check_leaves_no_dump(worker)


@pytest.mark.beyond_official("waits for a helper that hangs for ever")
def test_a29_credential_helpers(rig: Rig, registry: Registry, tmp_path: Path) -> None:
    rig.make_pool()
    rig.secrets.append(PASSWORD)
    address = registry.proxy.address
    logins = Logins(tmp_path, {"credHelpers": {address: "works"}})
    answer = json.dumps({"ServerURL": address, "Username": USER, "Secret": PASSWORD})
    logins.add_helper("works", f"""[ "$(cat)" = {address} ] && [ $1 = get ] && echo '{answer}'""")
    logins.add_helper("hangs", f"echo $$ > {logins.directory}/pid; exec sleep 1000")
    worker = rig.start_worker(config="[engine]\ncredential_helper_timeout = 2s\n", environment=logins.environment)
    image = registry.push()
    good = run_with(rig, image, image_pull_policy="Always")
    rig.api.wait_for_state(good, "COMPLETED")

    (logins.directory / "config.json").write_text(json.dumps({"credsStore": "hangs"}))
    bad = run_with(rig, image, image_pull_policy="Always")
    message = crash_message(rig, bad)
    assert "no basic auth credentials" in message
    assert "docker-credential-hangs did not answer within 2000 ms" in message
    pid = int((logins.directory / "pid").read_text())
    wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the helper to be killed and reaped")
    check_nowhere(rig, worker, [PASSWORD], [good, bad])
