"""What a long history costs: the start, the views, the commands, forgetting it, and a copy of it."""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

import history_file

ROOT = Path(__file__).resolve().parents[1]
SLUICE = ROOT / "build/release/scheduler/sluice"
STEPS = 2000
TURNS = 3
# Nobody is there: only the file is looked at.
NOWHERE = {"PATH": os.environ["PATH"], "PREFECT_API_URL": "http://127.0.0.1:9/api", "DOCKER_HOST": "unix:///nowhere/docker.sock"}


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int, what: str) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(what)) / 1024


def measure_start(path: Path) -> None:
    began = time.monotonic()
    service = subprocess.Popen([SLUICE, "start", "--pool", "bench", "--name", "history", "--state", path], stderr=subprocess.PIPE, text=True, env=NOWHERE)
    for line in service.stderr:
        if "state file open" in line:
            break
    opened_ms = (time.monotonic() - began) * 1000
    opened_cpu_ms = cpu_s(service.pid) * 1000
    time.sleep(5)
    print(
        f"start until the state file is open: {opened_ms:.0f} ms, {opened_cpu_ms:.0f} ms of CPU; "
        f"memory then: {memory_mb(service.pid, 'RssAnon'):.1f} MiB private, {memory_mb(service.pid, 'VmHWM'):.1f} MiB at its peak with what is shared"
    )
    service.send_signal(signal.SIGTERM)
    service.communicate()


def view_queries(path: Path) -> list[str]:
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    run_id, name = db.execute("select flow_run_id, run_name from launches where launch_key = (select max(launch_key) / 2 from launches)").fetchone()
    db.close()
    queries = [f"select * from {view}" for view in ("queue", "running", "classes", "limits", "parked", "value_slots")]
    for view in ("attempts", "timeouts", "history"):
        queries += [
            f"select * from {view} where run_id = '{run_id}'",
            f"select * from {view} where run_name = '{name}'",
            f"select * from {view} order by number desc limit 20",
        ]
    return queries


def measure_views(path: Path) -> None:
    for query in view_queries(path):
        times_ms = []
        for _ in range(TURNS):
            db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
            began = time.process_time()
            rows = len(db.execute(query).fetchall())
            times_ms.append((time.process_time() - began) * 1000)
            db.close()
        print(f"{min(times_ms):7.1f} ms of CPU, {rows:5d} rows: {query}")


def children_cpu_ms() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (usage.ru_utime + usage.ru_stime) * 1000


def measure_command(*arguments: str | Path) -> None:
    began, cpu = time.monotonic(), children_cpu_ms()
    subprocess.run([SLUICE, *arguments], stdout=subprocess.DEVNULL, check=True, env=NOWHERE)
    words = " ".join(str(word) for word in arguments[: arguments.index("--state")])
    print(f"{children_cpu_ms() - cpu:7.1f} ms of CPU, {(time.monotonic() - began) * 1000:.0f} ms: sluice {words}", flush=True)


def measure(launches: int) -> None:
    print(f"\n## A history of {launches:,} launches\n", flush=True)
    with tempfile.TemporaryDirectory(prefix="sluice-bench-", dir=os.environ.get("TMPDIR", "/var/tmp")) as directory:
        path = Path(directory) / "state.db"
        history_file.make(path, launches)
        print(f"the file has {path.stat().st_size / 1e6:.0f} MB", flush=True)
        measure_start(path)
        measure_views(path)
        for command in (["queue"], ["status"], ["why", "adjective-animal-4711"]):
            measure_command(*command, "--state", path)
        copy = Path(directory) / "copy.db"
        measure_command("backup", copy, "--state", path)
        shutil.move(copy, path)
        subprocess.run([ROOT / "build/release/bench/bench_history", path, str(STEPS)], check=True)
