"""One test's surroundings: a pool of its own, its deployments, its workers, and the checks that end every scenario."""

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

from .engine import RUN_LABEL, Engine
from .prefect_api import Json, PrefectApi, plain_template
from .proxy import Proxy
from .starts import Starts
from .waiting import wait_until
from .workers import API_KEY, Setup, Worker

# Idle connections that a worker keeps to use again. A burst of a hundred runs must not leave a hundred of anything.
KEPT_CONNECTIONS = 24


class Images(NamedTuple):
    busybox: str
    flow: str


class Rig:
    def __init__(self, api: PrefectApi, engine: Engine, images: Images, setup: Setup, pool: str) -> None:
        self.api = api
        self.engine = engine
        self.images = images
        self.setup = setup
        self.pool = pool
        self.workers: list[Worker] = []
        self.secrets = [API_KEY]
        self.starts = Starts(engine.host, pool)  # what the engine itself says of containers that began and ended
        self.may_start_again: set[str] = set()  # runs that were retried by a person, so that a second start is right
        self.deleted: set[str] = set()  # runs that the test deleted at the server
        self._direct_api_url = setup.api_url
        self._files_at_start: dict[str, int] = {}
        self._proxies: list[Proxy] = []

    @property
    def is_official(self) -> bool:
        return self.setup.kind == "official"

    def make_pool(self, **fields: Any) -> None:
        """The test's pool, with the busybox image and a policy that never asks a registry."""
        template = plain_template(image=self.images.busybox, image_pull_policy="Never", stream_output=True)
        self.api.create_pool(self.pool, template, **fields)

    def flow_variables(self, **fields: Any) -> Json:
        """Job variables for a flow of scripts/images/flows.py, run by Prefect itself."""
        return self._with_direct_url({"image": self.images.flow, "image_pull_policy": "Never", **fields})

    def deploy(self, command: str = "run-flow 0", **fields: Any) -> str:
        """A deployment whose containers run this busybox command."""
        variables = {"command": command, **fields.pop("job_variables", {})}
        return self.api.create_deployment(self.pool, job_variables=self._with_direct_url(variables), **fields)

    def _with_direct_url(self, variables: Json) -> Json:
        """Containers speak to the server itself: only the worker is to meet what a proxy does."""
        if self.setup.api_url == self._direct_api_url:
            return variables
        return {**variables, "env": {"PREFECT_API_URL": self._direct_api_url, **variables.get("env", {})}}

    def create_runs(self, deployment: str, count: int, due_in_s: float = 0.0) -> list[str]:
        with ThreadPoolExecutor(4) as threads:
            return list(threads.map(lambda _: self.api.create_run(deployment, due_in_s), range(count)))

    def proxy_api(self) -> Proxy:
        """Put a proxy between the workers started from now on and the server."""
        base = self.setup.api_url.removesuffix("/api")
        proxy = Proxy(base).__enter__()
        self._proxies.append(proxy)
        self.setup = replace(self.setup, api_url=f"http://{proxy.address}/api")
        return proxy

    def proxy_engine(self) -> Proxy:
        """Put a proxy between the workers started from now on and the engine."""
        socket = f"unix://{self.setup.directory}/engine.sock"
        proxy = Proxy(self.setup.docker_host, socket).__enter__()
        self._proxies.append(proxy)
        self.setup = replace(self.setup, docker_host=socket)
        return proxy

    def new_worker(self, *options: str, name: str = "w1", pool: str | None = "", **fields: Any) -> Worker:
        """A worker that has not been started; pool None leaves the option out."""
        worker = Worker(self.setup, self.pool if pool == "" else pool, name, options, **fields)
        self.workers.append(worker)
        return worker

    def start_worker(self, *options: str, name: str = "w1", **fields: Any) -> Worker:
        """A worker that the server calls ONLINE."""
        worker = self.new_worker(*options, name=name, **fields).start()
        self.wait_online(worker)
        self._files_at_start.setdefault(name, worker.open_files())
        return worker

    def wait_online(self, worker: Worker) -> None:
        def look() -> bool:
            assert worker.is_alive, f"{worker.name} ended: {worker.log()[-2000:]}"
            return self.api.worker_is_online(self.pool, worker.name)

        wait_until(look, f"worker {worker.name} to be ONLINE")

    def ends(self, runs: Iterable[str], timeout_s: float = 120.0) -> Counter[str]:
        """How many of these runs ended how, once all have."""
        ended = self.api.wait_for_all(self.pool, runs, timeout_s)
        return Counter(run["state_type"] for run in ended.values())

    def outcome(self, runs: list[str], timeout_s: float) -> dict[str, int]:
        """What has become of these runs when all have ended or the time is over: for a table, also of a bad end."""
        try:
            self.ends(runs, timeout_s)
        except AssertionError:
            pass  # the figures tell
        states = Counter(run["state_type"] for run in self.api.runs(self.pool) if run["id"] in set(runs))
        starts = Counter(len(self.starts.started.get(run, [])) for run in runs)
        left = sum(container["State"] == "created" for container in self.engine.containers(self.pool))
        twice = sum(number for count, number in starts.items() if count > 1)
        return {**states, "never started": starts[0], "started twice": twice, "containers left in Created": left}

    def check_each_ran_once(self, runs: Iterable[str]) -> None:
        """By the engine's own events: not lost, not twice."""
        counts = Counter(len(self.starts.started.get(run, [])) for run in runs)
        assert set(counts) == {1}, f"runs by the number of their starts: {dict(counts)}"

    def close(self, check: bool = True) -> None:
        try:
            if check:
                self._check_workers()
                self._check_containers()
        finally:
            for worker in self.workers:
                worker.kill()
            for proxy in self._proxies:
                proxy.__exit__()
            self.starts.close()
            for container in self.engine.containers(self.pool):
                self.engine.remove(container["Id"])
            self.api.delete_pool(self.pool)
            self.api.close()

    def _check_workers(self) -> None:
        for worker in self.workers:
            for secret in self.secrets:
                assert secret not in worker.log(), f"the log of {worker.name} holds a secret: {worker.log_path}"
            assert worker.is_alive or worker.expects_end, f"{worker.name} ended by itself: {worker.log()[-2000:]}"
            at_start = self._files_at_start.get(worker.name)
            if worker.is_alive and at_start is not None and not self.is_official:
                wait_until(
                    lambda w=worker, n=at_start: w.open_files() <= n + KEPT_CONNECTIONS,
                    f"{worker.name} to close its files ({at_start} at the start, {worker.open_files()} now)",
                )
            if not self.is_official and worker.state_path.exists():
                assert worker.ask_state("PRAGMA integrity_check") == [("ok",)]

    def _check_containers(self) -> None:
        """At most one container a run, none that was made and never started, none of runs that nobody asked for."""
        twice = {run for run, starts in self.starts.started.items() if len(starts) > 1}
        assert twice <= self.may_start_again, f"runs that were started twice: {twice}"
        if self.api.pool(self.pool) is None:
            return
        runs = {run["id"] for run in self.api.runs(self.pool)}
        owners = [c["Labels"].get(RUN_LABEL) for c in self.engine.containers(self.pool)]
        twice = {run for run, count in Counter(owners).items() if count > 1}
        assert twice <= self.may_start_again, f"runs that have two containers: {twice}"
        assert set(owners) <= runs | self.deleted, "a container belongs to no run"
        if not self.is_official:
            left = [c["Names"] for c in self.engine.containers(self.pool) if c["State"] == "created"]
            assert not left, f"containers that were made and never started: {left}"
