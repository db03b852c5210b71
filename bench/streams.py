"""Containers whose output is copied to stdout: what the worker needs for it, and what it loses."""

import os
import select
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FAKES = ROOT / "build/release/bench/bench_streams"
SLUICE = ROOT / "build/release/scheduler/sluice"
TICKS = os.sysconf("SC_CLK_TCK")


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def status_of(pid: int) -> dict[str, str]:
    return dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())


def mib(text: str) -> float:
    return int(text.split()[0]) / 1024


class Reader:
    """Reads the worker's stdout as fast as it comes and finds what is missing, line by line."""

    def __init__(self, pipe) -> None:
        self.fd = pipe.fileno()
        self.rest = b""
        self.quiet = 0
        self.loud = 0
        self.said_missing = 0
        self.next: dict[bytes, int] = {}
        self.gaps = 0

    def read_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.fd], [], [], left)[0]:
                data = os.read(self.fd, 1 << 20)
                if not data:
                    return
                self.take(data)

    def take(self, data: bytes) -> None:
        lines = (self.rest + data).split(b"\n")
        self.rest = lines.pop()
        for line in lines:
            text = line.partition(b" | ")[2]
            if text.startswith(b"loud "):
                self.loud += 1
            elif text.startswith(b"[sluice: "):
                self.said_missing += int(text.split()[1])
            else:
                number, count, _ = text.split(b" ", 2)
                self.gaps += int(count) != self.next.get(number, 0)
                self.next[number] = int(count) + 1
                self.quiet += 1


def run_one(containers: int, seconds: int, loud_bytes_a_second: int) -> None:
    with tempfile.TemporaryDirectory(prefix="sluice-bench-") as directory:
        fakes = subprocess.Popen([FAKES, str(containers), str(seconds), str(loud_bytes_a_second)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        api_url, host = fakes.stdout.readline().split()
        environment = {"PATH": os.environ["PATH"], "HOME": directory, "PREFECT_API_URL": api_url, "DOCKER_HOST": host, "PREFECT_WORKER_QUERY_SECONDS": "0.25"}
        log = open(Path(directory) / "log", "w")
        worker = subprocess.Popen([SLUICE, "start", "--pool", "bench", "--name", "bench", "--state", f"{directory}/state.db"], env=environment, stdout=subprocess.PIPE, stderr=log)
        try:
            assert fakes.stdout.readline() == "writing\n"
            before_s = cpu_s(worker.pid)
            began_s = time.monotonic()
            reader = Reader(worker.stdout)
            reader.read_for(seconds + 3)
            cpu = cpu_s(worker.pid) - before_s
            status = status_of(worker.pid)
            written, loud_written = map(int, fakes.stdout.readline().split())
            print(
                f"{containers} containers, {seconds} s, {loud_bytes_a_second / 1e6:.0f} MB/s of one: RSS {mib(status['VmRSS']):.1f} MiB, "
                f"at most {mib(status['VmHWM']):.1f}; threads {status['Threads'].strip()}; CPU {100 * cpu / (time.monotonic() - began_s):.1f} %; "
                f"lines in {written}, out {reader.quiet}, lost {written - reader.quiet}, out of order {reader.gaps}; "
                f"loud lines in {loud_written}, out {reader.loud}, said to be missing {reader.said_missing}",
                flush=True,
            )
        finally:
            worker.kill()
            worker.wait()
            fakes.stdin.close()
            fakes.wait()
            log.close()


def measure() -> None:
    print("\n## Output of many containers, against fakes\n", flush=True)
    run_one(1, 5, 0)
    run_one(1000, 30, 0)
    run_one(101, 20, 50_000_000)
