"""The results of scripts/soak, from pytest's JUnit files, as a dated Markdown table."""

import argparse
import os
import platform
import re
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from xml.etree import ElementTree


@dataclass
class Row:
    scenario: str
    what: str
    result: str
    took_s: float
    seen: str


def output_of(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def read(path: Path) -> list[Row]:
    rows = []
    for case in ElementTree.parse(path).iter("testcase"):
        name = case.get("name", "").removeprefix("test_")
        found = re.match(r"a(\d\d)_(.*)", name)
        scenario, words = (f"A{found.group(1)}", found.group(2)) if found else ("-", name)
        bad = [kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None]
        result = "passed" if not bad else f"**{bad[0]}**" if bad[0] != "skipped" else "expected to fail"
        properties = [f"{p.get('name')}: {p.get('value')}" for p in case.iter("property")]
        rows.append(Row(scenario, words.replace("_", " "), result, float(case.get("time", 0)), "; ".join(properties)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worker", required=True)
    parser.add_argument("--binary", required=True)
    parser.add_argument("files", nargs="+", type=Path)
    options = parser.parse_args()
    root = Path(__file__).resolve().parents[1]
    worker = "Prefect's own worker"
    if options.worker == "sluice":
        commit = output_of("git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=12")
        worker = f"sluice {output_of(options.binary, '--version').removeprefix('sluice ')}, commit {commit}"
    engine = output_of("docker", "version", "--format", "{{.Server.Version}}")
    prefect = re.search(r"^prefect==(.*)$", (root / "scripts/requirements.txt").read_text(), re.MULTILINE)
    rows = sorted((row for file in options.files for row in read(file)), key=lambda r: (r.scenario == "-", r.scenario, r.what))
    passed = sum(row.result == "passed" for row in rows)
    print("# Soak: scenarios with real parts, as long and as large as in life\n")
    print("Written by `scripts/soak`; the scenarios are the functions of `tests/integration` marked `soak`.\n")
    print(f"## {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC: {passed} of {len(rows)} passed\n")
    print(f"{worker}. Prefect server {prefect.group(1) if prefect else 'unknown'} on PostgreSQL (`sqlite` in the name: on")
    print(f"SQLite), Docker Engine {engine}, {os.cpu_count()} cores, Linux {platform.release()}.\n")
    print("| scenario | what | result | took, s | seen |\n|---|---|---|---|---|")
    for row in rows:
        print(f"| {row.scenario} | {row.what} | {row.result} | {row.took_s:.0f} | {row.seen} |")


if __name__ == "__main__":
    main()
