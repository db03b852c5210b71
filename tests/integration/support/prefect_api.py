"""What the tests ask of the Prefect server, over its REST API."""

import re
import uuid
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

import httpx

from .waiting import wait_until

Json = dict[str, Any]

FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
EMPTY_TEMPLATE: Json = {}
# The least that a Docker pool needs: every value is a job variable, and unset ones are left out.
FIELDS = (
    *("image", "command", "env", "labels", "name", "network_mode", "networks", "volumes", "mem_limit", "memswap_limit"),
    *("image_pull_policy", "registry_credentials", "container_create_kwargs"),
)


def plain_template(**defaults: Any) -> Json:
    """A base job template with these defaults and nothing else that a test would have to know."""
    objects = dict.fromkeys(("env", "labels", "registry_credentials", "container_create_kwargs"), "object")
    types = {**objects, "volumes": "array", "networks": "array"}
    fields = (*FIELDS, "auto_remove", "stream_output")
    properties = {name: {"title": name, "type": types.get(name, "string")} for name in fields}
    for name in ("auto_remove", "stream_output"):
        properties[name]["type"] = "boolean"
    for name, value in defaults.items():
        properties[name]["default"] = value
    return {
        "job_configuration": {name: "{{ %s }}" % name for name in fields},
        "variables": {"type": "object", "properties": properties},
    }


def parse_time(text: str) -> datetime:
    """Of the server, or of the engine, whose fractions have one to nine digits."""
    text = text.replace("Z", "+00:00")
    return datetime.fromisoformat(re.sub(r"\.(\d+)", lambda found: f".{found[1][:6]:0<6}", text))


class PrefectApi:
    def __init__(self, url: str, auth: str | None = None) -> None:
        """auth: USER:PASSWORD of a server that demands a login, and CSRF tokens."""
        self.url = url
        # A connection a call: a server that closes an idle one just then would fail the test.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(base_url=url, timeout=60.0, limits=limits)
        if auth is not None:
            self._client.auth = tuple(auth.split(":", 1))
            client = uuid.uuid4().hex
            token = self.call("GET", f"/csrf-token?client={client}")["token"]
            self._client.headers.update({"Prefect-Csrf-Token": token, "Prefect-Csrf-Client": client})

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One call; a busy database (503, or 500 if it gives no connection) is asked again, other refusals fail the test."""

        def ask() -> httpx.Response | None:
            answer = self._client.request(method, path, json=body)
            return answer if answer.status_code not in (500, 503) else None

        response = wait_until(ask, f"an answer to {method} {path} other than 500 and 503", every_s=0.3)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text[:500]}"
        return response.json() if response.content else None

    # Pools, queues, workers

    def create_pool(self, name: str, template: Json, type_: str = "docker", limit: int | None = None) -> Json:
        body = {"name": name, "type": type_, "base_job_template": template, "concurrency_limit": limit}
        return self.call("POST", "/work_pools/", body)

    def pool(self, name: str) -> Json | None:
        response = self._client.get(f"/work_pools/{name}")
        return response.json() if response.status_code == 200 else None

    def change_pool(self, name: str, **fields: Any) -> None:
        self.call("PATCH", f"/work_pools/{name}", fields)

    def delete_pool(self, name: str) -> None:
        self._client.delete(f"/work_pools/{name}")

    def create_queue(self, pool: str, name: str, **fields: Any) -> Json:
        return self.call("POST", f"/work_pools/{pool}/queues", {"name": name, **fields})

    def change_queue(self, pool: str, name: str, **fields: Any) -> None:
        self.call("PATCH", f"/work_pools/{pool}/queues/{name}", fields)

    def workers(self, pool: str) -> list[Json]:
        return self.call("POST", f"/work_pools/{pool}/workers/filter", {})

    def worker_is_online(self, pool: str, name: str) -> bool:
        if self.pool(pool) is None:
            return False
        return any(w["name"] == name and w["status"] == "ONLINE" for w in self.workers(pool))

    # Deployments and runs

    def create_deployment(
        self, pool: str, flow: str = "ok", queue: str | None = None, job_variables: Json | None = None, **fields: Any
    ) -> str:
        flow_id = self.call("POST", "/flows/", {"name": flow})["id"]
        body = {
            "name": f"{flow}-{uuid.uuid4().hex[:8]}",
            "flow_id": flow_id,
            "work_pool_name": pool,
            "work_queue_name": queue,
            "entrypoint": f"flows.py:{flow}",
            "path": "/opt/flows",
            "job_variables": job_variables or {},
            "enforce_parameter_schema": False,  # before 3.6 it demands a schema
            **fields,
        }
        return self.call("POST", "/deployments/", body)["id"]

    def create_run(self, deployment_id: str, due_in_s: float = 0.0, **fields: Any) -> str:
        due = datetime.now(timezone.utc) + timedelta(seconds=due_in_s)
        state = {"type": "SCHEDULED", "state_details": {"scheduled_time": due.isoformat()}}
        # Should it be asked again, it is still one run.
        body = {"state": state, "idempotency_key": uuid.uuid4().hex, **fields}
        return self.call("POST", f"/deployments/{deployment_id}/create_flow_run", body)["id"]

    def set_state(self, run_id: str, type_: str, **fields: Any) -> Json:
        """What a person does in the UI; the server's answer."""
        return self.call("POST", f"/flow_runs/{run_id}/set_state", {"state": {"type": type_, **fields}})

    def cancel(self, run_id: str) -> None:
        self.set_state(run_id, "CANCELLING")

    def delete_run(self, run_id: str) -> None:
        self.call("DELETE", f"/flow_runs/{run_id}")

    def delete_deployment(self, deployment_id: str) -> None:
        self.call("DELETE", f"/deployments/{deployment_id}")

    def set_limit(self, deployment_id: str, limit: int) -> None:
        """Of a deployment that has one; only so it can be 0."""
        id_ = self.call("GET", f"/deployments/{deployment_id}")["global_concurrency_limit"]["id"]
        self.call("PATCH", f"/v2/concurrency_limits/{id_}", {"limit": limit})

    def slots_in_use(self, deployment_id: str) -> int:
        """Of the deployment's own concurrency limit."""
        limit = self.call("GET", f"/deployments/{deployment_id}")["global_concurrency_limit"]
        return self.call("GET", f"/v2/concurrency_limits/{limit['id']}")["active_slots"]

    def run(self, run_id: str) -> Json:
        return self.call("GET", f"/flow_runs/{run_id}")

    def runs(self, pool: str) -> list[Json]:
        found: list[Json] = []
        while True:
            body = {"work_pools": {"name": {"any_": [pool]}}, "sort": "ID_DESC", "limit": 200, "offset": len(found)}
            page = self.call("POST", "/flow_runs/filter", body)
            found += page
            if len(page) < 200:
                return found

    def states(self, run_id: str) -> list[Json]:
        """Every state the run has had, oldest first."""
        states = self.call("GET", f"/flow_run_states/?flow_run_id={run_id}")
        return sorted(states, key=lambda state: state["timestamp"])

    def state_names(self, run_id: str) -> list[str]:
        return [f"{s['type']} {s['name']}" for s in self.states(run_id)]

    def wait_for_state(self, run_id: str, *types: str, timeout_s: float = 120.0) -> Json:
        """The run, once its state is one of these types. An end that is none of them fails at once."""

        def look() -> Json | None:
            run = self.run(run_id)
            if run["state_type"] in FINAL and run["state_type"] not in types:
                raise AssertionError(
                    f"run {run_id} ended as {run['state_type']} ({run['state']['message']}), not {types}: "
                    f"{self.state_names(run_id)}"
                )
            return run if run["state_type"] in types else None

        return wait_until(look, f"run {run_id} to be {'/'.join(types)}", timeout_s, every_s=0.2)

    def wait_for_all(self, pool: str, run_ids: Iterable[str], timeout_s: float = 120.0) -> dict[str, Json]:
        """All runs by id, once each of them is in a final state."""
        wanted = set(run_ids)

        def look() -> dict[str, Json] | None:
            runs = {run["id"]: run for run in self.runs(pool) if run["id"] in wanted}
            left = [run["state_type"] for run in runs.values() if run["state_type"] not in FINAL]
            return runs if len(runs) == len(wanted) and not left else None

        # A look at many costs the server what the worker would need of it.
        every_s = max(0.5, len(wanted) / 50)
        return wait_until(look, f"{len(wanted)} runs of {pool} to end", timeout_s, every_s)

    def logs(self, run_id: str) -> list[Json]:
        return self.call("POST", "/logs/filter", {"logs": {"flow_run_id": {"any_": [run_id]}}, "limit": 200})

    def events(self, resource: str, name_prefix: str) -> list[Json]:
        """Events that name this resource anywhere, oldest first."""
        query = {
            "filter": {
                "any_resource": {"id": [resource]},
                "event": {"prefix": [name_prefix]},
                "order": "ASC",
            },
            "limit": 50,
        }
        return self.call("POST", "/events/filter", query)["events"]
