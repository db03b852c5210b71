"""What is wrong before the work begins: command line, settings, state file; and what the commands that look say.

No number of the acceptance list: these hold the section "Bad input" of what sluice promises. Exit codes: 1 where `start`
or a look at a file fails, 2 for wrong use of the other commands.
"""

import json
import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from support.command import Ended, Sluice
from support.waiting import wait_until

pytestmark = pytest.mark.beyond_official("is about what sluice alone says")

KEY = "key-that-nobody-may-see"
LOGIN = "login:that-nobody-may-see"
HEADER = "header-that-nobody-may-see"


@pytest.fixture
def sluice(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Sluice]:
    sluice = Sluice(Path(request.config.getoption("--sluice")).resolve(), tmp_path)
    yield sluice
    sluice.close()


def assert_says(ended: Ended, code: int, *parts: str) -> None:
    """One line on stderr that holds these parts, nothing on stdout, and this exit code."""
    line = ended.only_line()
    for part in parts:
        assert part in line, f"{part!r} is not in {line!r}"
    assert ended.output == ""
    assert ended.code == code


# Settings


URL = "a URL such as http://127.0.0.1:4200/api"
ENGINE = "unix:///PATH or tcp://HOST:PORT"
SECONDS = "a number of seconds above 0"
HEADERS = "a JSON object of texts"
TEMPLATE = "a file with one JSON object"

BAD_SETTINGS: list[tuple[str, str | None, tuple[str, ...]]] = [
    ("PREFECT_API_URL", None, ("no Prefect server was given", "set PREFECT_API_URL")),
    ("PREFECT_API_URL", "", ("no Prefect server was given", "set PREFECT_API_URL")),
    ("PREFECT_API_URL", "nonsense", ('"nonsense" does not begin with http', URL)),
    ("PREFECT_API_URL", "ftp://a/api", ('"ftp://a/api" does not begin with http', URL)),
    ("PREFECT_API_URL", "http://", ("has no host", URL)),
    ("PREFECT_API_URL", "http://a:99999/api", ("has a bad port", URL)),
    ("PREFECT_API_URL", "http://a b/api", ("holds a character that no URL has", URL)),
    ("PREFECT_API_URL", "http://a/api?b=c", ("has a query or fragment", URL)),
    ("PREFECT_API_URL", "http://me:hunter2@a/api", ("holds a login", "PREFECT_API_AUTH_STRING")),
    ("DOCKER_CLIENT_TIMEOUT", "", ("is empty", SECONDS)),
    ("DOCKER_CLIENT_TIMEOUT", "abc", ('"abc" is not a number', SECONDS)),
    ("DOCKER_CLIENT_TIMEOUT", "0", ('"0" is too small', SECONDS)),
    ("DOCKER_CLIENT_TIMEOUT", "-1", ('"-1" is too small', SECONDS)),
    ("DOCKER_CLIENT_TIMEOUT", "nan", ('"nan" is not a number', SECONDS)),
    ("DOCKER_HOST", "nonsense", ("has no port", ENGINE)),
    ("DOCKER_HOST", "unix://", ("has no path", ENGINE)),
    ("DOCKER_HOST", "tcp://a:0", ("has a bad port", ENGINE)),
    ("DOCKER_HOST", "npipe:////a", ("is not an address of an engine", ENGINE)),
    ("DOCKER_HOST", "ssh://a", ("is not supported", ENGINE)),
    ("DOCKER_HOST", "tcp://me:hunter2@a:1", ("holds a login", ENGINE)),
    ("DOCKER_API_VERSION", "new", ("is not a version",)),
    ("PREFECT_CLIENT_CUSTOM_HEADERS", "hunter2", ("is not a JSON object", HEADERS)),
    ("PREFECT_CLIENT_CUSTOM_HEADERS", '["hunter2"]', ("is not a JSON object", HEADERS)),
    ("PREFECT_CLIENT_CUSTOM_HEADERS", '{"a": "hunter2"', ("is not a JSON object", HEADERS)),
    ("PREFECT_CLIENT_CUSTOM_HEADERS", '{"a": 1}', ('"a" is not a header', HEADERS)),
    ("PREFECT_CLIENT_CUSTOM_HEADERS", '{"a b": "hunter2"}', ('"a b" is not a header', HEADERS)),
    ("PREFECT_CLIENT_CUSTOM_HEADERS", '{"a": "hunter2\\nb: c"}', ('"a" is not a header', HEADERS)),
    ("PREFECT_WORKER_QUERY_SECONDS", "often", ('"often" is not a number of seconds',)),
    ("PREFECT_API_REQUEST_TIMEOUT", "0", ('"0" is too small', SECONDS)),
    ("PREFECT_WORKER_WEBSERVER_PORT", "99999", ('"99999" is too large', "from 1 to 65535")),
    ("PREFECT_API_SSL_CERT_FILE", "/no/such/file", ('"/no/such/file" can\'t be read',)),
]


@pytest.mark.parametrize(("name", "value", "parts"), BAD_SETTINGS, ids=[f"{n}={v}" for n, v, _ in BAD_SETTINGS])
def test_a_bad_setting_ends_the_start(sluice: Sluice, name: str, value: str | None, parts: tuple[str, ...]) -> None:
    ended = sluice.start("--pool", "p", **{name: value})
    assert_says(ended, 1, name, *parts)
    assert "hunter2" not in ended.error
    assert sluice.was_silent()
    assert not sluice.state.parent.exists()


BAD_OPTIONS: list[tuple[tuple[str, ...], tuple[str, ...]]] = [
    ((), ("no work pool was given", "--pool NAME", "[prefect]")),
    (("--pool", "a/b"), ("--pool", '"a/b" holds / or %', "a name without / and %")),
    (("--pool", "p", "--name", "a%b"), ("--name", '"a%b" holds / or %', "a name without / and %")),
    (("--pool", "p", "--no-such-option"), ("--no-such-option: unknown option", "sluice start --help")),
    (("--pool", "p", "--limmit=3"), ("--limmit: unknown option", "did you mean --limit?")),
    (("--pool", "p", "-z"), ("-z: unknown option", "sluice start --help")),
    (("--pool", "p", "more"), ('"more": unexpected', "sluice start --help")),
    (("--pool", "p", "--limit"), ("--limit: a value is missing",)),
    (("--pool", "p", "--limit", "0"), ("--limit", '"0" is too small', "a whole number from 1")),
    (("--pool", "p", "--limit", "many"), ("--limit", '"many" is not a whole number', "a whole number from 1")),
    (("--pool", "p", "--run-once=yes"), ("--run-once=yes: this option takes no value",)),
    (("--pool", "p", "--type", "process"), ("--type", '"process" is not known', "docker")),
    (("--pool", "p", "--install-policy", "now"), ("--install-policy", '"now" is not known', "always")),
    (("--pool", "p", "--profile", "none"), ("--profile", "none", "profiles.toml")),
    (("--pool", "p", "--config", "none.conf"), ("none.conf", "no such file")),
    (("--pool", "p", "--config", "."), ("configuration: .", "Is a directory")),
    (("--pool", "p", "--base-job-template", "none.json"), ("--base-job-template", "none.json", "No such file")),
    (("--pool", "p", "--base-job-template", "."), ("--base-job-template", "Is a directory", TEMPLATE)),
    (("--pool", "p", "--base-job-template", "empty"), ("--base-job-template", "not valid JSON", TEMPLATE)),
    (("--pool", "p", "--base-job-template", "cut"), ("--base-job-template", "early end at byte 6", TEMPLATE)),
    (("--pool", "p", "--base-job-template", "html"), ("--base-job-template", "not valid JSON", TEMPLATE)),
    (("--pool", "p", "--base-job-template", "list"), ("--base-job-template", "not a JSON object", TEMPLATE)),
]


@pytest.mark.parametrize(("options", "parts"), BAD_OPTIONS, ids=[" ".join(o[0][-2:]) or "none" for o in BAD_OPTIONS])
def test_a_bad_option_ends_the_start(sluice: Sluice, options: tuple[str, ...], parts: tuple[str, ...]) -> None:
    for name, text in (("empty", ""), ("cut", '{"a": '), ("html", "<html></html>"), ("list", "[]")):
        sluice.write(name, text)
    assert_says(sluice.start(*options), 1, *parts)
    assert sluice.was_silent()
    assert not sluice.state.parent.exists()


def test_health_port_in_use_ends_the_start(sluice: Sluice) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        where = {"PREFECT_WORKER_WEBSERVER_HOST": "127.0.0.1", "PREFECT_WORKER_WEBSERVER_PORT": port}
        ended = sluice.start("--pool", "p", "--with-healthcheck", **where)
    assert_says(ended, 1, f"127.0.0.1:{port}", "PREFECT_WORKER_WEBSERVER", "Address already in use")
    assert sluice.was_silent()
    assert not sluice.state.parent.exists()


GOOD_FILE = "[prefect]\npool = p\n[limits]\nrunning = 5\n[class night]\nmatch_tag = night\nrunning = 2\n"
BAD_FILE = "[limits]\nruning = 5\npulls = -1\n[nonsense]\na = b\n[class night]\nrunning = 2\n"
MISTAKES = (
    'c.conf:2: [limits] runing: unknown key; did you mean "running"?',
    'c.conf:3: [limits] pulls: "-1" is too small',
    "c.conf:4:",
    "c.conf:6: [class night]: no rule",
)


def test_every_mistake_of_a_file_is_told_with_its_line(sluice: Sluice) -> None:
    sluice.write("c.conf", BAD_FILE)
    for command in (("check", "c.conf"), ("config", "c.conf"), ("queue", "--config", "c.conf")):
        ended = sluice.run(*command)
        assert ended.code == 1
        for mistake in MISTAKES:
            assert [line for line in ended.error.splitlines() if line.startswith(mistake)], f"{mistake}: {ended.error}"
        assert len(ended.error.splitlines()) == len(MISTAKES)
    ended = sluice.start("--pool", "p", "--config", "c.conf", DOCKER_CLIENT_TIMEOUT="never")
    assert ended.code == 1
    assert len(ended.error.splitlines()) == len(MISTAKES) + 1
    assert sluice.was_silent()
    assert not sluice.state.parent.exists()


# Commands that look


def test_check(sluice: Sluice) -> None:
    sluice.write("c.conf", GOOD_FILE)
    sluice.write("cut.json", "{")
    ended = sluice.run("check", "c.conf")
    assert (ended.code, ended.output, ended.error) == (0, "c.conf: fine\n", "")
    assert_says(sluice.run("check", "c.conf", PREFECT_CLIENT_CUSTOM_HEADERS="{"), 1, "PREFECT_CLIENT_CUSTOM_HEADERS", HEADERS)
    assert_says(sluice.run("check", "--base-job-template", "cut.json"), 1, "--base-job-template", TEMPLATE)
    assert_says(sluice.run("check", "none.conf"), 1, "none.conf", "no such file")
    # What start can't do without may stand elsewhere.
    sluice.write("empty.conf", "")
    assert sluice.run("check", "empty.conf").code == 0
    for size, what in ((2 * 1024 * 1024, "#"), (300, "a")):
        sluice.write("large.conf", what * size)
        assert sluice.run("check", "large.conf").code == 1
    sluice.write("bytes.conf", b"[prefect]\npool = \xff\xfe\x00\n")
    ended = sluice.run("check", "bytes.conf")
    assert ended.code == 1
    assert ended.error.startswith("bytes.conf:2: ")
    assert sluice.was_silent()


def test_config_shows_values_with_their_origin_and_no_secret(sluice: Sluice) -> None:
    sluice.write("c.conf", GOOD_FILE)
    secrets = {
        "PREFECT_API_KEY": KEY,
        "PREFECT_API_AUTH_STRING": LOGIN,
        "PREFECT_CLIENT_CUSTOM_HEADERS": json.dumps({"X-Secret": HEADER}),
    }
    for options in (("--json",), ()):
        ended = sluice.run("config", "c.conf", *options, DOCKER_CLIENT_TIMEOUT="7", **secrets)
        assert (ended.code, ended.error) == (0, "")
        for secret in (KEY, LOGIN, HEADER):
            assert secret not in ended.output
    ended = sluice.run("config", "c.conf", "--json", DOCKER_CLIENT_TIMEOUT="7", **secrets)
    found = {row["key"]: (row["value"], row["from"]) for row in json.loads(ended.output)["settings"]}
    assert found["prefect.pool"] == ("p", "c.conf:2")
    assert found["limits.running"] == ("5", "c.conf:4")
    assert found["class night.running"] == ("2", "c.conf:7")
    assert found["timeouts.create"] == ("7s", "DOCKER_CLIENT_TIMEOUT")
    assert found["environment.api_key"] == ("(set)", "PREFECT_API_KEY")
    assert found["environment.auth_string"] == ("(set)", "PREFECT_API_AUTH_STRING")
    assert found["environment.custom_headers"] == ("(set)", "PREFECT_CLIENT_CUSTOM_HEADERS")
    assert sluice.was_silent()
    assert not sluice.state.parent.exists()


def test_explain(sluice: Sluice) -> None:
    ended = sluice.run("explain", "--json", "--stage", "pull", "--message", "toomanyrequests: slow down")
    told = json.loads(ended.output)
    assert (ended.code, ended.error) == (0, "")
    assert (told["class"], told["retry"]) == ("throttled", True)
    assert [delay["attempt"] for delay in told["delays_ms"]] == [2, 3, 4, 5, 6]
    asked = sluice.run("explain", "--stage", "pull", "--status", "429", "--header", "Retry-After: 90")
    assert all(90000 <= delay["low"] <= delay["high"] <= 108000 for delay in json.loads(asked.output)["delays_ms"])
    told = json.loads(sluice.run("explain", "--json", "--stage", "create", "--status", "400").output)
    assert told["retry"] is False
    told = json.loads(sluice.run("explain", "--json", "--transport", "ECONNREFUSED on tcp").output)
    assert told["out_of_reach"] is True
    assert_says(sluice.run("explain", "--stage", "nap"), 2, "--stage", '"nap" is not known', "pull", "create")
    assert_says(sluice.run("explain", "--transport", "owl"), 2, "--transport", '"owl" is not known', "DNS failure")
    assert_says(sluice.run("explain", "--dependency", "moon"), 2, "--dependency", '"moon" is not known', "registry")
    assert_says(sluice.run("explain", "--status", "bad"), 2, "--status", '"bad" is not a status')


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ((), ("a command is missing", "sluice --help")),
        (("begin",), ('"begin": unknown command', "sluice --help")),
        (("statu",), ('"statu": unknown command', "did you mean status?")),
        (("check", "--no-such-option"), ("--no-such-option: unknown option", "sluice check --help")),
        (("check", "a", "b"), ('"b": unexpected', "sluice check --help")),
        (("config", "--limit", "0"), ("--limit", '"0" is too small')),
        (("queue", "--with-healthcheck"), ("--with-healthcheck: unknown option", "sluice queue --help")),
        (("queue", "--limit", "many"), ("--limit", "\"many\" can't be used")),
        (("queue", "more"), ('"more": unexpected', "sluice queue --help")),
        (("queue",), ("which worker?", "--pool", "--state FILE")),
        (("status",), ("which worker?", "--pool", "--state FILE")),
        (("status", "--json=1"), ("--json=1: this option takes no value",)),
        (("explain", "--stage"), ("--stage: a value is missing",)),
    ],
)
def test_wrong_use_of_a_command(sluice: Sluice, arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    assert_says(sluice.run(*arguments), 2, *parts)
    assert sluice.was_silent()


def test_help_and_version(sluice: Sluice) -> None:
    ended = sluice.run("--version")
    assert (ended.code, ended.error) == (0, "")
    assert re.fullmatch(r"sluice \d+\.\d+\.\d+\n", ended.output)
    ended = sluice.run("--help")
    assert (ended.code, ended.error) == (0, "")
    commands = re.findall(r"^  ([a-z]+) ", ended.output, re.MULTILINE)
    assert commands == [
        "start", "check", "config", "queue", "status", "why", "timeouts", "pause", "resume", "drain", "retry", "discard", "backup", "compact", "explain", "tune",
    ]  # fmt: skip
    for command in commands:
        ended = sluice.run(command, "--help")
        assert (ended.code, ended.error) == (0, "")
        assert ended.output.startswith(f"usage: sluice {command} [OPTIONS]")
        assert "--help" in ended.output


def test_every_option_of_the_official_worker_is_taken(sluice: Sluice) -> None:
    command = [sys.executable, "-m", "prefect", "worker", "start", "--help"]
    environment = sluice.environment(COLUMNS="250", TERM="dumb")
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    options = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", shown)) - {"--help", "-h"}
    assert {"--pool", "-p", "--limit", "--with-healthcheck", "--no-create-pool-if-not-found"} <= options
    sluice.write("t.json", "{}")
    (sluice.directory / "home").mkdir(exist_ok=True)
    sluice.write("home/profiles.toml", "[profiles.a]\n")
    names = dict.fromkeys(("--name", "-n", "--pool", "-p", "--work-queue", "-q", "--profile"), "a")
    values = {**names, **dict.fromkeys(("--type", "-t"), "docker"), **dict.fromkeys(("--limit", "-l"), "1")}
    values |= {"--prefetch-seconds": "5", "--install-policy": "if-not-present", "--base-job-template": "t.json"}
    for option in sorted(options):
        value = [values[option]] if option in values else []
        ended = sluice.run("start", option, *value, "--help")
        assert (ended.code, ended.error) == (0, ""), f"{option}: {ended.error}"
        assert ended.output.startswith("usage: sluice start")


def test_profile_is_taken_from_the_option(sluice: Sluice) -> None:
    (sluice.directory / "home").mkdir()
    sluice.write(
        "home/profiles.toml",
        'active = "a"\n[profiles.a]\nPREFECT_WORKER_QUERY_SECONDS = "11"\n'
        '[profiles.b]\nPREFECT_WORKER_QUERY_SECONDS = "12"\n[profiles.c]\nPREFECT_WORKER_QUERY_SECONDS = "13"\n',
    )
    for options, value in (((), "12s"), (("--profile", "c"), "13s")):
        ended = sluice.run("config", "--json", *options, PREFECT_PROFILE="b")
        found = {row["key"]: row["value"] for row in json.loads(ended.output)["settings"]}
        assert found["prefect.poll_interval"] == value
    assert_says(sluice.run("check", "--profile", "d"), 1, 'no profile "d"', "--profile")


# State files


@pytest.fixture
def state_file(sluice: Sluice) -> Path:
    """A state file as a worker leaves it, that never reached anybody."""
    sluice.state.parent.mkdir()
    arguments = [sluice.binary, "start", "--pool", "p", "--state", sluice.state]
    log = sluice.directory / "first.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(arguments, env=sluice.environment(), cwd=sluice.directory, stderr=stderr)
        wait_until(lambda: "state file open" in log.read_text(), "the state file")
        process.terminate()
        assert process.wait(20) == 0
    wait_until(sluice.was_silent, "the calls of the first start to be taken")
    return sluice.state


def test_state_file_or_name_of_another_sluice_that_runs(sluice: Sluice) -> None:
    log = sluice.directory / "first.log"
    locks = str(sluice.directory / "locks")
    arguments = [sluice.binary, "start", "--pool", "p", "--state", sluice.state]
    environment = sluice.environment(RUNTIME_DIRECTORY=locks)
    with log.open("wb") as stderr:
        first = subprocess.Popen(arguments, env=environment, cwd=sluice.directory, stderr=stderr)
    try:
        wait_until(lambda: "state file open" in log.read_text(), "the state file")
        before = sluice.files(sluice.state.parent)
        ended = sluice.start("--pool", "p", "--name", "other", RUNTIME_DIRECTORY=locks)
        assert_says(ended, 1, f"process {first.pid}", str(sluice.state), "--name", "stop the other")
        assert sluice.files(sluice.state.parent) == before
        # With a state file of its own it would still be the same worker, and take the other's containers for strays.
        elsewhere = sluice.directory / "elsewhere.db"
        ended = sluice.run("start", "--pool", "p", "--state", str(elsewhere), RUNTIME_DIRECTORY=locks)
        assert_says(ended, 1, f"process {first.pid}", 'the work pool "p"', "--name", "stop the other")
        assert not elsewhere.exists()
        assert first.poll() is None
        # People may look all the while.
        ended = sluice.run("queue", "--state", str(sluice.state), "--json")
        assert (ended.code, json.loads(ended.output)) == (0, [])
        ended = sluice.run("status", "--state", str(sluice.state), "--json")
        told = json.loads(ended.output)
        assert (ended.code, told["classes"]) == (0, [])
        assert (told["service"]["state"], told["service"]["pid"]) == ("running", first.pid)
        assert ("default", "running") in {(row["class"], row["kind"]) for row in told["limits"]}
        ended = sluice.run("status", "--state", str(sluice.state))
        assert re.match(r"running( for \S+)? \(process \d+\); \S+\nnothing waits, nothing runs\n\nlimits\nCLASS ", ended.output)
    finally:
        first.terminate()
        assert first.wait(20) == 0


def make_newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        connection.execute(f"PRAGMA user_version = {version + 1}")
        connection.commit()


def make_foreign(path: Path) -> None:
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE somebody_elses (a)")
        connection.commit()


def make_damaged(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:8192] + b"\xaa" * (len(content) - 8192))


BAD_STATES: list[tuple[str, Callable[[Path], Any], str, str]] = [
    ("newer", make_newer, "made by a newer sluice", "use that version, or name another file with --state"),
    ("foreign", make_foreign, "another program's database", "name another file with --state"),
    ("text", lambda p: p.write_text("Dear diary, " * 20), "is not a", "--state"),
    ("stump", lambda p: os.truncate(p, 50), "", "--state"),
]


@pytest.mark.parametrize(("spoil", "what", "way_out"), [b[1:] for b in BAD_STATES], ids=[b[0] for b in BAD_STATES])
def test_bad_state_file_is_refused_and_left_as_it_is(
    sluice: Sluice, state_file: Path, spoil: Callable[[Path], Any], what: str, way_out: str
) -> None:
    spoil(state_file)
    before = state_file.read_bytes()
    assert_says(sluice.start("--pool", "p"), 1, str(state_file), what, way_out)
    for command in ("queue", "status"):
        ended = sluice.run(command, "--state", str(state_file))
        assert ended.code == 1
        assert str(state_file) in ended.only_line()
    assert state_file.read_bytes() == before
    assert sluice.was_silent()


@pytest.mark.parametrize("spoil", [lambda p: os.truncate(p, 5000), make_damaged], ids=["cut", "damaged"])
def test_damaged_state_file_is_set_aside(sluice: Sluice, state_file: Path, spoil: Callable[[Path], Any]) -> None:
    spoil(state_file)
    before = state_file.read_bytes()
    for command in ("queue", "status"):
        ended = sluice.run(command, "--state", str(state_file))
        assert ended.code == 1
        assert str(state_file) in ended.only_line()
    assert state_file.read_bytes() == before
    log = sluice.directory / "anew.log"
    arguments = [sluice.binary, "start", "--pool", "p", "--state", state_file]
    with log.open("wb") as stderr:
        process = subprocess.Popen(arguments, env=sluice.environment(), cwd=sluice.directory, stderr=stderr)
        wait_until(lambda: "state file open" in log.read_text(), "the state file")
        process.terminate()
        assert process.wait(20) == 0
    (aside,) = [p for p in state_file.parent.glob("*.corrupt-*") if p.name.endswith("Z")]
    assert aside.read_bytes() == before
    (line,) = [line for line in log.read_text().splitlines() if "level=error" in line]
    assert str(aside) in line
    assert "adopted by their label" in line
    assert sluice.run("queue", "--state", str(state_file)).code == 0


@pytest.mark.parametrize("path", [".", "/dev/null", "/proc/none/w.db", "c.conf/w.db"])
def test_state_file_where_none_can_be(sluice: Sluice, path: str) -> None:
    sluice.write("c.conf", GOOD_FILE)
    before = sluice.files(sluice.directory)
    ended = sluice.run("start", "--pool", "p", "--state", path)
    assert_says(ended, 1, "state file", path.removesuffix("/w.db"), "--state")
    assert sluice.files(sluice.directory) == before
    assert sluice.was_silent()


def test_looks_need_a_state_file_and_make_none(sluice: Sluice) -> None:
    for command in ("queue", "status"):
        ended = sluice.run(command, "--state", str(sluice.state))
        assert_says(ended, 1, str(sluice.state), "there is no state file", "--state")
    assert not sluice.state.parent.exists()
