"""Flows with known ends, for the quickstart and the integration tests."""

import os
import signal
import time

from opentelemetry import trace
from prefect import flow


@flow(log_prints=True)
def ok(seconds: float = 2.0) -> None:
    print("this flow ends well")
    time.sleep(seconds)


@flow(log_prints=True)
def traced() -> None:
    """Says which trace it is part of: by its environment, and by Prefect."""
    context = trace.get_current_span().get_span_context()
    print(f"environment: {os.environ.get('TRACEPARENT')}")
    print(f"prefect: {context.trace_id:032x}")


@flow
def bad() -> None:
    raise ValueError("this flow raises")


@flow
def long(seconds: float = 600.0) -> None:
    time.sleep(seconds)


@flow
def kill() -> None:
    """Kills the runner, so that nobody in the container can report the end."""
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)


@flow
def self() -> None:
    """Kills itself; the runner sees that and reports it."""
    os.kill(os.getpid(), signal.SIGKILL)


@flow
def big(mebibytes: int = 1024) -> None:
    """Asks for more memory than the container may have."""
    held = [bytearray(os.urandom(1)) * (1 << 20) for _ in range(mebibytes)]
    print(len(held))
