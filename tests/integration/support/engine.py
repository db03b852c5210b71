"""What the tests ask of the Docker Engine, over its API."""

import os
from typing import Any

import httpx

Json = dict[str, Any]

POOL_LABEL = "io.prefect.work-pool-name"
RUN_LABEL = "io.prefect.flow-run-id"


class Engine:
    def __init__(self, host: str | None = None) -> None:
        self.host = host or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
        scheme, _, rest = self.host.partition("://")
        if scheme == "unix":
            transport = httpx.HTTPTransport(uds=rest)
            self._client = httpx.Client(transport=transport, base_url="http://engine", timeout=60.0)
        else:
            self._client = httpx.Client(base_url=f"http://{rest}", timeout=60.0)

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, path: str, body: Any = None, **params: Any) -> Any:
        response = self._client.request(method, path, json=body, params=params)
        assert response.is_success, f"{method} {path}: {response.status_code} {response.text[:500]}"
        return response.json() if response.headers.get("Content-Type") == "application/json" else None

    def containers(self, pool: str) -> list[Json]:
        """All containers of this work pool, in any state, oldest first."""
        filters = '{"label": ["%s=%s"]}' % (POOL_LABEL, pool)
        found = self.call("GET", "/containers/json", all="true", filters=filters)
        return sorted(found, key=lambda container: container["Created"])

    def of_run(self, pool: str, run_id: str) -> list[Json]:
        return [c for c in self.containers(pool) if c["Labels"].get(RUN_LABEL) == run_id]

    def only_one(self, pool: str, run_id: str) -> Json:
        """The inspected container of a run that must have exactly one."""
        found = self.of_run(pool, run_id)
        assert len(found) == 1, f"run {run_id} has {len(found)} containers: {[c['Names'] for c in found]}"
        return self.inspect(found[0]["Id"])

    def inspect(self, container_id: str) -> Json:
        return self.call("GET", f"/containers/{container_id}/json")

    def create(self, name: str, image: str, command: list[str]) -> str:
        return self.call("POST", "/containers/create", {"Image": image, "Cmd": command}, name=name)["Id"]

    def kill(self, container_id: str) -> None:
        self.call("POST", f"/containers/{container_id}/kill")

    def remove(self, container_id: str) -> None:
        self._client.delete(f"/containers/{container_id}", params={"force": "true", "v": "true"})

    def tell(self, container_id: str, word: str) -> None:
        """End a container that runs `run-flow told`: "complete", or the code to exit with."""
        body = {"Cmd": ["sh", "-c", f"echo {word} > /tmp/told"]}
        exec_id = self.call("POST", f"/containers/{container_id}/exec", body)["Id"]
        self.call("POST", f"/exec/{exec_id}/start", {"Detach": True})

    def create_network(self, name: str) -> None:
        self.remove_network(name)
        self.call("POST", "/networks/create", {"Name": name})

    def remove_network(self, name: str) -> None:
        self._client.delete(f"/networks/{name}")

    def remove_volume(self, name: str) -> None:
        self._client.delete(f"/volumes/{name}")

    def load(self, archive: bytes) -> None:
        response = self._client.post("/images/load", content=archive, headers={"Content-Type": "application/x-tar"})
        assert response.is_success, response.text

    def save(self, image: str) -> bytes:
        return self._client.get(f"/images/{image}/get").content

    def works(self) -> bool:
        """An engine that has locked itself up (docs/engine-facts.md) answers pings, but not this."""
        try:
            return self._client.get("/info").is_success
        except httpx.TransportError:
            return False
