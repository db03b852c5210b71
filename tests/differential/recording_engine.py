"""A Docker Engine on a unix socket that runs nothing, ends every container at once with 0, and keeps what it was asked.

It is as much of an engine (20.10.24, API 1.41) as a worker needs for whole lives of its runs. Names say how it behaves:

    absent/...  an image that is not here until it is pulled         missing...  a network that does not exist
    gone/...    one that is not here and can't be pulled             taken, taken-1  containers that are there already
    stale/...   one that is here, but whose pull fails               nope  a command that can't be started
"""

import base64
import hashlib
import json
import re
import socketserver
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

Json = dict[str, Any]

API_VERSION = "1.41"
NEVER = "0001-01-01T00:00:00Z"
HEADERS_OF_INTEREST = ("X-Registry-Auth", "X-Registry-Config")
LEGAL_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")

# What the engine's own JSON reader refuses with 400, as far as a job can bring it about.
TEXTS = ("Hostname", "Domainname", "User", "WorkingDir", "StopSignal", "MacAddress", "Image")
HOST_TEXTS = ("NetworkMode", "CpusetCpus", "CgroupParent", "IpcMode", "PidMode", "Runtime", "Isolation", "VolumeDriver")
HOST_LISTS = ("Dns", "DnsSearch", "DnsOptions", "CapAdd", "CapDrop", "GroupAdd", "SecurityOpt", "ExtraHosts", "Binds")
HOST_NUMBERS = ("Memory", "MemorySwap", "MemoryReservation", "ShmSize", "NanoCpus", "CpuShares", "PidsLimit")
HOST_BOOLEANS = ("Init", "Privileged", "AutoRemove", "ReadonlyRootfs", "PublishAllPorts", "OomKillDisable")


@dataclass
class Request:
    method: str
    path: str  # as it was sent
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    status: int = 0


@dataclass
class Container:
    id: str
    name: str
    body: Json
    created: str
    status: str = "created"
    started: str = NEVER
    finished: str = NEVER

    def inspect(self) -> Json:
        return {
            "Id": self.id,
            "Name": f"/{self.name}",
            "Created": self.created,
            "Image": "sha256:" + "1" * 64,
            "Config": {key: self.body.get(key) for key in ("Image", "Labels", "Tty", "Env", "Cmd")},
            "HostConfig": self.body.get("HostConfig", {}),
            "State": {
                "Status": self.status,
                "Running": False,
                "ExitCode": 0,
                "OOMKilled": False,
                "Error": "",
                "StartedAt": self.started,
                "FinishedAt": self.finished,
            },
        }


class Refusal(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"


def check_types(body: Json) -> None:
    host = body.get("HostConfig") or {}
    kinds = ((body, TEXTS, str), (host, HOST_TEXTS, str), (host, HOST_NUMBERS, int), (host, HOST_BOOLEANS, bool))
    for parent, names, kind in kinds:
        for name in names:
            value = parent.get(name)
            if value is not None and (not isinstance(value, kind) or (kind is int and isinstance(value, bool))):
                raise Refusal(400, f"json: cannot unmarshal {type(value).__name__} into Go struct field {name}")
    for name in HOST_LISTS:
        value = host.get(name)
        if value is not None and not (isinstance(value, list) and all(isinstance(item, str) for item in value)):
            raise Refusal(400, f"json: cannot unmarshal {type(value).__name__} into Go struct field HostConfig.{name}")


@dataclass
class RecordingEngine:
    """One engine; start() serves it. What it was asked stands in `requests`, in the order in which it was asked."""

    path: Path
    version: str = "20.10.24"
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.host = f"unix://{self.path}"
        self._changed = threading.Condition()
        self._containers: dict[str, Container] = {}
        self.made: list[Container] = []  # also those that were removed
        self._events: list[Json] = []
        self._pulled: set[str] = set()
        self._is_closed = False
        for name in ("taken", "taken-1"):
            self._add(name, {"Image": "other:1", "Labels": {}}).status = "exited"

    def start(self) -> "RecordingEngine":
        engine = self

        class Handler(EngineHandler):
            pass

        Handler.engine = engine
        self._server = Server(str(self.path), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self.path.unlink(missing_ok=True)

    # What handlers call

    def record(self, request: Request) -> None:
        with self._changed:
            self.requests.append(request)

    def container(self, name: str) -> Container:
        with self._changed:
            for container in self._containers.values():
                if name in (container.id, container.name):
                    return container
        raise Refusal(404, f"No such container: {name}")

    def containers(self, labels: list[str]) -> list[Container]:
        def has(container: Container, label: str) -> bool:
            key, equals, value = label.partition("=")
            own = container.body.get("Labels") or {}
            return key in own and (not equals or own[key] == value)

        with self._changed:
            return [c for c in self._containers.values() if all(has(c, label) for label in labels)]

    def create(self, name: str, body: Json) -> Container:
        check_types(body)
        if name and not LEGAL_NAME.fullmatch(name):
            raise Refusal(400, f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
        if not self.has_image(body["Image"]):
            raise Refusal(404, f"No such image: {body['Image']}")
        if name in ("taken", "taken-1"):
            holder = self.container(name).id
            message = f'Conflict. The container name "/{name}" is already in use by container "{holder}". You have to '
            raise Refusal(409, message + "remove (or rename) that container to be able to reuse that name.")
        return self._add(name, body)

    def _add(self, name: str, body: Json) -> Container:
        with self._changed:
            id_ = hashlib.sha256(f"{self.path}/{len(self.made)}".encode()).hexdigest()
            container = Container(id_, name or f"engine_{len(self.made)}", body, now())
            self._containers[id_] = container
            self.made.append(container)
        self.tell(container, "create")
        return container

    def begin(self, container: Container) -> None:
        mode = str((container.body.get("HostConfig") or {}).get("NetworkMode"))
        if mode.startswith("missing"):
            raise Refusal(404, f"network {mode} not found")
        if container.body.get("Cmd") == ["nope"]:
            raise Refusal(400, 'OCI runtime create failed: exec: "nope": executable file not found in $PATH: unknown')
        with self._changed:
            container.status, container.started, container.finished = "exited", now(), now()
        self.tell(container, "start")
        self.tell(container, "die", exitCode="0")

    def remove(self, container: Container) -> None:
        with self._changed:
            self._containers.pop(container.id, None)
        self.tell(container, "destroy")

    def has_image(self, image: str) -> bool:
        path = f"/{image}"
        with self._changed:
            return "/gone/" not in path and ("/absent/" not in path or image in self._pulled)

    def pull(self, image: str) -> list[Json]:
        if "/gone/" in f"/{image}":
            raise Refusal(404, f"manifest for {image} not found: manifest unknown: manifest unknown")
        if "/stale/" in f"/{image}":
            message = f"manifest for {image} not found: manifest unknown: manifest unknown"
            return [{"status": "Pulling"}, {"errorDetail": {"message": message}, "error": message}]
        with self._changed:
            self._pulled |= {image, image.removesuffix(":latest")}
        return [{"status": "Pulling"}, {"status": f"Status: Downloaded newer image for {image}"}]

    def tell(self, container: Container, action: str, **attributes: str) -> None:
        at_ns = time.time_ns()
        labels = {key: str(value) for key, value in (container.body.get("Labels") or {}).items()}
        actor = {"ID": container.id, "Attributes": {**labels, "name": container.name, **attributes}}
        event = {"Type": "container", "Action": action, "Actor": actor, "time": at_ns // 10**9, "timeNano": at_ns}
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()

    def next_events(self, seen: int) -> list[Json] | None:
        """Those after the first `seen`, once there are any; None when the engine is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_closed or len(self._events) > seen)
            return None if self._is_closed else self._events[seen:]


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A worker that was killed leaves connections behind."""


class EngineHandler(BaseHTTPRequestHandler):
    engine: RecordingEngine
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments: Any) -> None:
        pass

    def address_string(self) -> str:
        return "worker"

    def do_any(self) -> None:
        parts = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        is_json = "json" in (self.headers.get("Content-Type") or "")
        request = Request(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            {name: self.headers[name] for name in HEADERS_OF_INTEREST if name in self.headers},
            json.loads(body) if is_json and body else None,
        )
        self.engine.record(request)
        try:
            self._route(request)
        except Refusal as refusal:
            self._answer(request, refusal.status, {"message": refusal.message})

    do_GET = do_POST = do_DELETE = do_HEAD = do_any

    def _route(self, request: Request) -> None:
        path = re.sub(r"^/v[\d.]+(?=/)", "", unquote(request.path))
        for method, pattern, handle in ROUTES:
            found = re.fullmatch(pattern, path)
            if found and request.method == method:
                handle(self, request, *found.groups())
                return
        raise Refusal(404, f"page not found: {request.method} {path}")

    def _head(self, status: int, content_type: str, length: int | None) -> None:
        self.send_response_only(status)
        self.send_header("Api-Version", API_VERSION)
        self.send_header("Server", f"Docker/{self.engine.version} (linux)")
        self.send_header("Date", self.date_time_string())
        self.send_header("Content-Type", content_type)
        if length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def _answer(self, request: Request, status: int, value: Any = None) -> None:
        request.status = status
        data = b"" if value is None else json.dumps(value).encode()
        self._head(status, "application/json", len(data))
        if self.command != "HEAD":
            self.wfile.write(data)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _stream(self, request: Request, lines: list[Json]) -> None:
        request.status = 200
        self._head(200, "application/json", None)
        for line in lines:
            self._chunk(json.dumps(line).encode() + b"\r\n")
        self._chunk(b"")

    def ping(self, request: Request) -> None:
        self._answer(request, 200, "OK")

    def show_version(self, request: Request) -> None:
        version = {"Version": self.engine.version, "ApiVersion": API_VERSION, "MinAPIVersion": "1.12", "Os": "linux"}
        self._answer(request, 200, {**version, "Platform": {"Name": ""}, "Components": []})

    def login(self, request: Request) -> None:
        if request.body.get("password") == "wrong":
            raise Refusal(401, "Get https://r.example/v2/: unauthorized: incorrect username or password")
        self._answer(request, 200, {"Status": "Login Succeeded", "IdentityToken": ""})

    def look_at_image(self, request: Request, image: str) -> None:
        if not self.engine.has_image(image):
            raise Refusal(404, f"No such image: {image}")
        self._answer(request, 200, {"Id": "sha256:" + "1" * 64, "RepoTags": [image], "RepoDigests": []})

    def pull(self, request: Request) -> None:
        image, tag = request.query["fromImage"], request.query.get("tag", "latest")
        header = request.headers.get("X-Registry-Auth")
        if header and json.loads(base64.urlsafe_b64decode(header)).get("password") == "wrong":
            raise Refusal(500, f"Head https://{image}/manifests/{tag}: unauthorized: incorrect username or password")
        self._stream(request, self.engine.pull(f"{image}{'@' if tag.startswith('sha256:') else ':'}{tag}"))

    def create(self, request: Request) -> None:
        container = self.engine.create(request.query.get("name", ""), request.body)
        self._answer(request, 201, {"Id": container.id, "Warnings": []})

    def list_containers(self, request: Request) -> None:
        labels = json.loads(request.query.get("filters", "{}")).get("label", [])
        found = self.engine.containers(labels if isinstance(labels, list) else list(labels))
        rows = [
            {"Id": c.id, "Names": [f"/{c.name}"], "Image": c.body["Image"], "Labels": c.body.get("Labels") or {}}
            | {"State": c.status, "Status": c.status, "Created": int(time.time())}
            for c in found
        ]
        self._answer(request, 200, rows)

    def inspect(self, request: Request, name: str) -> None:
        self._answer(request, 200, self.engine.container(name).inspect())

    def begin(self, request: Request, name: str) -> None:
        self.engine.begin(self.engine.container(name))
        self._answer(request, 204)

    def wait(self, request: Request, name: str) -> None:
        self.engine.container(name)
        self._answer(request, 200, {"StatusCode": 0})

    def logs(self, request: Request, name: str) -> None:
        self.engine.container(name)
        self._stream(request, [])

    def stop(self, request: Request, name: str) -> None:
        self.engine.container(name)
        self._answer(request, 304)

    def remove(self, request: Request, name: str) -> None:
        self.engine.remove(self.engine.container(name))
        self._answer(request, 204)

    def look_at_network(self, request: Request, name: str) -> None:
        if name.startswith("missing"):
            raise Refusal(404, f"network {name} not found")
        self._answer(request, 200, {"Id": f"id-of-{name}", "Name": name, "Driver": "bridge", "Containers": {}})

    def connect(self, request: Request, name: str) -> None:
        if name.startswith("missing"):
            raise Refusal(404, f"network {name} not found")
        self._answer(request, 200)

    def events(self, request: Request) -> None:
        request.status = 200
        self._head(200, "application/json", None)
        self.wfile.flush()
        since_ns = int(float(request.query.get("since", "0")) * 1e9)
        seen = 0
        while (events := self.engine.next_events(seen)) is not None:
            for event in events:
                if event["timeNano"] >= since_ns:
                    self._chunk(json.dumps(event).encode() + b"\n")
            seen += len(events)
            if "until" in request.query:
                break
        self._chunk(b"")


ROUTES = (
    ("GET", "/_ping", EngineHandler.ping),
    ("HEAD", "/_ping", EngineHandler.ping),
    ("GET", "/version", EngineHandler.show_version),
    ("POST", "/auth", EngineHandler.login),
    ("GET", "/images/(.+)/json", EngineHandler.look_at_image),
    ("POST", "/images/create", EngineHandler.pull),
    ("POST", "/containers/create", EngineHandler.create),
    ("GET", "/containers/json", EngineHandler.list_containers),
    ("GET", "/containers/([^/]+)/json", EngineHandler.inspect),
    ("POST", "/containers/([^/]+)/start", EngineHandler.begin),
    ("POST", "/containers/([^/]+)/wait", EngineHandler.wait),
    ("GET", "/containers/([^/]+)/logs", EngineHandler.logs),
    ("POST", "/containers/([^/]+)/stop", EngineHandler.stop),
    ("POST", "/containers/([^/]+)/kill", EngineHandler.stop),
    ("DELETE", "/containers/([^/]+)", EngineHandler.remove),
    ("GET", "/networks/([^/]+)", EngineHandler.look_at_network),
    ("POST", "/networks/([^/]+)/connect", EngineHandler.connect),
    ("GET", "/events", EngineHandler.events),
)
