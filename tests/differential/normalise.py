"""What may differ between the two workers without being a difference: the rules, one function each, and the comparison.

A rule that applies to one side says so in its name. There are no others: whatever else differs makes the test fail, or is a
deliberate difference (`differs` of a configuration), which names a row of docs/differences.md.
"""

import base64
import copy
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from configurations import ABSENT, Configuration

Json = dict[str, Any]

OURS = {
    "io.sluice.instance": r"[0-9a-f]{8,64}",
    "io.sluice.launch": r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}",
    "io.sluice.class": r"default",
}
COUNTED = r"GET /v[\d.]+/images/.+/json|POST /v[\d.]+/(images/create|containers/create|networks/.+/connect|containers/.+/start)"


def texts(value: Any, change: Any) -> Any:
    """The value with change() applied to each text in it, keys included."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, list):
        return [texts(item, change) for item in value]
    if isinstance(value, dict):
        return {change(key): texts(item, change) for key, item in value.items()}
    return value


# --- the rules ---


def name_what_each_session_has_anew(requests: list[Json], known: dict[str, str]) -> list[Json]:
    """Ids of run, flow, deployment, pool, block and container, ports, the working folder and the deployment's time have names."""
    longest_first = "|".join(re.escape(part) for part in sorted(known, key=len, reverse=True))
    return texts(requests, lambda text: re.sub(longest_first, lambda found: known[found.group()], text))


def count_what_asks_for_something(requests: list[Json]) -> list[Json]:
    """Pulls, creates, connections, starts and looks at the image count; logins, other looks, waits, logs and removals do not."""
    return [request for request in requests if re.fullmatch(COUNTED, f"{request['method']} {request['path']}")]


def look_at_an_image_once(requests: list[Json]) -> list[Json]:
    """Of looks at an image only the first counts, and that only if no pull came before it."""
    kept: list[Json] = []
    for request in requests:
        has_asked = any("/images/" in earlier["path"] for earlier in kept)
        if request["method"] != "GET" or not has_asked:
            kept.append(request)
    return kept


def count_pulls_of_what_crashed(requests: list[Json], state: str) -> list[Json]:
    """Of a run that crashed before a container of it was started only the pulls count: one may look first or check first."""
    return [request for request in requests if state != "crashed" or request["path"].endswith("/images/create")]


def decode_paths(request: Json) -> None:
    """Paths are compared decoded: `%2F` is `/`."""
    request["path"] = unquote(request["path"])


def name_networks(request: Json) -> None:
    """A network may be named by the id that the engine gave for its name."""
    request["path"] = re.sub(r"(?<=/networks/)id-of-", "", request["path"])


def decode_logins(request: Json) -> None:
    """The login header is compared as the JSON that it holds, without what is null; engines read its keys in either case."""
    header = request["headers"].get("X-Registry-Auth")
    if header:
        login = json.loads(base64.b64decode(header, altchars=b"-_", validate=True))
        request["headers"]["X-Registry-Auth"] = {key.lower(): value for key, value in login.items() if value is not None}


def leave_out_our_labels(request: Json) -> None:
    """Our three labels are left out, if all are there and look as they should."""
    labels = request["body"]["Labels"]
    if all(re.fullmatch(form, str(labels.get(name))) for name, form in OURS.items()):
        for name in OURS:
            del labels[name]


def write_networks_of_official_as_engines_know_them(request: Json) -> None:
    """Of the official worker's `{"NET": null}`, which engines ignore, what was meant: `{"EndpointsConfig": {"NET": {}}}`."""
    networks = request["body"].get("NetworkingConfig")
    if networks and list(networks.values()) == [None]:
        request["body"]["NetworkingConfig"] = {"EndpointsConfig": {name: {} for name in networks}}


def sort_forwarded_settings(request: Json) -> None:
    """The worker's own settings, which come before all else, are in no promised order."""
    environment = request["body"]["Env"]
    count = 0
    while count < len(environment) and re.match(r"PREFECT_[A-Z0-9]", environment[count]):
        count += 1
    request["body"]["Env"] = sorted(environment[:count]) + environment[count:]


def name_the_default_image(request: Json) -> None:
    """The default image's Python version is nobody's wish."""

    def change(text: str) -> str:
        return re.sub(r"^(.*prefecthq/prefect(?::|$)[\d.]*-python)3\.\d+((?:/json)?)$", r"\1<minor>\2", text)

    request["path"] = change(request["path"])
    request["body"] = texts(request["body"], change)
    request["query"] = texts(request["query"], change)


# --- both sides, made comparable ---


def for_the_record(requests: list[Json], known: dict[str, str]) -> list[Json]:
    """What is kept of the official worker's requests."""
    return look_at_an_image_once(count_what_asks_for_something(name_what_each_session_has_anew(requests, known)))


def comparable(side: str, state: str, requests: list[Json]) -> Json:
    """State and requests by the rules; requests as for_the_record() gives them, unchanged."""
    requests = count_pulls_of_what_crashed(copy.deepcopy(requests), state)
    for request in requests:
        decode_paths(request)
        name_networks(request)
        decode_logins(request)
        name_the_default_image(request)
        if request["path"].endswith("/containers/create"):
            if side == "ours":
                leave_out_our_labels(request)
            else:
                write_networks_of_official_as_engines_know_them(request)
            sort_forwarded_settings(request)
    return {"state": state, "requests": requests}


def of_official(entry: Json) -> Json:
    return comparable("official", entry["state"], entry["requests"])


def of_ours(state: str, requests: list[Json], known: dict[str, str]) -> Json:
    return comparable("ours", state, for_the_record(requests, known))


def expected(configuration: Configuration, record: Json) -> Json:
    """What ours must ask: the official worker's doing, or what the deliberate difference makes of it."""
    differs = configuration.differs
    if differs is None:
        return of_official(record[configuration.key])
    like = differs.like or configuration.key
    wanted = texts(of_official(record[like]), lambda text: renamed(text, like, configuration.key))
    wanted["state"] = differs.state or wanted["state"]
    wanted["requests"] = count_pulls_of_what_crashed(wanted["requests"], wanted["state"])
    for path, value in differs.change.items():
        change_at(wanted["requests"], path, value)
    return wanted


def renamed(text: str, old: str, new: str) -> str:
    """A configuration's name is its image's, and its deployment's if it has one of its own."""
    return re.sub(rf"((?:^|/)|(?:^|=)d-){re.escape(old)}(?=$|[:@/])", rf"\g<1>{new}", text)


def change_at(requests: list[Json], path: str, value: Any) -> None:
    """`body.A.B` and `query.name` are in the create, `pull.query.platform` and `pull.headers.NAME` in the pull.

    `body.Env.ITEM` is that item of the environment, `body.Env.` a new one at the end.
    """
    end = "/images/create" if path.startswith("pull.") else "/containers/create"
    for request in requests:
        if path.startswith("body.Env.") and request["path"].endswith(end):
            environment, item = request["body"]["Env"], path.removeprefix("body.Env.")
            index = environment.index(item) if item else len(environment)
            environment[index : index + 1] = [] if value == ABSENT else [value]
        elif request["path"].endswith(end):
            *parents, last = path.removeprefix("pull.").split(".")
            place = request
            for parent in parents:
                place = place[parent]
            if value == ABSENT:
                del place[last]
            else:
                place[last] = value


def differences(wanted: Any, got: Any, at: str = "") -> Iterator[str]:
    """A line for each place where the two differ."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        for key in sorted(wanted.keys() | got.keys()):
            yield from differences(wanted.get(key, ABSENT), got.get(key, ABSENT), f"{at}.{key}" if at else key)
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for index, (left, right) in enumerate(zip(wanted, got, strict=True)):
            yield from differences(left, right, f"{at}[{index}]")
    elif isinstance(wanted, list) and isinstance(got, list) and all(isinstance(item, str) for item in wanted + got):
        yield f"{at}: missing {[i for i in wanted if i not in got]}, not expected {[i for i in got if i not in wanted]}"
    elif type(wanted) is not type(got) or wanted != got:
        yield f"{at}: expected {short(wanted)}, got {short(got)}"


def short(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict) and "path" in value[0]:
        return f"the requests {[request['path'].rsplit('/', 2)[-2:] for request in value]}"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else text[:300] + "..."
