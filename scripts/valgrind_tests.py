"""
Runs the unit and flow tests of a build without sanitizers under valgrind: valgrind_tests.py BUILD_DIRECTORY JOBS [all].

Without `all` those with the label `again` are left out: what they do to the same lines, the sanitizers see.
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

FOLDERS = ("tests/unit/", "tests/fakes/", "tests/flow/")
# Thousands of lives through the same code: the sanitizers have seen them.
LONG = {"deep", "safety"}
AGAIN = {"again"}
# Leaks are found by the sanitizers; here a child that a test forks and ends on purpose would count as one.
VALGRIND = ["valgrind", "--quiet", "--leak-check=no", "--error-exitcode=99"]
# Where each block was allocated and freed costs a quarter of the time, and is of use only to who looks for an error.
FAST = ["--keep-stacktraces=none"]


def tests_of(build: Path, left_out: set[str]) -> list[tuple[str, list[str], str]]:
    shown = subprocess.run(
        ["ctest", "--test-dir", str(build), "--show-only=json-v1"], capture_output=True, text=True, check=True
    ).stdout
    found = []
    for test in json.loads(shown)["tests"]:
        properties = {one["name"]: one["value"] for one in test["properties"]}
        is_left_out = not left_out.isdisjoint(properties.get("LABELS", []))
        if not is_left_out and any(f"{build}/{folder}" in test["command"][0] for folder in FOLDERS):
            found.append((test["name"], test["command"], properties.get("WORKING_DIRECTORY", str(build))))
    # The flows take longest: begun first, they leave no core idle at the end.
    return sorted(found, key=lambda test: "tests/flow/" not in test[1][0])


def under_valgrind(command: list[str], directory: str, options: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*VALGRIND, *options, *command], cwd=directory, capture_output=True, text=True, errors="replace", check=False
    )


def run(test: tuple[str, list[str], str]) -> bool:
    name, command, directory = test
    started = time.monotonic()
    done = under_valgrind(command, directory, FAST)
    word = "passed" if done.returncode == 0 else "FAILED"
    print(f"{name}: {word} in {time.monotonic() - started:.1f} s", flush=True)
    if done.returncode != 0:
        again = under_valgrind(command, directory, [])
        for title, run in (("as it failed", done), ("once more, with the stacks of all blocks", again)):
            print(f"{name}, {title}:\n{(run.stdout + run.stderr)[-6000:]}", flush=True)
    return done.returncode == 0


def main() -> int:
    build, jobs = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    tests = tests_of(build, LONG if "all" in sys.argv[3:] else LONG | AGAIN)
    with ThreadPoolExecutor(jobs) as pool:
        results = list(pool.map(run, tests))
    failed = results.count(False)
    share = 100 * (len(results) - failed) // max(len(results), 1)
    print(f"{share}% tests passed, {failed} tests failed out of {len(results)}")
    return 0 if failed == 0 and results else 1


if __name__ == "__main__":
    sys.exit(main())
