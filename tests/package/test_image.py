"""The container image: small, without root, the same each time; and the Compose file with which it takes over."""

import gzip
import io
import json
import os
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from conftest import ROOT, Image, Package, make_image
from root import members
from support.rig import Rig

COMPOSE = ROOT / "packaging/compose/docker-compose.yml"
USER = "65532:65532"
OFFICIAL = yaml.safe_load("""
services:
  worker:
    image: prefecthq/prefect:3-latest
    command: prefect worker start --pool ${PREFECT_POOL:-docker-pool} --type docker
    restart: unless-stopped
    environment:
      PREFECT_API_URL: ${PREFECT_API_URL}
      DOCKER_CLIENT_TIMEOUT: "120"
    volumes:
      - /var/run/docker.sock:/var/run/docker.sock
""")


def docker(*words: str, check: bool = True) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, timeout=120, check=False)
    assert not check or done.returncode == 0, done.stderr
    return done.stdout


def test_image_is_small_and_made_of_nothing_that_is_not_needed(image: Image) -> None:
    assert image.archive.stat().st_size <= 10_000_000
    config = json.loads(docker("image", "inspect", image.name))[0]["Config"]
    assert (config["User"], config["Entrypoint"], config["Cmd"]) == (USER, ["/usr/bin/sluice"], ["start"])
    assert config["Volumes"] == {"/var/lib/sluice": {}}
    assert config["Labels"]["org.opencontainers.image.version"] == image.name.split(":")[1]
    with tarfile.open(image.archive) as tar:
        layer = next(name for name in members(image.archive) if name.endswith("layer.tar"))
        file = tar.extractfile(layer)
        assert file is not None
        with tarfile.open(fileobj=io.BytesIO(file.read())) as files:
            programs = [m.name for m in files.getmembers() if m.isfile() and m.mode & 0o111 and ".so" not in m.name]
            names = files.getnames()
            assert files.getmember("var/lib/sluice").uid == 65532
            assert files.getmember("usr/bin/sluice").size <= 1_000_000
    assert programs == ["usr/bin/sluice"]
    # Where this libcurl looks for certificates.
    where = subprocess.run(["curl-config", "--ca"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    assert where.lstrip("/") in names


def test_image_runs_and_two_are_equal(package: Package, image: Image, tmp_path: Path) -> None:
    assert docker("run", "--rm", "--network", "none", image.name, "--version") == f"sluice {package.version}\n"
    again = make_image(package, tmp_path, image.name.split(":")[0])
    assert gzip.decompress(again.archive.read_bytes()) == gzip.decompress(image.archive.read_bytes())
    assert again.sbom.read_bytes() == image.sbom.read_bytes()


def test_sbom_names_every_library(image: Image) -> None:
    """SPDX 2.3: the fields that it demands, references that exist, and each package that a library came from."""
    document = json.loads(image.sbom.read_text())
    assert (document["spdxVersion"], document["dataLicense"], document["SPDXID"]) == ("SPDX-2.3", "CC0-1.0", "SPDXRef-DOCUMENT")
    assert document["documentNamespace"].startswith("urn:")
    ids = {package["SPDXID"] for package in document["packages"]} | {"SPDXRef-DOCUMENT"}
    assert len(ids) == len(document["packages"]) + 1
    for relation in document["relationships"]:
        assert {relation["spdxElementId"], relation["relatedSpdxElement"]} <= ids
    versions = {package["name"]: package["versionInfo"] for package in document["packages"]}
    assert {"sluice", "libc6", "libcurl4", "libssl3", "libsqlite3-0", "ca-certificates"} <= set(versions)
    installed = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libc6"], stdout=subprocess.PIPE, text=True, check=True)
    assert versions["libc6"] == installed.stdout


class Compose:
    """docker-compose with our file as it is shipped; the test's own file says only what belongs to this machine."""

    def __init__(self, directory: Path, image: Image, rig: Rig) -> None:
        socket = rig.engine.host.removeprefix("unix://")
        self._override = directory / "here.yml"
        # The server is on this machine's loopback. JSON is YAML.
        here = {"image": image.name, "network_mode": "host", "volumes": [f"{socket}:/var/run/docker.sock"]}
        self._override.write_text(json.dumps({"services": {"worker": here}}))
        self._project = f"sluice-test-{uuid.uuid4().hex[:8]}"
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")},
            "DOCKER_GID": str(os.stat(socket).st_gid),
            "PREFECT_API_URL": rig.setup.api_url,
            "PREFECT_POOL": rig.pool,
        }

    def __call__(self, *words: str) -> str:
        command = ["docker-compose", "-p", self._project, "-f", COMPOSE, "-f", self._override, *words]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def origin(self, key: str) -> list[str]:
        """Value and origin of a setting, as the running container sees it."""
        printed = self("exec", "-T", "worker", "/usr/bin/sluice", "config")
        return next(line.split()[1:] for line in printed.splitlines() if line.split()[0] == key)


@pytest.fixture
def compose(tmp_path: Path, image: Image, rig: Rig) -> Iterator[Compose]:
    compose = Compose(tmp_path, image, rig)
    yield compose
    try:
        print(compose("logs", "--no-color")[-6000:])
    finally:
        compose("down", "--volumes", "--timeout", "10")


def test_compose_file_is_the_official_one_but_for_what_it_says() -> None:
    ours = yaml.safe_load(COMPOSE.read_text())
    worker = ours["services"]["worker"]
    assert ours.pop("volumes") == {"state": None}
    assert worker["volumes"].pop() == "state:/var/lib/sluice"
    assert worker.pop("group_add") == ["${DOCKER_GID:-999}"]
    worker["image"] = worker["image"].replace("sluice:latest", "prefecthq/prefect:3-latest")
    worker["command"] = "prefect worker " + worker["command"].removesuffix(" --name docker-worker")
    assert ours == OFFICIAL


def test_seed_case_by_compose(compose: Compose, rig: Rig) -> None:
    """A real flow is COMPLETED, the two minutes are in force, and sluice in a new container takes over what runs."""
    version = subprocess.run(["docker-compose", "version", "--short"], stdout=subprocess.PIPE, text=True, check=True).stdout
    assert version.startswith("1.29")
    compose("up", "--detach")
    flow = rig.api.create_run(rig.api.create_deployment(rig.pool, "ok", job_variables=rig.flow_variables()))
    told = rig.api.create_run(rig.deploy("run-flow told"))
    for key in ("timeouts.create", "timeouts.start", "timeouts.create_connect", "timeouts.pull_inactivity"):
        assert compose.origin(key) == ["2m", "DOCKER_CLIENT_TIMEOUT"]
    assert compose.origin("timeouts.pull") == ["30m", "default"]
    rig.api.wait_for_state(flow, "COMPLETED")
    rig.api.wait_for_state(told, "RUNNING")

    compose("up", "--detach", "--force-recreate")
    rig.engine.tell(rig.engine.only_one(rig.pool, told)["Id"], "3")
    ended = rig.api.wait_for_state(told, "CRASHED")
    assert "non-zero status code 3" in ended["state"]["message"]
    rig.check_each_ran_once([flow, told])
