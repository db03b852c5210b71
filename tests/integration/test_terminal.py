"""What people see: queue, status, timeouts and why on a terminal of any width, in a pipe, in a file, and with names
that somebody made up to do harm. No server and no engine: the commands read a state file, which is made here."""

import contextlib
import errno
import fcntl
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import unicodedata
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.command import Sluice
from support.terminal import DEADLINE_S, Terminal

ROOT = Path(__file__).resolve().parents[2]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOR = re.compile(r"\x1b\[\d+m")
HOSTILE = (
    "evil\x1b[2J\x1b]0;owned\x07",
    "\x9b31mC1",
    "over\rwritten\nnext\ttab",
    "turned\u202eround\u2066",
    "数据处理流水线-每日-报告-北京-上海",
    "e\u0301" * 40 + "\u0301" * 300,
    "👩‍👩‍👧‍👧family",
    "x" * 400,
)
LOOKS = (("queue",), ("status",), ("timeouts",), ("why", "run-50"))


def make_state(path: Path, runs: int) -> None:
    """A state file as the service makes it: queued runs, hostile ones first, some that run, a parked one, timeouts."""
    with closing(sqlite3.connect(path)) as file:
        scripts = sorted((ROOT / "migrations").glob("*.sql"))
        for script in scripts:
            file.executescript(script.read_text())
        file.execute("PRAGMA application_id = 1936483173")
        file.execute(f"PRAGMA user_version = {int(scripts[-1].name[:4])}")
        file.execute("PRAGMA journal_mode = wal")
        columns = [row[1:3] for row in file.execute("PRAGMA table_info(launches)")]
        empty = {name: "" if kind == "TEXT" else 0 for name, kind in columns}
        now = int(time.time() * 1000)

        def add(number: int, **fields: Any) -> None:
            row: dict[str, Any] = {**empty, "flow_name": "flow", "class_name": "default", "pending": "none", "verdict": "none"}
            row |= {"launch_key": number + 1, "launch_id": str(uuid.uuid4()), "flow_run_id": str(uuid.uuid4())}
            row |= {"due_at_ms": now - 60000 + number, "updated_at_ms": now, "run_name": f"run-{number}", **fields}
            marks = ",".join("?" * len(row))
            file.execute(f"INSERT INTO launches ({','.join(row)}) VALUES ({marks})", list(row.values()))

        for number in range(runs):
            name = HOSTILE[number] if number < len(HOSTILE) else f"run-{number}"
            backoff = now + 600000 + number if number % 7 == 0 else 0
            add(number, state="QUEUED", run_name=name, class_name=("etl", "default")[number % 2], next_try_at_ms=backoff)
        if runs:
            add(runs, state="RUNNING", started_at_ms=now - 5000, has_container=1, container_id="ab" * 32)
            add(runs + 1, state="PARKED", last_error=f"no such image: {HOSTILE[0]}")
            file.executemany(
                "INSERT INTO attempt_rows (launch_id, class_name, stage, attempt, started_at_ms, took_ms, timeout_ms,"
                " timeout_from, outcome, clock, clock_ms, clock_from, error_class, error)"
                " SELECT launch_id, class_name, 'create', 1, ?, 60000, 60000, 'default', 'timeout', 'inactivity', 60000,"
                " 'DOCKER_CLIENT_TIMEOUT', 'transient', run_name FROM launches WHERE launch_key = ?",
                [(now - 1000, key) for key in range(1, len(HOSTILE) + 1)],
            )
        file.commit()


@pytest.fixture
def sluice(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sluice]:
    sluice = Sluice(Path(request.config.getoption("--sluice")).resolve(), tmp_path)
    sluice.state.parent.mkdir()
    yield sluice
    sluice.close()


def width_of(line: str) -> int:
    """Columns of a line, by Python's own table."""
    return sum(
        0 if unicodedata.combining(c) or c == "\u200d" else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line
    )


def assert_harmless(text: str) -> None:
    """Nothing but line ends and the sequences of sluice itself."""
    rest = ESCAPE.sub("", text).replace("\r\n", "\n")
    bad = [c for c in rest if c != "\n" and (unicodedata.category(c) in ("Cc", "Cs") or c in "\u202e\u2066\u2069\u200f")]
    assert not bad, repr(rest)
    assert "owned" not in text or "\\x1b]0;owned\\x07" in text
    for sequence in ESCAPE.findall(text):
        assert re.fullmatch(r"\x1b\[(\d+m|H|K|J|\?1049[hl]|\?25[hl])", sequence), repr(sequence)


def show(sluice: Sluice, *arguments: str, columns: int = 80, **changes: str | None) -> str:
    code, text = Terminal(sluice, *arguments, columns=columns, **changes).end()
    assert code == 0, text
    assert_harmless(text)
    return text


@pytest.mark.parametrize("runs", [0, 100])
def test_lines_fit_the_terminal(sluice: Sluice, runs: int) -> None:
    make_state(sluice.state, runs)
    looks = LOOKS if runs else LOOKS[:3]
    for columns in (20, 37, 80, 300):
        for look in looks:
            lines = ESCAPE.sub("", show(sluice, *look, columns=columns)).replace("\r\n", "\n").split("\n")
            assert max(width_of(line) for line in lines) <= columns, (look, columns, lines)
    shown = ESCAPE.sub("", show(sluice, "queue", columns=80)) if runs else ""
    assert not runs or "xxxxxxx…" in shown


def test_nothing_is_cut_where_nobody_looks(sluice: Sluice) -> None:
    make_state(sluice.state, 20)
    wide = show(sluice, "queue", "--wide", columns=40)
    piped = sluice.run("queue", "--state", str(sluice.state), COLUMNS="40")
    assert piped.code == 0
    assert_harmless(piped.output)
    assert "\x1b" not in piped.output
    for text in (ESCAPE.sub("", wide), piped.output):
        assert "x" * 400 in text
        assert "\\x1b[2J\\x1b]0;owned\\x07" in text
        assert re.search(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)


def test_who_gets_colors(sluice: Sluice) -> None:
    make_state(sluice.state, 20)
    assert COLOR.search(show(sluice, "status"))
    for changes in ({"NO_COLOR": "1"}, {"TERM": "dumb"}, {"TERM": None}, {"CLICOLOR": "0"}):
        assert "\x1b" not in show(sluice, "status", **changes), changes
    assert "\x1b" not in show(sluice, "status", "--color=never")
    assert COLOR.search(show(sluice, "status", NO_COLOR=""))
    state = ("--state", str(sluice.state))
    assert COLOR.search(sluice.run("status", *state, "--color=always", NO_COLOR="1").output)
    assert COLOR.search(sluice.run("status", *state, CLICOLOR_FORCE="1", NO_COLOR=None).output)
    assert "\x1b" not in sluice.run("status", *state, CLICOLOR_FORCE="1", NO_COLOR="1").output


def test_a_terminal_without_utf8_gets_ascii(sluice: Sluice) -> None:
    make_state(sluice.state, 20)
    text = show(sluice, "queue", LANG="C")
    assert text.isascii()
    assert "xxxxxxx~" in text


def test_json_has_names_as_they_are(sluice: Sluice) -> None:
    make_state(sluice.state, 20)
    state = ("--state", str(sluice.state))
    rows = json.loads(sluice.run("queue", "--json", *state).output)
    assert [row["run_name"] for row in rows[: len(HOSTILE)]] == list(HOSTILE)
    assert list(rows[0]) == [
        "position", "run_name", "class", "state", "due_at", "waits_for", "tries", "next_try_at", "last_error", "flow",
        "deployment", "run_id",
    ]  # fmt: skip
    assert (rows[0]["position"], rows[0]["tries"], rows[0]["last_error"]) == (1, 0, None)
    assert [row["class"] for row in json.loads(sluice.run("queue", "--json", "--class", "etl", "--limit", "2", *state).output)] == [
        "etl", "etl",
    ]  # fmt: skip
    status = json.loads(sluice.run("status", "--json", *state).output)
    assert list(status) == [
        "service", "alerts", "held_by", "classes", "waits", "running", "limits", "breakers", "trouble", "timeouts",
        "parked", "not_taken",
    ]  # fmt: skip
    assert {(row["class"], row["waits_for"]): row["runs"] for row in status["waits"]}["etl", "backoff"] == 2
    told = json.loads(sluice.run("timeouts", "--json", "--limit", "3", *state).output)
    assert list(told) == ["since", "class", "stage", "clocks", "recent"]
    assert len(told["recent"]) == 3
    assert told["recent"][0]["error"] == HOSTILE[-1]


def test_many_runs(sluice: Sluice) -> None:
    make_state(sluice.state, 10000)
    assert "10000 queued, 0 starting, 1 running, 0 ending, 1 parked" in ESCAPE.sub("", show(sluice, "status", columns=100))
    lines = sluice.run("queue", "--state", str(sluice.state)).output.splitlines()
    assert len(lines) == 10001


def test_status_of_a_file_of_an_older_form(sluice: Sluice) -> None:
    with closing(sqlite3.connect(sluice.state)) as file:
        file.executescript((ROOT / "tests/data/state-form-2.sql").read_text())
    for look in LOOKS[:3]:
        assert sluice.run(*look, "--state", str(sluice.state)).code == 0


class Answerer:
    """Stands at the admin socket, and answers each request with one line; None: never; empty: goes away."""

    def __init__(self, path: Path, answer: bytes | None) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(os.fspath(path))
        self._socket.listen(4)
        self._answer = answer
        self.received = b""
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                client = self._socket.accept()[0]
            except OSError:
                return
            with client, contextlib.suppress(ConnectionError):
                self.received += client.recv(4096)
                client.sendall(self._answer or b"")
                while self._answer != b"" and (more := client.recv(4096)):  # until it goes
                    self.received += more

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


def test_status_says_what_the_service_does(sluice: Sluice) -> None:
    make_state(sluice.state, 0)

    def state_at(answer: bytes | None) -> str:
        path = Path(f"{sluice.state}.sock")
        answerer = Answerer(path, answer)
        try:
            told = json.loads(sluice.run("status", "--json", "--state", str(sluice.state)).output)
        finally:
            answerer.close()
            path.unlink()
        return told["service"]["state"]

    def progress(**fields: bool) -> bytes:
        return json.dumps({"ok": True, "progress": fields}).encode() + b"\n"

    assert state_at(progress(paused=False, draining=False, stopping=False)) == "running"
    assert state_at(progress(paused=True)) == "paused"
    assert state_at(progress(paused=True, draining=True)) == "draining"
    assert state_at(progress(stopping=True)) == "stopping"
    for odd in (None, b"", b"no JSON\n", b"[]\n", b'{"progress": 7}\n', b"x" * 100000):
        assert state_at(odd) == "silent", odd
    ended = sluice.run("queue", "--state", str(sluice.state))
    assert (ended.code, ended.output) == (0, "nothing waits\n")
    assert "no sluice serves this state file now" in ended.only_line()


def test_a_stopped_service_holds_nobody_up(sluice: Sluice) -> None:
    """It accepts nobody, and its backlog is full of those who asked before."""
    make_state(sluice.state, 0)
    path = f"{sluice.state}.sock"
    waiting: list[socket.socket] = []
    with socket.socket(socket.AF_UNIX) as service:
        service.bind(path)
        service.listen(0)
        while True:
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            waiting.append(client)
            try:
                client.connect(path)
            except BlockingIOError:
                break
        told = json.loads(sluice.run("status", "--json", "--state", str(sluice.state)).output)
        assert told["service"]["state"] == "silent"
        for client in waiting:
            client.close()


def test_what_the_service_says_is_harmless(sluice: Sluice) -> None:
    """It names runs."""
    make_state(sluice.state, 0)
    for ok, key, code in ((True, "said", 0), (False, "error", 1)):
        path = Path(f"{sluice.state}.sock")
        answerer = Answerer(path, json.dumps({"ok": ok, key: f"run 7 ({HOSTILE[0]}) and more words"}).encode() + b"\n")
        ended, text = Terminal(sluice, "retry", "7", columns=24).end()
        answerer.close()
        path.unlink()
        assert ended == code
        assert_harmless(text)
        assert max(width_of(line) for line in text.splitlines()) <= 24


def test_a_lock_without_a_socket_is_silence(sluice: Sluice) -> None:
    make_state(sluice.state, 0)
    with Path(f"{sluice.state}.lock").open("w") as lock:
        lock.write("(process 4711 since 2026-01-01T00:00:00.000Z)\n")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = json.loads(sluice.run("status", "--json", "--state", str(sluice.state)).output)
        assert (told["service"]["state"], told["service"]["pid"]) == ("silent", 4711)
        assert told["service"]["since"] == "2026-01-01T00:00:00.000Z"
    told = json.loads(sluice.run("status", "--json", "--state", str(sluice.state)).output)
    assert (told["service"]["state"], told["service"]["pid"]) == ("down", None)


def is_picture(text: str) -> bool:
    """A whole one has come: its end is cleared."""
    return text.endswith("\x1b[J")


def watch(sluice: Sluice, *arguments: str, **settings: Any) -> Terminal:
    terminal = Terminal(sluice, "status", "--watch", *arguments, **settings)
    terminal.read_until(is_picture)
    return terminal


def test_watch_draws_in_place(sluice: Sluice) -> None:
    make_state(sluice.state, 20)
    terminal = watch(sluice, "--interval", "0.1")
    assert terminal.text.startswith("\x1b[?1049h\x1b[?25l\x1b[H")
    assert "20 queued" in terminal.text
    with closing(sqlite3.connect(sluice.state)) as file:
        file.execute("DELETE FROM launches WHERE state = 'QUEUED' AND launch_key > 5")
        file.commit()
    terminal.read_until(lambda text: "5 queued" in text and is_picture(text))
    terminal.type(b"q")
    code, text = terminal.end()
    assert code == 0
    assert text.endswith("\x1b[?25h\x1b[?1049l")
    assert text.count("\x1b[?1049h") == 1
    assert_harmless(text)


def test_watch_follows_the_size_of_the_window(sluice: Sluice) -> None:
    make_state(sluice.state, 20)
    terminal = watch(sluice, "--interval", "1h", rows=12)
    first = ESCAPE.sub("", terminal.text).split("\r\n")
    assert len(first) == 12  # the last line stays empty
    assert re.fullmatch(r"and \d+ more lines", first[-2])
    terminal.resize(30, 8)
    second = ESCAPE.sub("", terminal.read_until(is_picture)).split("\r\n")
    assert len(second) == 8
    assert max(width_of(line) for line in second) <= 30
    terminal.type(b"q")
    assert terminal.end()[0] == 0


@pytest.mark.parametrize(
    ("how", "code"),
    [
        (lambda terminal: terminal.type(b"\x03"), 0),
        (lambda terminal: terminal.process.send_signal(signal.SIGINT), 0),
        (lambda terminal: terminal.process.send_signal(signal.SIGTERM), -signal.SIGTERM),
        (lambda terminal: terminal.process.send_signal(signal.SIGHUP), -signal.SIGHUP),
    ],
    ids=["ctrl-c", "int", "term", "hup"],
)
def test_watch_gives_the_terminal_back(sluice: Sluice, how: Callable[[Terminal], None], code: int) -> None:
    make_state(sluice.state, 20)
    terminal = watch(sluice, "--interval", "1h")
    how(terminal)
    ended, text = terminal.end()  # which compares the terminal's modes
    assert ended == code
    assert text.endswith("\x1b[?25h\x1b[?1049l")


def test_watch_stops_and_goes_on(sluice: Sluice) -> None:
    make_state(sluice.state, 20)
    terminal = watch(sluice, "--interval", "1h")
    terminal.type(b"\x1a")
    terminal.read_until(lambda text: text.endswith("\x1b[?1049l"))
    os.waitid(os.P_PID, terminal.process.pid, os.WSTOPPED)
    terminal.process.send_signal(signal.SIGCONT)
    assert "\x1b[?1049h" in terminal.read_until(is_picture)
    terminal.type(b"q")
    assert terminal.end()[0] == 0


def test_watch_says_what_is_wrong(sluice: Sluice) -> None:
    code, text = Terminal(sluice, "status", "--watch", columns=300).end()
    assert code == 1
    assert text.rstrip().endswith("or the pool and name it belongs to")
    make_state(sluice.state, 20)
    terminal = watch(sluice, "--interval", "0.1")
    away = sluice.state.rename(sluice.state.with_suffix(".away"))
    terminal.read_until(lambda text: "there is no state file" in text and is_picture(text))
    away.rename(sluice.state)
    terminal.read_until(lambda text: "20 queued" in text and is_picture(text))
    terminal.type(b"q")
    assert terminal.end()[0] == 0


def read_pictures(sluice: Sluice, *arguments: str) -> list[str]:
    """Three lines that begin as the first did, of a watch into a pipe, which then closes."""
    command = [sluice.binary, "status", "--watch", "--interval", "0.1", "--state", str(sluice.state), *arguments]
    with subprocess.Popen(command, env=sluice.environment(), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while sum(line[:11] == lines[0][:11] for line in lines) < 3:
            lines.append(process.stdout.readline())
        process.stdout.close()
        process.wait(DEADLINE_S)
    return lines


def test_watch_without_a_terminal(sluice: Sluice) -> None:
    make_state(sluice.state, 20)
    assert "\x1b" not in "".join(read_pictures(sluice))
    for line in read_pictures(sluice, "--json"):
        assert json.loads(line)["service"]["state"] == "down"
    terminal = Terminal(sluice, "status", "--interval", "0.1", TERM="dumb")
    terminal.read_until(lambda text: text.count("20 queued") >= 3)
    terminal.type(b"\x03")
    code, text = terminal.end()
    assert code == 0
    assert "\x1b" not in text


def test_stdout_that_takes_nothing(sluice: Sluice) -> None:
    make_state(sluice.state, 2000)
    before = sluice.state.read_bytes()

    def run(redirect: str, command: list[Any]) -> subprocess.CompletedProcess[str]:
        script = " ".join(f"'{word}'" for word in command) + redirect
        return subprocess.run(["bash", "-c", script], env=sluice.environment(), capture_output=True, text=True, check=False)

    for look in (*LOOKS, ("--help",)):
        command = [sluice.binary, *look, *(() if look == ("--help",) else ("--state", str(sluice.state)))]
        full = run(">/dev/full", command)
        assert full.returncode == 1
        assert f"stdout can't be written: {os.strerror(errno.ENOSPC)}" in full.stderr
        closed = run(">&-", command)
        assert closed.returncode == 1
        assert f"stdout can't be written: {os.strerror(errno.EBADF)}" in closed.stderr
    answerer = Answerer(Path(f"{sluice.state}.sock"), b'{"ok": true, "said": "paused"}\n')
    command = [sluice.binary, "pause", "--state", str(sluice.state)]
    assert run(">&-", command).returncode == 1
    answerer.close()
    assert answerer.received == b'{"command":"pause"}\n'  # and not what was meant for stdout
    queue = f"{sluice.binary} queue --state {sluice.state}"
    for trap, code in (("", 128 + signal.SIGPIPE), ("trap '' PIPE; ", 1)):
        script = f"{trap}set -o pipefail; {queue} 2>errors | head -n 1"
        ended = subprocess.run(["bash", "-c", script], env=sluice.environment(), cwd=sluice.directory, capture_output=True, check=False)
        assert ended.returncode == code
        assert "can't be written" not in (sluice.directory / "errors").read_text()
    assert sluice.state.read_bytes() == before


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*map(keys_of, value.values()))
    return set().union(*map(keys_of, value)) if isinstance(value, list) else set()


def test_each_key_is_documented(sluice: Sluice) -> None:
    """In the part of docs/commands.md about its command."""
    make_state(sluice.state, 20)
    with closing(sqlite3.connect(sluice.state)) as file:
        file.execute("INSERT INTO hold_rows VALUES ('paused', 'claim', 'paused', 1, 0)")
        file.execute("INSERT INTO loss_rows VALUES ('events', 3, 1)")
        file.execute("INSERT INTO limit_rows (class_name, kind, limit_value, burst) VALUES ('', 'running', 7, 0)")
        file.execute("INSERT INTO learned_rows VALUES ('breaker:engine', '', 'breaker', 1, 'engine: open', '', 0)")
        file.execute("INSERT INTO alert_rows VALUES ('timeout_burn', 'page', 'firing', '', 1, 1, 'many', '', 0)")
        file.commit()
    parts = re.split(r"^## sluice (\w+)$", (ROOT / "docs/commands.md").read_text(), flags=re.MULTILINE)
    documented = {command: set(re.findall(r"`(\w+)`", text)) for command, text in zip(parts[1::2], parts[2::2], strict=True)}
    for look in LOOKS:
        ended = sluice.run(*look, "--json", "--state", str(sluice.state))
        if look[0] == "why":
            ended = sluice.run("why", "run-12", "--json", "--state", str(sluice.state))
        told = json.loads(ended.output)
        assert look[0] != "status" or all(told.values()), told
        assert keys_of(told) <= documented[look[0]], look
