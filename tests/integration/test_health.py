"""/health of --with-healthcheck beside that of Prefect's own worker: the same questions, the same answers, byte for byte."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.command import Sluice
from support.servers import free_port
from support.waiting import wait_until

HOST = b"Host: somewhere.example\r\n"
QUESTIONS = [
    b"GET /health HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /health HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n",
    b"GET /health?a=b HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /%68ealth HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /health HTTP/1.0\r\n\r\n",
    b"HEAD /health HTTP/1.1\r\n" + HOST + b"\r\n",
    b"POST /health HTTP/1.1\r\nContent-Length: 2\r\n" + HOST + b"\r\nhi",
    b"OPTIONS /health HTTP/1.1\r\n" + HOST + b"\r\n",
    b"FOO /health HTTP/1.1\r\n" + HOST + b"\r\n",
    b"PROPFIND /health HTTP/1.1\r\nContent-Length: 2\r\n" + HOST + b"\r\nhi",
    b"get /health HTTP/1.1\r\n" + HOST + b"\r\n",
    b"TRACE /health HTTP/1.1\r\n" + HOST + b"\r\n",
    b"FOO /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET / HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET //health HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /metrics HTTP/1.1\r\n" + HOST + b"\r\n",
    b"POST / HTTP/1.1\r\nContent-Length: 0\r\n" + HOST + b"\r\n",
    b"GET /health/ HTTP/1.1\r\n" + HOST + b"\r\n",
]
HEADERS = ("allow", "content-length", "content-type", "location")


class Answer:
    """What of an answer matters to whoever asks; ours sends a relative Location, which means the same."""

    def __init__(self, raw: bytes) -> None:
        head, _, self.body = raw.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.status = first.split(" ", 2)[1:]
        fields = dict((name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
        self.headers = {name: fields[name].removeprefix("http://somewhere.example") for name in HEADERS if name in fields}

    def told(self) -> tuple[list[str], dict[str, str], bytes]:
        return self.status, self.headers, self.body


def ask(port: int, question: bytes) -> Answer:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(question)
        raw = b""
        while True:
            head, found, body = raw.partition(b"\r\n\r\n")
            if found:
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
                if question.startswith(b"HEAD") or len(body) >= int(fields[b"content-length"]):
                    return Answer(raw)
            piece = connection.recv(65536)
            assert piece, raw
            raw += piece


@pytest.fixture
def official(tmp_path: Path) -> Iterator[tuple[int, Callable[[], None]]]:
    """Its port, and what makes it unwell."""
    port = free_port()
    environment = dict(os.environ, PREFECT_HOME=str(tmp_path / "prefect"), PREFECT_WORKER_WEBSERVER_HOST="127.0.0.1",
                       PREFECT_WORKER_WEBSERVER_PORT=str(port))
    script = Path(__file__).parent / "support/official_health.py"
    process = subprocess.Popen([sys.executable, script], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def fall_ill() -> None:
        stdin.write("\n")
        stdin.flush()
        assert stdout.readline() == "unwell\n"

    assert stdout.readline() == "listening\n"
    yield port, fall_ill
    stdin.close()
    process.wait(30)


@pytest.fixture
def ours(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """Nobody answers it, so it is unwell after thirty polls."""
    sluice = Sluice(Path(request.config.getoption("--sluice")).resolve(), tmp_path)
    port = free_port()
    environment = sluice.environment(PREFECT_WORKER_WEBSERVER_HOST="127.0.0.1", PREFECT_WORKER_WEBSERVER_PORT=str(port),
                                     PREFECT_WORKER_QUERY_SECONDS="0.3")
    command = [sluice.binary, "start", "--pool", "p", "--state", str(sluice.state), "--with-healthcheck"]
    with open(tmp_path / "log", "wb") as log:
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "our port")
    yield port
    process.terminate()
    process.wait(30)
    sluice.close()


def test_answers_are_those_of_the_official_worker(official: tuple[int, Callable[[], None]], ours: int) -> None:
    port, fall_ill = official
    for question in QUESTIONS:
        assert ask(ours, question).told() == ask(port, question).told(), question
    fall_ill()
    wait_until(lambda: ask(ours, QUESTIONS[0]).status[0] == "503", "our ill health")
    for question in QUESTIONS[:6]:
        assert ask(ours, question).told() == ask(port, question).told(), question
