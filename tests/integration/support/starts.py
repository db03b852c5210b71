"""When containers started and ended, by the engine's own event stream."""

import json
import threading

import httpx

from .engine import POOL_LABEL, RUN_LABEL


class Starts:
    """Follows the events of one pool's containers from now on. Times are the engine's, in seconds."""

    def __init__(self, docker_host: str, pool: str) -> None:
        scheme, _, rest = docker_host.partition("://")
        transport = httpx.HTTPTransport(uds=rest) if scheme == "unix" else None
        base = "http://engine" if scheme == "unix" else f"http://{rest}"
        self._client = httpx.Client(transport=transport, base_url=base, timeout=None)
        self._filters = json.dumps({"type": ["container"], "label": [f"{POOL_LABEL}={pool}"], "event": ["create", "start", "die"]})
        self.created: dict[str, float] = {}  # by flow run id: its last create
        self.started: dict[str, list[float]] = {}  # by flow run id: more than one time means it ran twice
        self.ended: dict[str, float] = {}
        self._is_open = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()
        self._is_open.wait(10)

    def _follow(self) -> None:
        try:
            with self._client.stream("GET", "/events", params={"filters": self._filters}) as response:
                self._is_open.set()
                for line in response.iter_lines():
                    if line.strip():
                        self._take(json.loads(line))
        except (httpx.HTTPError, ValueError, RuntimeError):
            pass  # close() cuts the stream

    def _take(self, event: dict) -> None:
        run_id = event["Actor"]["Attributes"].get(RUN_LABEL, event["Actor"]["ID"])
        at_s = event["timeNano"] / 1e9
        if event["Action"] == "create":
            self.created[run_id] = at_s
        elif event["Action"] == "start":
            self.started.setdefault(run_id, []).append(at_s)
        else:
            self.ended[run_id] = at_s

    def close(self) -> None:
        self._client.close()
