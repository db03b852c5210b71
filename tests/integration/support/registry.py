"""A registry of our own on the loopback (Debian's docker-registry), behind a proxy, and images that are only there.

It may want a login: USER and PASSWORD.
"""

import base64
import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from .engine import Engine
from .proxy import Proxy
from .servers import free_port, stop_process
from .waiting import wait_until

CONFIG = """\
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {root}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""
LOGIN_CONFIG = """\
auth: {{htpasswd: {{realm: registry, path: {path}}}}}
"""
LAYER_BYTES = 3_000_000

USER = "robot"
PASSWORD = "registry-password-that-nobody-may-see"
# bcrypt of it, with 16 rounds: the registry takes no other hash.
PASSWORD_HASH = "$2b$04$Y33I8YhcEweZllSA2VTG5OUp3zyKKbLKZI3kHFPfF8JC3HvAAAw0S"


def find_program() -> str:
    """Installed by hand, or unpacked by scripts/lib.sh (ensure_program): Debian's package would start a service."""
    cache = os.environ.get("SLUICE_CACHE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sluice"
    program = shutil.which("docker-registry") or Path(cache) / "docker-registry/usr/bin/docker-registry"
    assert Path(program).exists(), "no docker-registry: scripts/install-test-deps gets it"
    return str(program)


class Registry:
    """What the engine asks goes through `proxy`; an engine trusts 127.0.0.0/8 without TLS."""

    def __init__(self, directory: Path, engine: Engine, busybox: str, wants_login: bool = False) -> None:
        port = free_port()
        config = directory / "registry.yml"
        text = CONFIG.format(root=directory / "registry", port=port)
        if wants_login:
            passwords = directory / "htpasswd"
            passwords.write_text(f"{USER}:{PASSWORD_HASH}\n")
            text += LOGIN_CONFIG.format(path=passwords)
        config.write_text(text)
        self._client = directory / "client"  # the docker command's own configuration
        self._client.mkdir()
        self._engine = engine
        self._busybox = busybox
        self._made: list[str] = []
        self.log = directory / "registry.log"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [find_program(), "serve", str(config)], cwd=directory, stdout=log, stderr=subprocess.STDOUT
            )
        wait_until(lambda: self._answers(port), f"the registry (its log: {self.log})")
        self.proxy = Proxy(f"http://127.0.0.1:{port}").__enter__()
        (self._client / "config.json").write_text(json.dumps({"auths": self.auths() if wants_login else {}}))

    def auths(self, password: str = PASSWORD) -> dict[str, dict[str, str]]:
        """As Docker's client configuration holds a login."""
        return {self.proxy.address: {"auth": base64.b64encode(f"{USER}:{password}".encode()).decode()}}

    def credentials(self, password: str = PASSWORD) -> dict[str, str]:
        """As a job names one."""
        return {"username": USER, "password": password, "registry_url": f"http://{self.proxy.address}/v2/"}

    def _answers(self, port: int) -> bool:
        assert self._process.poll() is None, self.log.read_text()[-2000:]
        try:
            return httpx.get(f"http://127.0.0.1:{port}/v2/", timeout=2.0).status_code in (200, 401)
        except httpx.TransportError:
            return False

    def push(self) -> str:
        """An image of busybox with a layer of its own, which the engine no longer has."""
        image = f"{self.proxy.address}/etl-{uuid.uuid4().hex[:8]}:1"
        name = f"make-{uuid.uuid4().hex[:8]}"
        fill = f"head -c {LAYER_BYTES} /dev/urandom > /filler"
        self._docker("run", "--name", name, "--network", "none", self._busybox, "sh", "-c", fill)
        try:
            self._docker("commit", name, image)
        finally:
            self._docker("rm", name)
        self._made.append(image)
        self._docker("push", "-q", image)
        self._docker("rmi", image)
        return image

    def push_over(self, image: str) -> None:
        """Another image under a name that the engine has: it keeps the one it had."""
        kept = f"kept-{uuid.uuid4().hex[:8]}"
        self._docker("tag", image, kept)
        newer = self.push()
        self._docker("pull", "-q", newer)
        self._docker("tag", newer, image)
        self._docker("push", "-q", image)
        self._docker("tag", kept, image)
        self._docker("rmi", kept)
        newer_id = self._run("image", "inspect", "--format", "{{.Id}}", newer).stdout.strip()
        self._docker("rmi", "-f", newer_id)  # by id: also the digests under both names

    def has(self, image: str) -> bool:
        return self._run("image", "inspect", image).returncode == 0

    def _docker(self, *arguments: str) -> None:
        done = self._run(*arguments)
        assert done.returncode == 0, f"docker {arguments[0]}: {done.stderr}"

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "DOCKER_HOST": self._engine.host, "DOCKER_CONFIG": str(self._client)}
        return subprocess.run(["docker", *arguments], env=environment, capture_output=True, text=True, check=False)

    def close(self) -> None:
        for image in self._made:
            self._run("rmi", "-f", image)
        self.proxy.__exit__()
        stop_process(self._process)


@contextmanager
def running_registry(directory: Path, engine: Engine, busybox: str, wants_login: bool = False) -> Iterator[Registry]:
    registry = Registry(directory, engine, busybox, wants_login)
    try:
        yield registry
    finally:
        registry.close()
