"""What containers print, and what Prefect is told about runs: A25, A69."""

import time
from pathlib import Path

import pytest

from support.faults import Rule
from support.rig import Rig
from support.waiting import wait_until

MIB = 1024 * 1024


def status_kib(pid: int, key: str) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


@pytest.mark.beyond_official("a byte that is not UTF-8 ends its watching")
def test_a25_any_bytes_and_a_line_of_10_mb(rig: Rig) -> None:
    rig.make_pool()
    worker = rig.start_worker()
    # Slower than 1 MB/s: what comes faster, the engine itself sends in part twice or not at all, and we may drop.
    line = r'i=0; while [ $i -lt 20 ]; do i=$((i+1)); head -c 500000 /dev/zero | tr "\0" x; usleep 500000; done; echo'
    script = rf'printf "\377\376\n"; {line}; printf "10%%\r20%%\r"; printf end; run-flow 0'
    runs = []
    # The engine's default log driver writes JSON, and so another character in place of such bytes.
    kinds = {b"\xff\xfe": {"log_config": {"Type": "local"}}, "\ufffd\ufffd".encode(): {"tty": True}}
    for number, keywords in enumerate(kinds.values()):
        deployment = rig.deploy(f"sh -c '{script}'", name=f"d{number}", job_variables={"container_create_kwargs": keywords})
        runs += rig.create_runs(deployment, 1)
    assert rig.ends(runs) == {"COMPLETED": 2}
    for first, run in zip(kinds, runs, strict=True):
        prefix = rig.engine.only_one(rig.pool, run)["Name"].lstrip("/").encode() + b" | "

        def lines(prefix: bytes = prefix) -> list[bytes]:
            written = worker.output_path.read_bytes().split(b"\n")
            return [line.removeprefix(prefix).rstrip(b"\r") for line in written if line.startswith(prefix)]

        wait_until(lambda of=lines: any(line.endswith(b"end") for line in of()), "the last line")
        assert lines()[0] == first
        # Without line ends, since Docker's driver "local" loses that of a line it had to cut. And it sometimes sends
        # one of the pieces that it cuts, which are of 16 KiB, twice.
        text = b"".join(lines()[1:])
        assert text.endswith(b"x10%\r20%\rend")
        assert text.count(b"x") == len(text) - len("10%\r20%\rend")
        twice, rest = divmod(text.count(b"x") - 10_000_000, 16384)
        assert rest == 0 and 0 <= twice < 10
    assert status_kib(worker.pid, "VmHWM") <= 40 * 1024


def test_output_goes_on_where_its_stream_broke(rig: Rig) -> None:
    rig.make_pool()
    proxy = rig.proxy_engine()
    worker = rig.start_worker()
    script = 'i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; echo other $i >&2; usleep 10000; done; run-flow 0'
    runs = []
    for name, variables in (("frames", {}), ("terminal", {"container_create_kwargs": {"tty": True}})):
        deployment = rig.deploy(f"sh -c '{script}'", name=name, job_variables=variables)
        runs += rig.create_runs(deployment, 1)

    def written() -> list[str]:
        return worker.output_path.read_text().splitlines()

    for count in (100, 300, 600):
        wait_until(lambda least=count: len(written()) >= least, f"{count} lines", every_s=0.02)
        proxy.cut()
    assert rig.ends(runs) == {"COMPLETED": 2}
    wait_until(lambda: sum(line.endswith(" 300") for line in written()) >= 4, "the last lines")
    for run in runs:
        prefix = rig.engine.only_one(rig.pool, run)["Name"].lstrip("/") + " | "
        lines = [line.removeprefix(prefix) for line in written() if line.startswith(prefix)]
        assert [line for line in lines if line.startswith("line")] == [f"line {i}" for i in range(1, 301)]
        assert [line for line in lines if line.startswith("other")] == [f"other {i}" for i in range(1, 301)]
        assert len(lines) == 600


def test_a69_neither_logs_nor_events_are_taken(rig: Rig) -> None:
    rig.make_pool()
    direct = rig.setup
    refusals = {f"answers-{status}": Rule("POST", r"/(logs/|events)$", "answer", times=None, status=status) for status in (404, 413, 422)}
    refusals["is-silent"] = Rule("POST", r"/(logs/|events)$", "stall", times=None)
    begun_s = time.monotonic()
    runs: dict[str, str] = {}
    workers = []
    for name, rule in refusals.items():
        rig.setup = direct
        rig.proxy_api().add(rule)
        rig.api.create_queue(rig.pool, name)
        runs[name] = rig.create_runs(rig.deploy(queue=name), 1)[0]
        workers.append(rig.start_worker("--work-queue", name, name=name, environment={"PREFECT_API_REQUEST_TIMEOUT": "3"}))
    assert rig.ends(runs.values()) == {"COMPLETED": len(runs)}
    assert time.monotonic() - begun_s < 20
    rig.check_each_ran_once(list(runs.values()))
    if rig.is_official:
        return
    for worker in workers:
        wait_until(lambda one=worker: one.unfinished() == 0, "the launch to be over")
        assert worker.stop() == 0
        for what in ("events", "run log lines"):
            assert any(f'what="{what}"' in line or f"what={what} " in line for line in worker.log().splitlines() if "did not take" in line), worker.log()[-2000:]
