"""An OpenTelemetry collector that takes traces as OTLP/HTTP JSON and holds each request against the protocol's own definition."""

import base64
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

IDS = {"traceId": 32, "spanId": 16, "parentSpanId": 16}


def with_plain_ids(value: Any) -> Any:
    """Protobuf's JSON has bytes in base64, OTLP's has ids in hex digits: the one difference between the two."""
    if isinstance(value, list):
        return [with_plain_ids(item) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {}
    for key, item in value.items():
        if key in IDS:
            if not re.fullmatch(f"[0-9a-f]{{{IDS[key]}}}", item):
                raise ValueError(f"{key} is {item!r}")
            plain[key] = base64.b64encode(bytes.fromhex(item)).decode()
        else:
            plain[key] = with_plain_ids(item)
    return plain


def parse(body: bytes) -> ExportTraceServiceRequest:
    """Names, types and ranges as the protocol's .proto files say; unknown names are mistakes."""
    return json_format.Parse(json.dumps(with_plain_ids(json.loads(body))), ExportTraceServiceRequest())


def attributes(span: Span) -> dict[str, Any]:
    return {item.key: getattr(item.value, item.value.WhichOneof("value")) for item in span.attributes}


class Collector:
    def __init__(self) -> None:
        self.requests: list[ExportTraceServiceRequest] = []
        self.headers: list[dict[str, str]] = []
        self.mistakes: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def spans(self) -> list[Span]:
        return [
            span
            for request in list(self.requests)
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def __enter__(self) -> "Collector":
        self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if error is None:
            assert not self.mistakes, self.mistakes

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                try:
                    if (self.path, self.headers["Content-Type"]) != ("/v1/traces", "application/json"):
                        raise ValueError(f"{self.path} {self.headers['Content-Type']}")
                    collector.requests.append(parse(body))
                    collector.headers.append({name.lower(): value for name, value in self.headers.items()})
                except ValueError as error:  # json_format.ParseError is one
                    collector.mistakes.append(str(error))
                answer = b"{}"
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
