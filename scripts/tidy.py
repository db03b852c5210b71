"""Runs clang-tidy over each source file of a build once: tidy.py BUILD_DIRECTORY JOBS.

run-clang-tidy takes a file that is compiled twice (with kill points and without) four times.
"""

import json
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


# The analyzer follows each function through so many states and then leaves it. Its own bound of 225,000 takes five
# times as long in the slowest files.
BUDGET = ["-Xclang", "-analyzer-config", "-Xclang", "max-nodes=40000"]


def main() -> int:
    build, jobs = Path(sys.argv[1]).resolve(), int(sys.argv[2])
    commands = json.loads((build / "compile_commands.json").read_text())
    # The later one is the same with a definition more.
    by_file = {entry["file"]: entry for entry in reversed(commands)}
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "compile_commands.json").write_text(json.dumps(list(by_file.values())))

        def check(file: str) -> bool:
            command = ["clang-tidy", "-quiet", "-p", directory, *(f"--extra-arg={word}" for word in BUDGET), file]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
            if done.returncode != 0 or done.stdout.strip():
                print(done.stdout + done.stderr, flush=True)
                return False
            return True

        with ThreadPoolExecutor(jobs) as pool:
            results = list(pool.map(check, sorted(by_file)))
    print(f"clang-tidy: {len(results)} files, {results.count(False)} with findings")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
