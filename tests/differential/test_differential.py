"""In every configuration our worker asks of the engine what the official worker asks, deliberate differences apart."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import record
from configurations import CONFIGURATIONS
from harness import Outcome
from normalise import (
    count_pulls_of_what_crashed,
    count_what_asks_for_something,
    differences,
    expected,
    look_at_an_image_once,
    of_official,
    of_ours,
)

Json = dict[str, Any]

OFFICIAL: Json = record.read()["configurations"]
ROWS = (Path(__file__).resolve().parents[2] / "docs/differences.md").read_text()
BY_KEY = {configuration.key: configuration for configuration in CONFIGURATIONS}

@cache
def wanted(key: str) -> Json:
    return expected(BY_KEY[key], OFFICIAL)


def compare(key: str, state: str, requests: list[Json], known: dict[str, str]) -> list[str]:
    return list(differences(wanted(key), of_ours(state, requests, known)))


@pytest.mark.parametrize("key", BY_KEY)
def test_same_requests(key: str, ours: dict[str, Outcome]) -> None:
    outcome = ours[key]
    found = compare(key, outcome.state, record.as_json(outcome), outcome.known)
    assert not found, "\n".join([f"our message: {outcome.message}", f"official: {OFFICIAL[key]['message']}", *found])


@pytest.mark.parametrize("key", [c.key for c in CONFIGURATIONS if c.differs])
def test_deliberate_differences_are_explained_and_real(key: str) -> None:
    differs = BY_KEY[key].differs
    assert differs is not None
    assert f"\n| {differs.row} |" in ROWS, f"docs/differences.md has no row {differs.row!r}"
    assert list(differences(of_official(OFFICIAL[key]), wanted(key))), "the official worker does the same"


def test_record_is_of_these_configurations() -> None:
    """What was changed must be recorded anew: record_official.py."""
    assert {c.key: record.fingerprint(c) for c in CONFIGURATIONS} == {k: entry["given"] for k, entry in OFFICIAL.items()}


def mutated(value: Any) -> Iterator[Any]:
    """The value with one leaf changed, or one member or item gone: each way once."""
    if isinstance(value, dict):
        for key, item in value.items():
            for changed in mutated(item):
                yield {**value, key: changed}
            yield {other: member for other, member in value.items() if other != key}
        yield {**value, "Unexpected": ""}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            for changed in mutated(item):
                yield [*value[:index], changed, *value[index + 1 :]]
            yield value[:index] + value[index + 1 :]
        yield [*value, "unexpected"]
    elif isinstance(value, bool):
        yield not value
    elif isinstance(value, int | float):
        yield value + 1
    else:
        yield "unexpected" if value is None else value + "~"


def changed_requests(requests: list[Json]) -> Iterator[tuple[str, list[Json]]]:
    """All requests with one place in one of them changed; with one of them gone; with one of them twice."""
    for index, request in enumerate(requests):
        before, behind = requests[:index], requests[index + 1 :]
        for part in ("method", "path", "query", "headers", "body"):
            for changed in mutated(request[part]):
                yield f"{request['path']}: {part}", [*before, {**request, part: changed}, *behind]
        yield f"{request['path']}: gone", before + behind
        if request["method"] != "GET":
            yield f"{request['path']}: twice", [*before, request, request, *behind]


def is_noticed(key: str, outcome: Outcome, requests: list[Json]) -> bool:
    try:
        return bool(compare(key, outcome.state, requests, outcome.known))
    except (KeyError, TypeError, AttributeError, ValueError):
        return True  # what a rule can't even read


def test_any_change_of_a_request_is_noticed(ours: dict[str, Outcome]) -> None:
    """Whatever single thing our requests had different, the comparison would fail: no rule hides more than it says."""
    tried = 0
    for key, outcome in ours.items():
        # Those that count, as they were sent.
        requests = look_at_an_image_once(count_what_asks_for_something(record.as_json(outcome)))
        requests = count_pulls_of_what_crashed(requests, outcome.state)
        if compare(key, outcome.state, requests, outcome.known):
            continue  # it differs already, which the other test says
        for where, changed in changed_requests(requests):
            tried += 1
            assert is_noticed(key, outcome, changed), f"{key}: not noticed: {where}"
    assert tried > 10_000
