#!/usr/bin/env python3
"""Write official.json anew: what the official worker asks of an engine in each configuration.

Run it with the Python of scripts/requirements.txt (~/.cache/sluice/venv-*/bin/python, made by scripts/install-test-deps); it needs
the PostgreSQL that scripts/test uses, no engine, and some minutes. Where nothing has changed it writes the same file again.
"""

import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "integration")]

import record  # noqa: E402
from configurations import CONFIGURATIONS  # noqa: E402
from harness import Session  # noqa: E402
from support.servers import PostgresDatabase, PrefectServer  # noqa: E402


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        database = PostgresDatabase()
        try:
            server = PrefectServer(Path(folder) / "server", database.url)
            try:
                outcomes = Session("official", Path(), server, Path(folder)).outcomes()
            finally:
                server.stop()
        finally:
            database.drop()
    recorded = {c.key: record.entry(c, outcomes[c.key]) for c in CONFIGURATIONS}
    record.write(recorded, {name: version(name) for name in ("prefect", "prefect-docker", "docker")})
    print(len(recorded), "configurations")


if __name__ == "__main__":
    main()
