"""What can go wrong with a call that passes the proxy: as a rule says, or at random."""

import random
import re
from dataclasses import dataclass, field
from typing import Literal

from .waiting import wait_until

Action = Literal[
    "pass",
    "answer",  # answered by us; the target never sees it
    "refuse",  # never arrives; the connection is closed
    "reset",  # never arrives; the connection is reset
    "stall",  # never arrives; silence until the client gives up
    "late",  # the connection is closed at once, and the request carried out late_s later
    "drop_answer",  # carried out; the connection is closed
    "reset_answer",  # carried out; the connection is reset
    "stall_answer",  # carried out; silence until the client gives up
    "half_answer",  # carried out; the answer breaks off in its middle
    "hold",  # kept until the test lets it go on or drops it, also when the client has gone meanwhile
    "hold_answer",  # carried out; the answer is kept until the test lets it go on
]


@dataclass
class Call:
    method: str
    path: str
    body: bytes
    status: int | None = None  # None: no answer was passed on
    begun_s: float = 0.0  # by the monotonic clock
    ended_s: float | None = None
    connection: int = 0  # counted from the first of the proxy


@dataclass
class Rule:
    """What to do with calls that match; the first matching rule that is not used up counts."""

    method: str  # empty: any
    path: str  # a regular expression, searched in the path with its query
    action: Action = "pass"
    body: str = ""  # must be found in the request's body
    times: int | None = 1  # None: always
    delay_s: float = 0.0
    late_s: float = 0.0
    status: int = 503
    answer: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    caught: list[Call] = field(default_factory=list)  # those it was used on, once they are being held (or failed)
    decision: Literal["", "let_go", "drop"] = ""

    def matches(self, call: Call) -> bool:
        return (
            self.times != 0
            and self.method in ("", call.method)
            and re.search(self.path, call.path) is not None
            and self.body.encode() in call.body
        )

    def wait_caught(self, timeout_s: float = 30.0) -> Call:
        """The first call that this rule was used on; with hold_answer it has been carried out by now."""
        return wait_until(lambda: self.caught and self.caught[0], f"{self.action} of {self.method} {self.path}", timeout_s)

    def let_go(self) -> None:
        """Held calls go on: they are carried out, their answers passed on to whoever is still there."""
        self.decision = "let_go"

    def drop(self) -> None:
        """Held calls are never carried out, held answers never passed on."""
        self.decision = "drop"


class RandomFaults:
    """Faults in a share of all calls, chosen by a seed: before and after the effect, at once and late, and refusals."""

    ACTIONS: tuple[Action, ...] = (
        "answer",
        "answer",
        "refuse",
        "reset",
        "drop_answer",
        "reset_answer",
        "half_answer",
        "stall",
        "stall_answer",
        "late",
    )
    STATUSES = (500, 502, 503, 429)

    def __init__(self, share: float, seed: int, except_for: str = "$^") -> None:
        """except_for: an expression of paths that are left alone."""
        self.share = share
        self._random = random.Random(seed)
        self._except_for = re.compile(except_for)

    def choose(self, call: Call) -> Rule | None:
        """What happens to this call; None: nothing bad."""
        if self._except_for.search(call.path) or self._random.random() >= self.share:
            return None
        action = self._random.choice(self.ACTIONS)
        status = self._random.choice(self.STATUSES)
        headers = {"Retry-After": "1"} if status == 429 else {}
        late_s = self._random.uniform(0.1, 3.0)
        answer = b'{"message": "by the test", "exception_message": "by the test"}'
        return Rule("", "", action, times=None, status=status, headers=headers, late_s=late_s, answer=answer)
