"""Waiting for a condition, with a deadline; the only place of the harness that sleeps."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


# Looks cost the server and the engine what the worker under test would need of them: one that waits long looks seldom.
GROWTH = 1.2
LONGEST_S = 0.5


def wait_until(condition: Callable[[], T], what: str, timeout_s: float = 60.0, every_s: float = 0.1) -> T:
    """Return the first true value of condition(); fail with `what` after timeout_s."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:g} s for {what}; last seen: {value!r}")
        time.sleep(every_s)
        every_s = max(every_s, min(every_s * GROWTH, LONGEST_S))


def last(seconds: float) -> None:
    """Let an outage last: it has no end that could be waited for."""
    until_s = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= until_s, "the outage to last", timeout_s=seconds + 5)
