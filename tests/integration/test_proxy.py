"""The proxy itself: transparent without rules, and wrong exactly where a rule says so."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from support.faults import Call, RandomFaults, Rule
from support.proxy import Proxy
from support.waiting import wait_until


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
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02), daemon=True)
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


def test_faults_before_and_after_the_effect(echo: str) -> None:
    with Proxy(echo) as proxy, httpx.Client(base_url=f"http://{proxy.address}", timeout=0.5) as client:
        for action in ("reset", "stall"):
            proxy.add(Rule("POST", f"^/{action}$", action))
        for action in ("reset_answer", "stall_answer", "half_answer"):
            proxy.add(Rule("", f"^/{action}$", action))
        for path in ("/reset", "/stall"):
            with pytest.raises(httpx.TransportError):
                client.post(path, content=b"hello")
        assert Echo.served == []
        for path in ("/reset_answer", "/stall_answer", "/half_answer"):
            with pytest.raises(httpx.TransportError):
                client.post(path, content=b"hello")
        assert Echo.served == ["/reset_answer", "/stall_answer", "/half_answer"]
        assert sum(proxy.failed.values()) == 5


def test_chunked_answer_that_breaks_off(echo: str) -> None:
    with Proxy(echo) as proxy, httpx.Client(base_url=f"http://{proxy.address}") as client:
        proxy.add(Rule("POST", "^/chunks$", "half_answer"))
        with pytest.raises(httpx.RemoteProtocolError):
            client.post("/chunks", content=b"hello")
        assert client.post("/chunks", content=b"hello").content == b"hello"


def test_request_that_lands_after_its_client_has_given_up(echo: str) -> None:
    with Proxy(echo) as proxy, httpx.Client(base_url=f"http://{proxy.address}", timeout=0.5) as client:
        proxy.add(Rule("POST", "^/late$", "late", late_s=0.05))
        held = proxy.add(Rule("POST", "^/held$", "hold"))
        dropped = proxy.add(Rule("POST", "^/dropped$", "hold"))
        for path in ("/late", "/held", "/dropped"):
            with pytest.raises(httpx.TransportError):
                client.post(path, content=b"x")
        assert held.wait_caught().path == "/held"
        wait_until(lambda: Echo.served == ["/late"], "the late request")
        dropped.drop()
        held.let_go()
        wait_until(lambda: Echo.served == ["/late", "/held"], "the held request")


def test_held_calls_go_on_when_told(echo: str) -> None:
    with Proxy(echo) as proxy, httpx.Client(base_url=f"http://{proxy.address}") as client:
        rules = [proxy.add(Rule("POST", "^/a$", action)) for action in ("hold", "hold_answer")]
        for rule, served in zip(rules, ([], ["/a", "/a"]), strict=True):
            answers: list[httpx.Response] = []
            thread = threading.Thread(target=lambda: answers.append(client.post("/a", content=b"x")))
            thread.start()
            rule.wait_caught()
            assert Echo.served == served
            assert answers == []
            rule.let_go()
            thread.join()
            assert answers[0].content == b"x"


def test_random_faults_are_the_same_for_a_seed() -> None:
    def actions(seed: int) -> list[str]:
        faults = RandomFaults(0.3, seed, except_for="^/spared")
        assert all(faults.choose(Call("POST", "/spared/a", b"")) is None for _ in range(100))
        chosen = [faults.choose(Call("POST", "/a", b"")) for _ in range(1000)]
        return [rule.action if rule is not None else "none" for rule in chosen]

    first = actions(1)
    assert first == actions(1)
    assert first != actions(2)
    assert set(first) == {"none", *RandomFaults.ACTIONS}
    assert 250 <= len(first) - first.count("none") <= 350


def test_random_faults_befall_what_no_rule_is_for(echo: str) -> None:
    with Proxy(echo) as proxy, httpx.Client(base_url=f"http://{proxy.address}", timeout=0.2) as client:
        proxy.add(Rule("POST", "^/a$", times=None))
        proxy.fail_randomly(RandomFaults(1.0, seed=1))
        for _ in range(20):
            assert client.post("/a", content=b"hello").content == b"hello"
        for _ in range(5):
            try:
                assert client.post("/b", content=b"hello").status_code in RandomFaults.STATUSES
            except httpx.TransportError:
                pass
        assert sum(proxy.failed.values()) == 5
        proxy.clear()
        assert client.post("/b", content=b"hello").content == b"hello"
