"""official.json: what the official worker asked, one entry a configuration; written by record_official.py, read by the test."""

import copy
import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from configurations import ABSENT, Configuration
from harness import Outcome
from normalise import for_the_record
from surroundings import BLOCKS, TEMPLATES, VARIABLES, WORKERS

Json = dict[str, Any]

PATH = Path(__file__).parent / "official.json"
BASE = "plain"


def fingerprint(configuration: Configuration) -> str:
    """Changes with anything that the official worker was given: then it must be recorded anew."""
    given = asdict(configuration)
    del given["differs"]
    of = [given, TEMPLATES[configuration.pool], asdict(WORKERS[configuration.worker]), BLOCKS, VARIABLES]
    return hashlib.sha256(json.dumps(of, sort_keys=True).encode()).hexdigest()[:12]


def as_json(outcome: Outcome) -> list[Json]:
    return [
        {"method": r.method, "path": r.path, "query": r.query, "headers": r.headers, "body": r.body} for r in outcome.requests
    ]


def entry(configuration: Configuration, outcome: Outcome) -> Json:
    message = outcome.message.splitlines()[0] if outcome.message else ""
    for text in sorted(outcome.known, key=len, reverse=True):
        message = message.replace(text, outcome.known[text])
    return {
        "given": fingerprint(configuration),
        "state": outcome.state,
        "message": message[:200],
        "requests": for_the_record(as_json(outcome), outcome.known),
    }


def difference(base: Any, value: Any) -> Any:
    """What base lacks to be value: only what differs of objects, all else as it is."""
    if not isinstance(base, dict) or not isinstance(value, dict):
        return value
    changed = {key: difference(base.get(key), item) for key, item in value.items() if key not in base or base[key] != item}
    return changed | {key: ABSENT for key in base.keys() - value.keys()}


def restored(base: Any, changed: Any) -> Any:
    """The value of which difference(base, value) is `changed`."""
    if not isinstance(base, dict) or not isinstance(changed, dict):
        return changed
    value = base | {key: restored(base.get(key), item) for key, item in changed.items()}
    return {key: item for key, item in value.items() if item != ABSENT}


def write(recorded: Json, versions: Json) -> None:
    """Creates, of which most are alike, are written by their difference to that of BASE."""
    base = create_of(recorded[BASE])["body"]
    kept = copy.deepcopy(recorded)
    for request in (create for entry in kept.values() if entry is not kept[BASE] for create in creates_of(entry)):
        request["body"] = difference(base, request["body"])
    text = json.dumps({"recorded_with": versions, "configurations": kept}, indent=1, sort_keys=True, ensure_ascii=False)
    PATH.write_text(text + "\n")
    assert read()["configurations"] == recorded


def read() -> Json:
    record = json.loads(PATH.read_text())
    entries = record["configurations"]
    for key, entry in entries.items():
        for request in creates_of(entry) if key != BASE else []:
            request["body"] = restored(create_of(entries[BASE])["body"], request["body"])
    return record


def creates_of(entry: Json) -> list[Json]:
    return [request for request in entry["requests"] if request["path"].endswith("/containers/create")]


def create_of(entry: Json) -> Json:
    return creates_of(entry)[0]
