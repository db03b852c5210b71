"""The main job of scripts/quickstart: a pool, a deployment, sluice, and one flow run to its end. Standard library only."""

import argparse
import base64
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path
from typing import Any

FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
DEADLINE_S = 180
BUSY_TRIES = 20  # a server on SQLite answers 503 now and then


def say(text: str) -> None:
    print(f"==> {text}", flush=True)


class Api:
    """The few calls this needs, with the login and the CSRF token that the server may ask for."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.headers = {"Content-Type": "application/json"}
        if login := os.environ.get("PREFECT_API_AUTH_STRING"):
            self.headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
        elif key := os.environ.get("PREFECT_API_KEY"):
            self.headers["Authorization"] = f"Bearer {key}"
        client = str(uuid.uuid4())
        token = self.call("GET", f"/csrf-token?client={client}", missing=(404, 422))
        if token:
            self.headers.update({"Prefect-Csrf-Token": token["token"], "Prefect-Csrf-Client": client})

    def call(self, method: str, path: str, body: Any = None, missing: tuple[int, ...] = ()) -> Any:
        """The answer's JSON; None for an empty answer or one of the statuses in missing."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, self.headers, method=method)
        for tries_left in reversed(range(BUSY_TRIES)):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    text = answer.read()
                return json.loads(text) if text else None
            except urllib.error.HTTPError as error:
                if error.code in missing:
                    return None
                if error.code != 503 or not tries_left:
                    sys.exit(f"error: {method} {self.url}{path}: {error.code} {error.read(300).decode(errors='replace')}")
            except OSError as error:
                sys.exit(f"error: the Prefect server at {self.url} can't be reached: {error}")
            time.sleep(0.3)
        return None


def start_sluice(options: argparse.Namespace, pool: str, log: Path, state: Path) -> subprocess.Popen[bytes]:
    command = [options.sluice, "start", "--pool", pool, "--name", f"quickstart-{os.getpid()}", "--state", str(state)]
    say(" ".join(command))
    environment = {"PREFECT_WORKER_QUERY_SECONDS": "2", **os.environ}
    with log.open("wb") as out:
        # A session of its own: Ctrl-C here is for this script, which then stops sluice.
        return subprocess.Popen(command, env=environment, stdout=out, stderr=out, start_new_session=True)


def wait_for_end(api: Api, run_id: str, sluice: subprocess.Popen[bytes], log: Path, state: Path) -> dict[str, Any]:
    deadline = time.monotonic() + DEADLINE_S
    shown = ""
    while True:
        run = api.call("GET", f"/flow_runs/{run_id}")
        name = f"{run['state']['type']} {run['state']['name']}"
        if name != shown:
            print(f"    {name}", flush=True)
            shown = name
            if run["state"]["type"] == "RUNNING":
                show_state(state, "running")
        if run["state"]["type"] in FINAL:
            return run
        if sluice.poll() is not None or time.monotonic() > deadline:
            print(log.read_text(errors="replace")[-3000:], file=sys.stderr)
            why = f"has ended with {sluice.returncode}" if sluice.poll() is not None else f"took over {DEADLINE_S} s"
            sys.exit(f"error: sluice {why}; the end of its log is above")
        time.sleep(0.2)


def wait_until_finished(run_id: str, state: Path) -> None:
    """sluice learns the container's end a moment after the server has heard of the flow's."""
    query = "select count(*) from history where run_id = ? and \"to\" = 'FINISHED'"
    deadline = time.monotonic() + 20
    with contextlib.closing(sqlite3.connect(f"file:{state}?mode=ro", uri=True)) as file:
        while file.execute(query, (run_id,)).fetchone()[0] == 0 and time.monotonic() < deadline:
            time.sleep(0.1)


def containers_of(run_id: str) -> list[str]:
    command = ["docker", "ps", "-aq", "--filter", f"label=io.prefect.flow-run-id={run_id}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def show(title: str, command: list[str]) -> None:
    say(title)
    print(subprocess.run(command, capture_output=True, text=True, check=False).stdout.rstrip() or "(no rows)", flush=True)


def show_state(state: Path, view: str) -> None:
    query = f"select * from {view}"
    show(f"sqlite3 -readonly {state} '{query}'", ["sqlite3", "-readonly", "-header", "-column", str(state), query])


def show_all(api: Api, run_id: str, state: Path) -> None:
    say("the flow run's states at the server")
    states = api.call("GET", f"/flow_run_states/?flow_run_id={run_id}")
    for one in sorted(states, key=lambda s: s["timestamp"]):
        print(f"{one['timestamp'][:23]}  {one['type']:<10} {one['name']}  {one['message'] or ''}".rstrip())
    shape = "table {{.ID}}\t{{.Names}}\t{{.Status}}\t{{.Image}}"
    show("its container", ["docker", "ps", "-a", "--filter", f"label=io.prefect.flow-run-id={run_id}", "--format", shape])
    show_state(state, "queue")
    show_state(state, "history")


def run(options: argparse.Namespace) -> int:
    api = Api(os.environ["PREFECT_API_URL"])
    mark = f"sluice-quickstart-{uuid.uuid4().hex[:8]}"
    pool = options.pool or mark
    directory = Path(options.directory)
    undo: list[tuple[str, str]] = []
    sluice = None
    run_id = ""
    try:
        if api.call("GET", f"/work_pools/{pool}", missing=(404,)) is None:
            say(f"creating work pool {pool}")
            api.call("POST", "/work_pools/", {"name": pool, "type": "docker"})
            undo.append(("DELETE", f"/work_pools/{pool}"))
        say("creating a deployment of the flow `ok` and a run of it")
        flow = api.call("POST", "/flows/", {"name": mark})["id"]
        undo.append(("DELETE", f"/flows/{flow}"))
        deployment = {
            "name": mark,
            "flow_id": flow,
            "work_pool_name": pool,
            "path": "/opt/flows",
            "entrypoint": "flows.py:ok",
            "job_variables": {"image": options.image, "image_pull_policy": "IfNotPresent"},
        }
        deployment_id = api.call("POST", "/deployments/", deployment)["id"]
        undo.append(("DELETE", f"/deployments/{deployment_id}"))
        due = {"state": {"type": "SCHEDULED"}}
        run_id = api.call("POST", f"/deployments/{deployment_id}/create_flow_run", due)["id"]
        undo.append(("DELETE", f"/flow_runs/{run_id}"))
        state = directory / "state.db"
        sluice = start_sluice(options, pool, directory / "sluice.log", state)
        ended = wait_for_end(api, run_id, sluice, directory / "sluice.log", state)
        wait_until_finished(run_id, state)
        stop(sluice)
        show_all(api, run_id, state)
        good = ended["state"]["type"] == "COMPLETED"
        say("done: the flow run is COMPLETED" if good else f"the flow run ended as {ended['state']['type']}")
        return 0 if good else 1
    finally:
        stop(sluice)
        say("cleaning up")
        for container in containers_of(run_id) if run_id else []:
            subprocess.run(["docker", "rm", "-f", container], stdout=subprocess.DEVNULL, check=False)
        for method, path in reversed(undo):
            try:
                api.call(method, path, missing=(404,))
            except SystemExit as error:
                print(error, file=sys.stderr)


def stop(sluice: subprocess.Popen[bytes] | None) -> None:
    if sluice is not None and sluice.poll() is None:
        sluice.terminate()
        try:
            sluice.wait(15)
        except subprocess.TimeoutExpired:
            sluice.kill()
            sluice.wait()


def main() -> int:
    parser = argparse.ArgumentParser()
    for name in ("--sluice", "--image", "--directory"):
        parser.add_argument(name, required=True)
    parser.add_argument("--pool", default="", help="empty: one of our own")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return run(parser.parse_args())
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
