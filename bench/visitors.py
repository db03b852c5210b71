"""What a hundred slow clients of the status page cost the launches: the time from claim to container, with them and without."""

import os
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "build/release/bench/bench_lives"
CLIENTS = 100
REQUEST = b"GET /status.json HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 4000
STARTS = """select a.at, max(b.at) from history a join history b using (launch_id)
    where a."from" = 'QUEUED' and a."to" = 'CLAIMING' and b."to" = 'RUNNING' group by a.launch_id"""


class Dripping:
    """So many clients, each with a byte of its request a tenth of a second; who is thrown out comes again."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.over = threading.Event()
        self.connections = 0
        self.thread = threading.Thread(target=self._drip)
        self.thread.start()

    def _connect(self) -> socket.socket:
        self.connections += 1
        client = socket.create_connection(("127.0.0.1", self.port))
        client.setblocking(False)
        return client

    def _drip(self) -> None:
        clients = [self._connect() for _ in range(CLIENTS)]
        sent = [0] * CLIENTS
        while not self.over.wait(0.1):
            for i, client in enumerate(clients):
                try:
                    client.send(REQUEST[sent[i] : sent[i] + 1])
                    sent[i] += 1
                    if client.recv(1) == b"":
                        raise ConnectionError
                except BlockingIOError:
                    continue
                except OSError:
                    client.close()
                    try:
                        clients[i], sent[i] = self._connect(), 0
                    except OSError:
                        return
        for client in clients:
            client.close()

    def stop(self) -> int:
        self.over.set()
        self.thread.join()
        return self.connections


def latencies_ms(file: Path) -> list[float]:
    with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as db:
        rows = db.execute(STARTS).fetchall()
    return sorted((datetime.fromisoformat(b) - datetime.fromisoformat(a)).total_seconds() * 1000 for a, b in rows)


def lives(count: int, has_visitors: bool) -> tuple[list[float], int, float]:
    command = [PROGRAM, str(count), "auto", "20", "30", "5", "visited"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ, BENCH_KEEP="1"))
    assert process.stdout is not None
    port = int(process.stdout.readline())
    visitors = Dripping(port) if has_visitors else None
    output = process.stdout.read()
    process.wait()
    folder = re.search("^kept: (.+)$", output, re.M)[1]
    cpu_ms = float(re.search(r"CPU ([\d.]+) ms a life", output)[1])
    connections = visitors.stop() if visitors else 0
    found = latencies_ms(Path(folder, "state.db"))
    shutil.rmtree(folder)
    return found, connections, cpu_ms


def measure(count: int, turns: int) -> None:
    print(f"\n## {CLIENTS} slow clients of the status page: claim to running, {count} runs a turn, one every 20 ms\n")
    print("| clients | connections | p50 | p99 | our CPU a run |\n|---|---|---|---|---|", flush=True)
    all_of: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(2 * turns):
        has_visitors = turn % 2 == 1
        found, connections, cpu_ms = lives(count, has_visitors)
        all_of[has_visitors] += found
        print(f"| {CLIENTS if has_visitors else 0} | {connections} | {percentile(found, 0.5):.1f} ms | {percentile(found, 0.99):.1f} ms | {cpu_ms:.2f} ms |", flush=True)
    without, with_them = (percentile(sorted(all_of[which]), 0.99) for which in (False, True))
    print(f"\np99 over all turns: {without:.1f} ms without, {with_them:.1f} ms with them: {with_them / without - 1:+.1%}", flush=True)


def percentile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]
