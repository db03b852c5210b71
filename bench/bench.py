"""scripts/bench's measurements: prints tables for docs/performance.md, asserts nothing."""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/integration"))

import burst  # noqa: E402 - found through the path above
import history  # noqa: E402
import idle  # noqa: E402
import streams  # noqa: E402
import sweep  # noqa: E402
import visitors  # noqa: E402
from place import Place  # noqa: E402

PARTS = ("lives", "visitors", "recovery", "decisions", "metrics", "jobs", "log", "streams", "history", "idle", "burst", "sweep")


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/bench", description="measure and print; assert nothing")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all of them if none is named")
    parser.add_argument("--image", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--idle", type=float, default=60.0, metavar="SECONDS", help="how long to watch idle workers (60)")
    parser.add_argument("--runs", type=int, default=100, help="runs in a burst (100)")
    parser.add_argument("--turns", type=int, default=3, help="bursts of each worker (3)")
    parser.add_argument("--only", choices=("sluice", "official"), help="leave the other worker out")
    parser.add_argument("--launching", default=",".join(sweep.SETTINGS), help="settings to sweep (all of them)")
    parser.add_argument("--networks", default=",".join(sweep.NETWORKS), help="networks to sweep on (both)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the sweep into this PNG file")
    parser.add_argument("--launches", type=int, default=1_000_000, help="launches in the history (1000000)")
    parser.add_argument("--lives", type=int, default=1000, help="lives against fakes (1000)")
    options = parser.parse_args()
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"unknown part '{unknown[0]}': one of {', '.join(PARTS)}")
    options.parts = options.parts or list(PARTS)
    options.launching = options.launching.split(",")
    options.networks = options.networks.split(",")
    if options.plot and not (set(sweep.SETTINGS) <= set(options.launching) and set(sweep.NETWORKS) <= set(options.networks)):
        parser.error("--plot needs all settings and both networks")
    options.kinds = [options.only] if options.only else ["sluice", "official"]
    return options


def print_machine() -> None:
    release = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    cpu = next((line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line), "?")
    commit = subprocess.run(["git", "-C", ROOT, "describe", "--always", "--dirty"], capture_output=True, text=True, check=False)
    print(f"sluice {commit.stdout.strip() or '?'}, {release.get('PRETTY_NAME', '?').strip(chr(34))}, Linux {os.uname().release}, {cpu}")


def print_load(when: str) -> None:
    print(f"load of {os.cpu_count()} cores {when}: {' '.join(f'{load:.2f}' for load in os.getloadavg())}", flush=True)


def run_lives(lives: int) -> None:
    program = ROOT / "build/release/bench/bench_lives"
    print("\n## Full lives against fakes (synchronous=FULL)\n", flush=True)
    for arguments in (
        [str(lives), "auto"],
        [str(lives), "32"],
        [str(min(lives, 40)), "auto", "250"],  # one after the other
        [str(min(lives, 100)), "auto", "0", "100", "60"],  # at the pace of a real engine and server
    ):
        subprocess.run([program, *arguments], check=True)


def run_recovery() -> None:
    program = ROOT / "build/release/bench/bench_recovery"
    print("\n## A restart in the middle of many runs\n", flush=True)
    for arguments in (["1000"], ["10000"], ["10000", "mixed"]):
        subprocess.run([program, *arguments], check=True)


def run_decisions() -> None:
    print("\n## Starts decided a second, by launches in line\n", flush=True)
    subprocess.run([ROOT / "build/release/bench/bench_decisions"], check=True)


def run_metrics() -> None:
    print("\n## One scrape of /metrics\n", flush=True)
    for runs in ("0", "10000"):
        subprocess.run([ROOT / "build/release/bench/bench_metrics", runs], check=True, stderr=subprocess.DEVNULL)


def run_jobs() -> None:
    print("\n## Rendering one job configuration\n", flush=True)
    subprocess.run([ROOT / "build/release/bench/bench_jobspec"], check=True)


def run_log() -> None:
    print("\n## Lines of the log\n", flush=True)
    subprocess.run([ROOT / "build/release/bench/bench_log"], check=True)


def main() -> None:
    options = read_options()
    print_machine()
    print_load("at the start")
    if "lives" in options.parts:
        run_lives(options.lives)
    if "visitors" in options.parts:
        visitors.measure(400, options.turns)
    if "recovery" in options.parts:
        run_recovery()
    if "decisions" in options.parts:
        run_decisions()
    if "metrics" in options.parts:
        run_metrics()
    if "jobs" in options.parts:
        run_jobs()
    if "log" in options.parts:
        run_log()
    if "streams" in options.parts:
        streams.measure()
    if "history" in options.parts:
        history.measure(options.launches)
    if not {"idle", "burst", "sweep"}.isdisjoint(options.parts):
        with tempfile.TemporaryDirectory(prefix="sluice-bench-") as directory:
            with Place(Path(directory), ROOT / "build/release/scheduler/sluice", options.image) as place:
                if "idle" in options.parts:
                    idle.measure(place, options.kinds, options.idle)
                if "burst" in options.parts:
                    burst.measure(place, options.kinds, options.runs, options.turns)
                if "sweep" in options.parts:
                    sweep.measure(place, options.runs, options.turns, options.launching, options.networks, options.plot)
    print()
    print_load("at the end")


if __name__ == "__main__":
    main()
