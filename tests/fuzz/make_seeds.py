#!/usr/bin/env python3
"""Writes inputs to begin with, one folder a fuzz target: from the cases and errors of tests/data, and by hand.

What is kept in corpus/ came from these and from days of fuzzing: `scripts/fuzz --keep` puts both through -merge=1.
Usage: make_seeds.py FOLDER
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CASE_BYTES_MAX = 3000
IDS = ["9cbc73f1-52d4-41c9-8e06-1c2c934f169e", "62069e31-5965-4bb9-9f78-50f6d26eff79"]
HEX = "0123456789abcdef" * 4


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def cases() -> list[dict[str, Any]]:
    text = (ROOT / "tests/data/jobspec-cases.json").read_text()
    return [case["input"] for case in json.loads(text)["cases"]]


def error_texts() -> Iterator[tuple[str, str]]:
    for name in ("error-corpus.tsv", "error-corpus-held-out.tsv"):
        for line in (ROOT / "tests/data" / name).read_text().splitlines():
            fields = line.split("\t")
            if len(fields) > 7 and not line.startswith("#"):
                yield fields[0], fields[7]


def template() -> Iterator[str]:
    """The lines that fuzz_template.c names at its head."""
    for case in cases():
        objects = [case.get(key) for key in ("template", "deployment_variables", "run_variables")]
        lines = ["" if value is None else compact(value) for value in objects]
        run = case.get("flow_run_json")
        lines += [case.get("flow_run_name", "heron"), "" if run is None else compact(run)]
        lines += [case.get(key, "") for key in ("deployment_updated", "api_url", "engine_api_version")]
        text = "\n".join(lines)
        if len(text) <= CASE_BYTES_MAX:
            yield text


IMAGES = """a a:1 a/b a/b:1 ghcr.io/a/b:1 localhost/a localhost:5000/a 127.0.0.1:5000/a:tag index.docker.io/a docker.io/library/a:1
a@sha256:0123 a:1@sha256:0123 h.example:5000/a/b@sha256:ff a: :1 /a @ a/ A_b/c:D-e. [::1]:5000/a:2""".split()
VOLUMES = ["/a", "/a:/b", "/a:/b:ro", "/a:/b:ro,z", "data:/var/data:rw", ".:/x", "..:/x", "./a/../b:/x", "../../../..:/x", ".\\a:/x"]
VOLUMES += ["C:\\a:/b", "C:\\a:/b:ro", "\\\\server\\share:/b", "b:/b", " /a:/b ", "$(pwd):/x", "~/a:/b", "a:b:c:d", "::", "/a:b", "/a:/b:nocopy,cached"]
NAMES = ["größe naïve Ærø ©", "Привет мир", "日本語 run", "&#233;&lt;c&gt;&#x1F600;", "1,000,000 rows", "it's don’t", "tail-_.-", "{{ a.b[0] }}"]
NAMES += ["x" * 300, "\u200b", "__--..", "{{ $HOME }}{{prefect.variables.x}}", "&amp;amp;", "a\\'b"]
COMMANDS = ["prefect flow-run execute", "sh -c 'echo \"$A\" && exit 1'", 'a "b \\" c" d\\ e', "''", '""', "'", "a\\", "a'b'\"c\"\\d", "\t\r\n"]
SIZES = ["512m", "1g", "12 m", "1e7", "1_000k", "7000000.9", "1.999m", "-1", "12mib", "9223372036854775807", "1e308", "0x10", ".5g", "+1b"]
HOSTS = ["unix:///var/run/docker.sock", "unix://a", "tcp://h:1", "tcp://:1", "http://h:80", "https://h:443", "h:2375", "npipe:////a", "ssh://a@b:22"]
HOSTS += ["fd://", "tcp://me:pw@h:1", "tcp://[::1]:2375", "tcp://h:1/p", "tcp://h:1?q#f"]
TIMES = ["2026-11-23T02:14:43.797123Z", "2026-11-23 02:14:43+02:00", "2026-02-29T24:60:60", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999-23:59"]
TIMES += ["Mon, 23 Nov 2026 02:14:43 GMT", "120", "1.5", "-5"]
GLOBS = ["etl-*", "a?[b-d][!e]\\*", "[", "ghcr.io 4", "*.example 0.5"]


def texts() -> Iterator[str]:
    yield from (*IMAGES, *VOLUMES, *NAMES, *COMMANDS, *SIZES, *HOSTS, *TIMES, *GLOBS)
    for case in cases():
        for variables in (case.get("deployment_variables"), case.get("run_variables")):
            for key in ("image", "command", "name", "mem_limit"):
                if isinstance((variables or {}).get(key), str):
                    yield variables[key]
            volumes = (variables or {}).get("volumes")
            yield from (v for v in (volumes if isinstance(volumes, list) else []) if isinstance(v, str))


CONTAINER = {
    "Id": HEX,
    "Name": "/heron",
    "Created": "2026-11-23T02:14:43.79712345Z",
    "State": {"Status": "exited", "ExitCode": 137, "OOMKilled": True, "Error": "", "StartedAt": "2026-11-23T02:14:44Z", "FinishedAt": "0001-01-01T00:00:00Z"},
    "Config": {"Image": "a:1", "Tty": False, "Labels": {"io.sluice.launch": "l", "io.prefect.flow-run-id": IDS[0]}},
}
LISTED = {"Id": HEX, "Names": ["/heron"], "Image": "a:1", "State": "running", "Created": 1700000000, "Labels": {"io.sluice.launch": "l"}}
EVENT = {"Type": "container", "Action": "die", "Actor": {"ID": HEX, "Attributes": {"exitCode": "1", "io.sluice.launch": "l"}}, "timeNano": 1700000000000000000}
PULL = [
    {"status": "Pulling from a", "id": "1"},
    {"status": "Downloading", "progressDetail": {"current": 5, "total": 9}, "id": "aa"},
    {"status": "Download complete", "progressDetail": {}, "id": "aa"},
    {"errorDetail": {"message": "manifest unknown"}, "error": "manifest unknown"},
    {"status": "Status: Downloaded newer image for a:1"},
]
# As in fuzz_engine.c.
CREATE, INSPECT, LIST, IMAGE, IMAGE_LIST, WAIT, LINES, FRAMES, PULLED, BUILT, ERRORS = range(11)


def frame(stream: int, data: bytes) -> bytes:
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def engine() -> Iterator[bytes]:
    def of(kind: int, body: Any, piece: int = 7) -> bytes:
        return bytes([kind, piece]) + (body if isinstance(body, bytes) else compact(body).encode())

    yield of(CREATE, {"Id": HEX, "Warnings": ["no swap", ""]})
    yield of(CREATE, {"Id": HEX, "Warnings": None})
    for status in ("created", "running", "exited", "dead", "removing", "stopping", "paused", "nonsense"):
        yield of(INSPECT, {**CONTAINER, "State": {**CONTAINER["State"], "Status": status}})
        yield of(LIST, [{**LISTED, "State": status}, LISTED])
    yield of(LIST, [])
    yield of(IMAGE, {"Id": f"sha256:{HEX}", "RepoDigests": [f"a@sha256:{HEX}"]})
    yield of(IMAGE_LIST, [{"Id": f"sha256:{HEX}"}])
    yield of(WAIT, {"StatusCode": 3})
    yield of(WAIT, {"StatusCode": 0, "Error": {"Message": "gone"}})
    events = [EVENT, {**EVENT, "Action": "remove"}, {"Type": "image", "Action": "delete", "Actor": {"ID": "a:1"}, "time": 5}]
    yield of(LINES, "\n".join(compact(event) for event in events).encode() + b"\n")
    yield of(LINES, b"a\r\n\r\n" + b"x" * 200 + b"\nend")
    frames = frame(1, b"out\n") + frame(2, b"err") + frame(0, b"") + frame(3, b"\xff\x00")
    yield of(FRAMES, frames)
    yield of(FRAMES, frames[:-1])
    yield of(FRAMES, frame(1, b"a") + b"\x04\0\0\0\0\0\0\0")
    yield of(FRAMES, b"\x01\0\0\0\xff\xff\xff\xffx")
    yield of(BUILT, b"\x01\x04out\n\x02\x03err\x00\x00\x03\x02\xff\x00")
    yield of(PULLED, "\r\n".join(compact(line) for line in PULL).encode())
    for line in PULL:
        yield of(PULLED, line)
    yield of(ERRORS, b"<html>502</html>", 60)
    yield of(ERRORS, b"1.41")
    for dependency, message in error_texts():
        if dependency in ("engine", "registry") and message != "-":
            yield of(ERRORS, {"message": message}, 200)
    yield of(ERRORS, {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}, 90)


STATE = {
    "id": IDS[0],
    "type": "SCHEDULED",
    "name": "Late",
    "message": "@m",
    "timestamp": "2026-11-23T02:14:43.797123Z",
    "state_details": {"scheduled_time": "2026-11-23T02:14:43Z", "transition_id": IDS[1], "deployment_concurrency_lease_id": IDS[1]},
    "data": {"type": "result@"},
}
RUN = {
    "id": IDS[0],
    "name": "heron@",
    "flow_id": IDS[1],
    "deployment_id": IDS[1],
    "work_queue_id": None,
    "state_type": "SCHEDULED",
    "state_name": "Scheduled",
    "tags": ["a@", 1, None],
    "parameters": {"x": 1.0, "y": [None, True]},
    "job_variables": {"env": {"A": "secret@"}},
    "next_scheduled_start_time": "2026-11-23T02:14:43Z",
    "empirical_policy": {"retry_type": "in_process"},
    "infrastructure_pid": f"http+docker://localhost:{HEX}",
}
POOL = {"id": IDS[0], "name": "p@", "type": "docker", "is_paused": False, "concurrency_limit": 5, "base_job_template": {"job_configuration": {}, "variables": {}}}
DEPLOYMENT = {"id": IDS[0], "flow_id": IDS[1], "name": "d@", "updated": "2026-11-23T02:14:43Z", "job_variables": None}
POLL, RUNS, ONE_RUN, HISTORY, A_POOL, SET_STATE, QUEUES, WORKERS, GRANTED, FLOW, VERSION, A_DEPLOYMENT, REFUSAL = range(13)


def prefect() -> Iterator[bytes]:
    def of(kind: int, body: Any, cut: int = 128) -> bytes:
        return bytes([kind, cut]) + (body if isinstance(body, bytes) else compact(body).encode())

    yield of(POLL, [{"work_pool_id": IDS[0], "work_queue_id": IDS[1], "flow_run": RUN}])
    yield of(POLL, [])
    yield of(RUNS, [RUN, {**RUN, "state": STATE, "state_type": None}])
    yield of(ONE_RUN, {**RUN, "state": STATE})
    yield of(ONE_RUN, {**RUN, "state_type": "NEW@"})
    for type_ in ("PENDING", "RUNNING", "COMPLETED", "FAILED", "CRASHED", "CANCELLED", "CANCELLING", "PAUSED", "NEW@"):
        yield of(HISTORY, [STATE, {**STATE, "type": type_}])
    yield of(A_POOL, POOL)
    yield of(A_POOL, {**POOL, "base_job_template": {}, "concurrency_limit": None})
    for status in ("ACCEPT", "REJECT", "ABORT", "WAIT", "NEW@"):
        yield of(SET_STATE, {"state": STATE, "status": status, "details": {"reason": "@r", "delay_seconds": 10.5}})
    yield of(SET_STATE, {"state": None, "status": "REJECT", "details": None})
    yield of(QUEUES, [{"id": IDS[0], "name": "q@", "priority": 1, "is_paused": True, "concurrency_limit": None}])
    yield of(WORKERS, [{"name": "w@"}, {}])
    yield of(GRANTED, [{"id": IDS[0]}])
    yield of(FLOW, {"id": IDS[0], "name": "f@"})
    yield of(VERSION, "3.8.8")
    yield of(A_DEPLOYMENT, DEPLOYMENT)
    yield of(A_DEPLOYMENT, {**DEPLOYMENT, "job_variables": {"image": "@"}})
    yield of(REFUSAL, {"detail": "not found"}, 4)
    yield of(REFUSAL, {"detail": [{"loc": ["body", "state", 0], "msg": "field required@", "type": "missing"}] * 4}, 90)
    yield of(REFUSAL, {"exception_message": "Invalid request received.", "exception_detail": [{"loc": ["body"], "msg": "größe"}]}, 60)
    yield of(REFUSAL, b" <html>")
    for dependency, message in error_texts():
        if dependency == "prefect" and message != "-":
            yield of(REFUSAL, {"detail": message}, 200)


def json_texts() -> Iterator[str]:
    yield from ("null", "true", " [1, -0.5e+10, 1.0, 9007199254740993] ", '{"a":{"a":1,"a":2},"":[]}', '"\\u00e9\\ud83d\\ude00\\n"', "01", '"\\u0000"')
    yield from ("[" * 210, '{"a":', "\xef\xbb\xbf1", '"\\ud800"')
    for case in cases():
        yield compact(case.get("run_variables"))


def config() -> Iterator[str]:
    lines = (ROOT / "sluice.conf").read_text()
    yield lines
    yield from (section for section in ("\n" + lines).split("\n[") if section)
    yield from (f"[{section}" for section in ("\n" + lines).split("\n[")[1:])
    yield "[rule a]\nstage = create, start\nstatus = 500-599\nmessage = *x*\nclass = permanent\n[class b]\nmatch_parameter = a=b*\ncreate = auto\n"


def toml() -> Iterator[str]:
    yield 'active = "a"\n[profiles.a]\nPREFECT_API_URL = "http://h/api" # c\nB = true\nC = 1.5\nD = [1, "x"]\n'
    yield "[a.\"b c\".'d']\nx = '''\nm\n'''\ny = \"\"\"\\\n z\\u00e9\"\"\"\nt = 2026-11-23T02:14:43Z\n[[e]]\nf = { g = 1, h.i = 0x1f }\n"


def http() -> Iterator[str]:
    host = "Host: localhost\r\n\r\n"
    yield "GET / HTTP/1.1\r\n" + host
    yield "GET /readyz?verbose&exclude=poll HTTP/1.1\r\nAccept: a/b;q=0.5\r\nConnection: keep-alive, close\r\n" + host
    yield "GET http://[::1]:80/%68ealth HTTP/1.1\r\n" + host
    yield "POST / HTTP/1.0\nContent-Length: 5\n\nhello"
    yield "\r\nOPTIONS * HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + host
    yield "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def write(folder: Path, seeds: Iterable[str | bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        content = seed.encode("utf-8", "surrogatepass") if isinstance(seed, str) else seed
        (folder / hashlib.sha1(content).hexdigest()).write_bytes(content)


def main() -> None:
    folder = Path(sys.argv[1])
    makers = {"template": template, "texts": texts, "engine": engine, "prefect": prefect, "json": json_texts, "config": config, "toml": toml, "http": http}
    for name, seeds in makers.items():
        write(folder / name, seeds())


if __name__ == "__main__":
    main()
