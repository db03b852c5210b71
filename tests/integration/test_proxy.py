"""The proxy itself: transparent without rules, and wrong exactly where a rule says so."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from support.proxy import Proxy, Rule


class Echo(BaseHTTPRequestHandler):
    """Answers with the request's body; in chunks for /chunks, without a length for /until-close."""

    protocol_version = "HTTP/1.1"
    served: list[str] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.served.append(self.path)
        self.send_response(200)
        if self.path == "/chunks":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for part in (body[:1], body[1:]):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
            self.wfile.write(b"0\r\n\r\n")
        elif self.path == "/until-close":
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(body)
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[str]:
    Echo.served = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_every_kind_of_body_passes_and_is_counted(echo: str) -> None:
    with Proxy(echo) as proxy, httpx.Client(base_url=f"http://{proxy.address}") as client:
        for path in ("/plain", "/chunks", "/plain", "/until-close", "/plain"):
            assert client.post(path, content=b"hello").content == b"hello"
        assert proxy.counts() == {"POST /plain": 3, "POST /chunks": 1, "POST /until-close": 1}
        assert [call.status for call in proxy.seen("POST", "/plain", body="hel")] == [200, 200, 200]


def test_refused_call_never_arrives_and_a_dropped_answer_does(echo: str) -> None:
    with Proxy(echo) as proxy, httpx.Client(base_url=f"http://{proxy.address}") as client:
        proxy.add(Rule("POST", "^/refused$", action="refuse"))
        proxy.add(Rule("POST", "^/dropped$", action="drop_answer"))
        for path in ("/refused", "/dropped"):
            with pytest.raises(httpx.RemoteProtocolError):
                client.post(path, content=b"x")
        assert Echo.served == ["/dropped"]
        assert client.post("/refused", content=b"x").content == b"x"


def test_answer_of_our_own_as_often_as_said(echo: str) -> None:
    with Proxy(echo) as proxy, httpx.Client(base_url=f"http://{proxy.address}") as client:
        proxy.add(Rule("POST", "^/a$", action="answer", status=429, headers={"Retry-After": "7"}, times=2))
        answers = [client.post("/a", content=b"x") for _ in range(3)]
        assert [answer.status_code for answer in answers] == [429, 429, 200]
        assert answers[0].headers["Retry-After"] == "7"
        assert Echo.served == ["/a"]


def test_unix_socket_that_goes_and_comes_back(echo: str, tmp_path: Path) -> None:
    socket = tmp_path / "s"
    with Proxy(echo, f"unix://{socket}") as proxy:
        transport = httpx.HTTPTransport(uds=str(socket))
        with httpx.Client(transport=transport, base_url="http://proxy") as client:
            assert client.post("/a", content=b"x").content == b"x"
            proxy.shut()
            with pytest.raises(httpx.TransportError):
                client.post("/a", content=b"x")
            proxy.open()
            assert client.post("/a", content=b"x").content == b"x"
