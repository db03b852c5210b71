"""The health server of Prefect's own worker, alone. It is well until a line comes on its standard input.

Prints a line once it listens where PREFECT_WORKER_WEBSERVER_HOST and _PORT say, and serves until its standard input ends.
"""

import sys
import threading

from prefect.workers.server import _build_healthcheck_server


def main() -> None:
    is_well = threading.Event()
    is_well.set()
    server = _build_healthcheck_server(is_well.is_set)
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        threading.Event().wait(0.05)
    print("listening", flush=True)
    for _ in sys.stdin:
        is_well.clear()
        print("unwell", flush=True)


if __name__ == "__main__":
    main()
