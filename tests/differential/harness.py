"""Runs every configuration with one kind of worker, all at one Prefect server, each worker at an engine of its own that records."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from configurations import CONFIGURATIONS, Configuration
from recording_engine import RecordingEngine, Request
from support.prefect_api import PrefectApi
from support.servers import PrefectServer, clean_environment
from support.waiting import wait_until
from surroundings import BLOCKS, TEMPLATES, VARIABLES, WORKERS, Surroundings

Json = dict[str, Any]

API_KEY = "key-of-the-worker"
REMOTE = "127.0.0.2"  # this machine, but neither `localhost` nor 127.0.0.1: a server elsewhere
OFFICIAL_AT_ONCE = 2


@dataclass
class Outcome:
    """What became of one configuration."""

    state: str  # started, refused (by the engine, at the start) or crashed
    message: str  # of a run that crashed; "" otherwise
    requests: list[Request]
    known: dict[str, str]  # texts that are other ones in each session, and what they are called


@dataclass
class Run:
    configuration: Configuration
    id: str
    known: dict[str, str]


@dataclass
class Pool:
    """A pool, the one worker that serves it, that worker's engine, and the runs it is to start."""

    template: str
    worker: str
    directory: Path
    engine: RecordingEngine
    id: str = ""
    runs: list[Run] = field(default_factory=list)

    @property
    def name(self) -> str:
        return f"{self.template}-{self.worker}"

    @property
    def surroundings(self) -> Surroundings:
        return WORKERS[self.worker]

    def of_image(self, image: str) -> Run | None:
        if len(self.runs) == 1:
            return self.runs[0]
        parts = re.split(r"[:@]", image.rsplit("/", 1)[-1])
        return next((run for run in self.runs if run.configuration.key == parts[0]), None)

    def requests(self) -> dict[str, list[Request]]:
        """What was asked for each run, by its id: images tell whose it is, then the containers made of them."""
        found: dict[str, list[Request]] = {run.id: [] for run in self.runs}
        containers: dict[str, str] = {}
        for container in list(self.engine.made):
            run = self.of_image(container.body["Image"])
            if run is not None:
                containers[container.id] = run.id
        for request in list(self.engine.requests):
            image = image_of(request)
            run = self.of_image(image) if image else None
            run_id = run.id if run else containers.get(container_of(request))
            if run_id is not None:
                found[run_id].append(request)
        return found


def image_of(request: Request) -> str:
    found = re.search(r"/images/(.+)/json$", request.path)
    if found:
        return found.group(1).replace("%2F", "/").replace("%3A", ":").replace("%40", "@")
    if request.path.endswith("/images/create"):
        return f"{request.query.get('fromImage')}:{request.query.get('tag')}"
    if request.path.endswith("/containers/create") and isinstance(request.body, dict):
        return str(request.body.get("Image"))
    return ""


def container_of(request: Request) -> str:
    if request.path.endswith("/connect"):
        return str((request.body or {}).get("Container"))
    found = re.search(r"/containers/([0-9a-f]{64})(/|$)", request.path)
    return found.group(1) if found else ""


@contextmanager
def forwarded(port: int) -> Iterator[int]:
    """A port at REMOTE that leads to the server's."""
    listener = socket.create_server((REMOTE, 0), backlog=256)

    def copy(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client = listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", port))
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.close()


def fill(value: Any, known: dict[str, str]) -> Any:
    """The value with each `<...>` of `known` filled in."""
    text = json.dumps(value)
    for name, id_ in known.items():
        text = text.replace(name, id_)
    return json.loads(text)


class Session:
    def __init__(self, kind: str, binary: Path, server: PrefectServer, directory: Path) -> None:
        self.kind = kind
        self.binary = binary
        self.server = server
        self.directory = directory
        self.api = PrefectApi(server.url)
        self.blocks: dict[str, str] = {}
        self.remote_port = 0
        self._flows: dict[str, str] = {}
        self._deployments: dict[tuple[str, str], Json] = {}

    def outcomes(self) -> dict[str, Outcome]:
        """What became of every configuration, by its key."""
        with ExitStack() as stack:
            stack.callback(self.api.close)
            self.remote_port = stack.enter_context(forwarded(self.server.port))
            self._make_references()
            pools = self._make_pools(stack)
            at_once = OFFICIAL_AT_ONCE if self.kind == "official" else len(pools)
            for begin in range(0, len(pools), at_once):
                self._work(pools[begin : begin + at_once])
            return {key: outcome for pool in pools for key, outcome in self._collect(pool)}

    # What the server has

    def _make_references(self) -> None:
        for name, value in VARIABLES.items():
            self.api.call("POST", "/variables/", {"name": name, "value": value})
        types = {}
        for slug in sorted({slug for slug, _ in BLOCKS.values()}):
            types[slug] = self._block_type(slug)
        for name, (slug, data) in BLOCKS.items():
            type_id, schema_id = types[slug]
            body = {"name": name, "data": data, "block_type_id": type_id, "block_schema_id": schema_id}
            self.blocks[f"<block {name}>"] = self.api.call("POST", "/block_documents/", body)["id"]

    def _block_type(self, slug: str) -> tuple[str, str]:
        types = self.api.call("POST", "/block_types/filter", {"block_types": {"slug": {"any_": [slug]}}, "limit": 1})
        if not types:
            types = [self.api.call("POST", "/block_types/", {"name": slug.replace("-", " ").title(), "slug": slug})]
        type_id = types[0]["id"]
        schemas = self.api.call("POST", "/block_schemas/filter", {"block_schemas": {"block_type_id": {"any_": [type_id]}}})
        if not schemas:
            fields = {"title": slug, "type": "object", "properties": {}, "block_type_slug": slug}
            schemas = [self.api.call("POST", "/block_schemas/", {"fields": fields, "block_type_id": type_id, "capabilities": []})]
        return type_id, schemas[0]["id"]

    def _make_pools(self, stack: ExitStack) -> list[Pool]:
        pools: dict[tuple[str, str], Pool] = {}
        for configuration in CONFIGURATIONS:
            place = (configuration.pool, configuration.worker)
            if place not in pools:
                directory = self.directory / "-".join(place)
                directory.mkdir()
                # A socket's name has a limit of 107 bytes.
                path = self.directory / f"{len(pools)}.sock"
                engine = RecordingEngine(path, WORKERS[configuration.worker].engine_version).start()
                stack.callback(engine.close)
                pools[place] = Pool(*place, directory, engine)
                made = self.api.create_pool(pools[place].name, fill(TEMPLATES[configuration.pool], self.blocks))
                pools[place].id = made["id"]
            pools[place].runs.append(self._make_run(pools[place], configuration))
        return list(pools.values())

    def _make_run(self, pool: Pool, configuration: Configuration) -> Run:
        flow_id = self._flow(configuration.flow)
        body = {
            "name": configuration.run_name,
            "job_variables": fill(configuration.run, self.blocks),
            "state": {"type": "SCHEDULED", "state_details": {"scheduled_time": "2026-01-01T00:00:00Z"}},
            **configuration.run_fields,
        }
        known = {pool.id: "<pool-id>", flow_id: "<flow-id>", **{id_: name for name, id_ in self.blocks.items()}}
        if configuration.has_deployment:
            deployment = self._deployment(pool, configuration, flow_id)
            # As a label has it.
            updated = datetime.fromisoformat(deployment["updated"].replace("Z", "+00:00")).isoformat()
            known |= {deployment["id"]: "<deployment-id>", updated: "<deployment-updated>"}
            run = self.api.call("POST", f"/deployments/{deployment['id']}/create_flow_run", body)
        else:
            run = self.api.call("POST", "/flow_runs/", {**body, "flow_id": flow_id, "work_pool_name": pool.name})
        known |= {run["id"]: "<run-id>", run["id"][:8]: "<run-id-8>"}
        return Run(configuration, run["id"], known)

    def _flow(self, name: str) -> str:
        if name not in self._flows:
            self._flows[name] = self.api.call("POST", "/flows/", {"name": name})["id"]
        return self._flows[name]

    def _deployment(self, pool: Pool, configuration: Configuration, flow_id: str) -> Json:
        place = (pool.name, configuration.deployment_name)
        if place not in self._deployments:
            body = {
                "name": configuration.deployment_name,
                "flow_id": flow_id,
                "work_pool_name": pool.name,
                "job_variables": fill(configuration.deployment, self.blocks),
            }
            self._deployments[place] = self.api.call("POST", "/deployments/", body)
        return self._deployments[place]

    # Workers

    def _url(self, where: str) -> str:
        host, port = {
            "remote": (REMOTE, self.remote_port),
            "local": ("127.0.0.1", self.server.port),
            "named": ("localhost", self.server.port),
        }[where]
        return f"http://{host}:{port}/api"

    def _environment(self, pool: Pool) -> dict[str, str]:
        surroundings = pool.surroundings
        helpers = pool.directory / "bin"
        environment = clean_environment(pool.directory / "home")
        environment.update(
            HOME=str(pool.directory),
            HERE="there",
            PATH=f"{helpers}:{environment['PATH']}",
            DOCKER_CONFIG=str(pool.directory / "docker"),
            DOCKER_HOST=pool.engine.host,
            PREFECT_API_URL=self._url(surroundings.server),
            PREFECT_API_KEY=API_KEY,
            PREFECT_WORKER_QUERY_SECONDS="2",
        )
        environment.update(surroundings.environment)
        if surroundings.url_from_files:
            del environment["PREFECT_API_URL"]
        return environment

    def _write_files(self, pool: Pool) -> None:
        surroundings = pool.surroundings
        url = self._url(surroundings.server)
        files = {name: text.replace('"URL"', f'"{url}"') for name, text in surroundings.files.items()}
        files["docker/config.json"] = json.dumps(surroundings.docker_config)
        answer = json.dumps({"ServerURL": "helper.example", "Username": "helped", "Secret": "by-helper"})
        files["bin/docker-credential-differential"] = f"#!/bin/sh\ncat >/dev/null\necho '{answer}'\n"
        for name, text in files.items():
            path = pool.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (pool.directory / "bin/docker-credential-differential").chmod(0o755)

    def _start(self, pool: Pool) -> subprocess.Popen[bytes]:
        self._write_files(pool)
        common = ["--pool", pool.name, "--name", pool.surroundings.name]
        if self.kind == "official":
            command = [sys.executable, "-m", "prefect", "worker", "start", "--type", "docker", *common]
        else:
            command = [str(self.binary), "start", *common, "--state", str(pool.directory / "w.db")]
        with (pool.directory / "worker.log").open("wb") as log:
            return subprocess.Popen(
                command,
                env=self._environment(pool),
                cwd=pool.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _work(self, pools: list[Pool]) -> None:
        """Serve these pools until each of their runs has been started or given up."""
        workers = [self._start(pool) for pool in pools]
        try:
            for pool, worker in zip(pools, workers, strict=True):

                def look(pool: Pool = pool, worker: subprocess.Popen[bytes] = worker) -> bool:
                    if worker.poll() is not None:
                        raise AssertionError(f"the worker of {pool.name} ended: {log_of(pool)}")
                    return self._are_done(pool)

                wait_until(look, f"the runs of {pool.name} to be started or given up", 300, every_s=0.3)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{log_of(pool)}") from None
        finally:
            for worker in workers:
                # SIGKILL: the official worker stays for as long as it likes.
                with suppress(ProcessLookupError):
                    os.kill(worker.pid, signal.SIGKILL)
                worker.wait()

    def _states(self, pool: Pool) -> dict[str, Json]:
        found = {run["id"]: run for run in self.api.runs(pool.name)}
        # A run without a deployment is not found by its pool.
        return found | {run.id: self.api.run(run.id) for run in pool.runs if run.id not in found}

    def _are_done(self, pool: Pool) -> bool:
        started = {run_id for run_id, asked in pool.requests().items() if state_of(asked) == "started"}
        left = [run for run in pool.runs if run.id not in started]
        if not left:
            return True
        states = self._states(pool)
        return all(states[run.id]["state_type"] == "CRASHED" for run in left)

    def _collect(self, pool: Pool) -> Iterator[tuple[str, Outcome]]:
        states = self._states(pool)
        ports = {f":{self.server.port}": ":<port>", f":{self.remote_port}": ":<port>"}
        for run_id, requests in pool.requests().items():
            run = next(run for run in pool.runs if run.id == run_id)
            state = state_of(requests)
            message = "" if state == "started" else states[run_id]["state"]["message"] or ""
            containers = {c.id: "<container-id>" for c in pool.engine.made}
            known = {**run.known, **ports, **containers, str(pool.directory): "<folder>", str(self.directory): "<its-parent>"}
            yield run.configuration.key, Outcome(state, message, requests, known)


def state_of(requests: list[Request]) -> str:
    starts = [request for request in requests if request.path.endswith("/start")]
    if not starts:
        return "crashed"
    return "started" if starts[-1].status == 204 else "refused"


def log_of(pool: Pool) -> str:
    return (pool.directory / "worker.log").read_text(errors="replace")[-4000:]
