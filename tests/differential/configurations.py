"""The job configurations that are compared, as data.

Each is a run of its own: `pool` names a template and `worker` the surroundings of the worker that serves it (both in
surroundings.py), `deployment` and `run` are the two sets of job variables. Unless somebody sets an image, the run has one that
is named after the configuration. Sections are those of the protocol, chapter 5.

What differs on purpose says so in `differs`, with the row of docs/differences.md that explains it.
"""

from dataclasses import dataclass, field, replace
from typing import Any

Json = dict[str, Any]
ABSENT = "<absent>"


@dataclass(frozen=True)
class Differs:
    """What is expected of ours where it is not what the official worker does."""

    row: str  # the first cell of a row of docs/differences.md
    like: str = ""  # the official worker's doing in the configuration of that key
    state: str = ""  # another end than there
    change: dict[str, Any] = field(default_factory=dict)  # path in a request (see normalise.change_at) -> value, or ABSENT


@dataclass(frozen=True)
class Configuration:
    key: str  # also the name of its image
    pool: str = "default"
    worker: str = "remote"
    deployment: Json = field(default_factory=dict)
    run: Json = field(default_factory=dict)
    run_name: str = "a run"
    run_fields: Json = field(default_factory=dict)
    flow: str = "f"
    has_deployment: bool = True
    deployment_name: str = "d"
    differs: Differs | None = None


CONFIGURATIONS: list[Configuration] = []


def add(key: str, differs: Differs | None = None, own_image: bool = False, **fields: Any) -> None:
    # Deployments without job variables are one a pool: each costs the server more than a run.
    shared = f"of-{fields.get('pool', 'default')}-{fields.get('worker', 'remote')}"
    name = f"d-{key}" if fields.get("deployment") or "flow" in fields else shared
    configuration = Configuration(key, differs=differs, deployment_name=fields.pop("deployment_name", name), **fields)
    if not own_image and "image" not in configuration.run | configuration.deployment:
        configuration = replace(configuration, run={**configuration.run, "image": f"diff/{key}:1"})
    CONFIGURATIONS.append(configuration)


def many(prefix: str, values: dict[str, Json], **fields: Any) -> None:
    """Configurations that differ in the run's variables alone; a key is prefix-NAME."""
    for name, run in values.items():
        add(f"{prefix}-{name}", run=run, **fields)


# --- 5.1 inputs: who the run is ---
add("plain")
add("no-deployment", has_deployment=False)
add("no-deployment-variables", has_deployment=False, run={"env": {"A": "1"}, "labels": {"a": "1"}})
add("other-names", flow="größe, flow", deployment_name='de "ploy"', run_name="Привет / мир")
add("odd-worker", worker="odd-name")
add("server-made-template", pool="server-made", deployment={"env": {"A": "1"}, "auto_remove": False})
add("server-made-null-fields", pool="server-made", run={"command": None, "name": None, "network_mode": None, "mem_limit": None})

# --- 5.2 merging ---
add("merge-env", deployment={"env": {"A": "d", "B": "d"}}, run={"env": {"B": "r", "C": "r"}})
add("merge-env-run-only", run={"env": {"A": "r", "B": ""}})
add("merge-env-deployment-only", deployment={"env": {"A": "d"}})
add("merge-env-null-unsets", deployment={"env": {"A": "d", "B": "d"}}, run={"env": {"A": None}})
add("merge-labels-are-replaced", deployment={"labels": {"a": "d", "b": "d"}}, run={"labels": {"b": "r"}})
add("merge-lists-are-replaced", deployment={"volumes": ["/a:/a"], "networks": ["n1"]}, run={"volumes": ["/b:/b"]})
add("merge-whole-values", pool="untyped", deployment={"command": "d", "mem_limit": "1g"}, run={"command": None, "mem_limit": "2g"})
add("merge-pool-env", pool="env-default", deployment={"env": {"A": "d", "B": "d"}}, run={"env": {"B": "r", "P": None}})
add("merge-pool-env-alone", pool="env-default")
add("merge-pool-env-empty-run", pool="env-default", run={"env": {}})
add("merge-env-object", pool="env-object", deployment={"env": {"A": "d"}}, run={"env": {"FIXED": "r", "B": "{{ a }}"}, "a": 5})
add("merge-env-object-alone", pool="env-object")
add("merge-env-both", pool="env-both", run={"env": {"C": "r", "D": "r"}})
add("merge-env-both-deployment", pool="env-both", deployment={"env": {"J": "d", "B": None}})
add("merge-dotted", run={"env.FOO": "x", "env.BAR": "y", "labels.k": "v"})
add("merge-dotted-under-plain", deployment={"env.FOO": "d", "env.BAR": "d"}, run={"env": {"FOO": "r"}})
add("merge-dotted-over-deployment", deployment={"env": {"FOO": "d"}}, run={"env.FOO": "r", "env.NEW": "r"})
add("merge-dotted-deep", pool="untyped", run={"env.A.B": "x", "env.C[0]": "y"})
add("merge-dotted-text", pool="untyped", run={"image.x": "diff/wrong:1", "image": "diff/merge-dotted-text:1"})
add("merge-dotted-through-text", pool="untyped", run={"env.A": "x", "env.A.B": "y"})
add("merge-pool-defaults", pool="defaults", own_image=True, worker="remote")
add("merge-over-pool-defaults", pool="defaults", worker="local", deployment={"labels": {"d": "d"}}, run={"command": "r", "name": "n1"})
add(
    "merge-env-null",
    pool="untyped",
    deployment={"env": {"A": "d", "B": "d"}},
    run={"env": None},
    differs=Differs("`env: null` of a run whose deployment has `env`", like="merge-env-two"),
)
add("merge-env-two", pool="untyped", deployment={"env": {"A": "d", "B": "d"}})

# --- 5.3 placeholders ---
FILLED = {"a": "A", "b": 2}
add("placeholder-nothing", pool="placeholders")
add("placeholder-text", pool="placeholders", run={"x": "text", **FILLED})
add("placeholder-python-text", pool="placeholders", run={"a": True, "b": 1.50, "c": [1, "x", None], "d": {"k.one": 'v"', "n": None}, "e": 10})
add("placeholder-null", pool="placeholders", run={"a": None, "b": False, "c": None, "x": "x"})
add("placeholder-looks-like-one", pool="placeholders", run={"x": "{{ e }}", "e": "E", "a": "{{ y }}", "y": "Y"})
add("placeholder-braces", pool="placeholders", run={"x": "}} {{", "a": "{", "b": "}"})
add(
    "placeholder-paths",
    pool="untyped",
    run={"x": {"image": "busybox", "list": ["zero", {"k": "deep"}], "5": "five"}, "labels": {"a": "b"}},
)
add("placeholder-path-values", pool="placeholders", run={"x": "plain", "a": 1e15, "b": 2.5e-7, "c": -0.0, "d": 9007199254740993, "e": []})
add("placeholder-lists", pool="lists", run={"b": "second", "c": "/anonymous"})
add("placeholder-lists-absent", pool="lists")
add("placeholder-in-values", run={"env": {"A": "{{ image }}", "B": "{{ $HERE }}"}, "labels": {"l": "{{ image }}"}})
add("placeholder-in-values-filled", pool="env-default", run={"env": {"B": "{{ image }} {{ $HERE }}{{ $NONE }}", "C": "{{ nosuch }}"}})
add("placeholder-kwargs", pool="kwargs", run={"init": True})
add("placeholder-kwargs-absent", pool="kwargs")
add("placeholder-unknown-keys", pool="unknown-keys", run={"x": 1})
add("placeholder-typed", pool="untyped", run={"labels": {"a": "b"}, "networks": ["n"], "privileged": True, "command": "a b"})

# --- 5.4 blocks ---
B = "{{ prefect.blocks.%s }}"
BLOCK_PATHS = {
    "whole": "secret.secret",
    "number": "plain-value.number",
    "object-value": "plain-value.object.value",
    "object-path": "plain-value.object.k[1].n",
    "value-path": "plain-value.object.value.k[0]",
    "field": "plain-fields.settings.host",
    "field-number": "plain-fields.settings.port",
    "list-item": "plain-fields.settings.tags[1]",
    "deep": "plain-fields.settings.more.deep",
}
for name, path in BLOCK_PATHS.items():
    add(f"block-{name}", pool="untyped", run={"env": {"V": B % path, "A": "1"}})
add("block-inside-text", run={"env": {"V": "<" + B % "secret.secret" + "|" + B % "plain-fields.settings.port" + ">"}})
add("block-object-inside-text", pool="untyped", run={"env": {"V": "x" + B % "plain-fields.settings.tags"}})
add("block-env", pool="untyped", run={"env": B % "plain-fields.env"})
add("block-missing", run={"env": {"V": B % "secret.nosuch"}})
add("block-missing-path", pool="untyped", run={"env": {"V": B % "plain-fields.settings.nosuch"}})
add("block-reference", pool="untyped", run={"env": {"$ref": {"block_document_id": "<block env>"}}})
add("block-reference-missing", pool="untyped", run={"env": {"$ref": {"block_document_id": "9cbc73f1-52d4-41c9-8e06-1c2c934f169e"}}})
add("block-then-variable", pool="untyped", run={"env": {"V": B % "plain-fields.two-levels.pattern"}})
add("block-in-template", pool="references")

# --- 5.5 variables ---
V = "{{ prefect.variables.%s }}"
for name in ("text", "number", "fraction", "true", "null", "list", "object", "asks-block", "nosuch"):
    name = name.replace("-", "_") if name == "asks_block" else name
    add(f"variable-{name}", pool="untyped", run={"env": {"V": V % name, "A": "1"}})
add("variable-inside-text", pool="untyped", run={"labels": {"l": f"{V % 'number'}-{V % 'true'}-{V % 'null'}-{V % 'nosuch'}-{V % 'list'}"}})
add("variable-image", pool="untyped", run={"image": V % "image"})
add("variable-as-labels", pool="untyped", run={"labels": {"a": V % "text"}, "name": V % "text"})

# --- 5.6 fields ---
many(
    "field",
    {
        "command": {"command": "sh -c 'a \"b\" $c' a\\ b ''"},
        "command-empty": {"command": ""},
        "command-comment": {"command": "#no comment"},
        "command-lines": {"command": "a\tb\nc  d "},
        "command-open-quote": {"command": "echo 'a"},
        "booleans": {"privileged": True, "stream_output": False},
        "memory": {"mem_limit": "512m", "memswap_limit": "1.5G"},
        "memory-plain": {"mem_limit": "100000b", "memswap_limit": "-1"},
        "memory-empty": {"mem_limit": ""},
        "memory-unit": {"mem_limit": "1t"},
        "nulls": {"command": None, "mem_limit": None, "memswap_limit": None, "network_mode": None, "container_create_kwargs": None},
        "stream-null-policy": {"image_pull_policy": None},
    },
)
many(
    "field",
    {
        "boolean-texts": {"privileged": "yes", "stream_output": "OFF"},
        "boolean-numbers": {"privileged": 1, "stream_output": 0},
        "boolean-wrong": {"privileged": "maybe"},
        "env-scalars": {"env": {"I": 5, "F": 1.0, "T": True, "N": False, "E": 1e5, "L": [1, "a"], "O": {"k": None}}},
        "env-list": {"env": ["A=1"]},
        "labels-number": {"labels": {"a": 1}},
        "policy-wrong": {"image_pull_policy": "always"},
        "networks-text": {"networks": "n"},
        "unknown": {"cpu": 4, "container_wait_timeout": 5},
        "memory-fractions": {"mem_limit": "1.999m", "memswap_limit": "1e7"},
        "memory-blanks": {"mem_limit": "12 m", "memswap_limit": "1_000k"},
    },
    pool="untyped",
)
add(
    "field-memory-number",
    pool="untyped",
    run={"mem_limit": 536870912},
    differs=Differs("`mem_limit`, `memswap_limit` as numbers", like="field-memory-same"),
)
add("field-memory-same", pool="untyped", run={"mem_limit": "512m"})
add(
    "field-null-labels",
    pool="untyped",
    run={"labels": None, "networks": None, "volumes": None, "privileged": None, "stream_output": None, "auto_remove": None},
    differs=Differs("null for a field without a null (`env`, `labels`, `image`, booleans, lists)", like="field-none-of-them"),
)
add("field-none-of-them", pool="untyped")
add("field-command-blanks", run={"command": "   "}, differs=Differs("`command` of blanks", like="plain"))
add("field-auto-remove", run={"auto_remove": True}, differs=Differs("`AutoRemove`", change={"body.HostConfig.AutoRemove": ABSENT}))

# --- 5.7 environment ---
EMPTY = Differs("a setting that is an empty text", change={"body.Env.PREFECT_CLOUD_UI_URL=": ABSENT})
add("environment-settings", worker="settings", differs=EMPTY)
add("environment-settings-over", worker="settings", differs=EMPTY, run={"env": {"PREFECT_LOGGING_LEVEL": "ERROR", "PREFECT_API_KEY": None}})
add("environment-profile", worker="profile")
add("environment-files", worker="files")
add("environment-run-id", run={"env": {"PREFECT__FLOW_RUN_ID": "mine", "PREFECT__WORKER_NAME": "other"}})
add("environment-run-id-unset", run={"env": {"PREFECT__FLOW_RUN_ID": None, "PREFECT_API_KEY": None}})
add("environment-odd-names", run={"env": {"": "empty", "A=B": "c", "Ü": "ü\n", "a b": "'"}})

# --- 5.8 network mode, API URL, extra hosts ---
NETWORKS = {
    "nothing": {},
    "bridge": {"network_mode": "bridge"},
    "host": {"network_mode": "host"},
    "none": {"network_mode": "none"},
    "empty-mode": {"network_mode": ""},
    "own-url": {"env": {"PREFECT_API_URL": "http://localhost:4200/api"}, "network_mode": "bridge"},
    "own-url-host": {"env": {"PREFECT_API_URL": "http://127.0.0.1:4200/api"}},
    "own-url-remote": {"env": {"PREFECT_API_URL": "https://api.prefect.cloud/api"}},
    "own-url-holds-localhost": {"env": {"PREFECT_API_URL": "http://notlocalhost.example.com/api"}},
    "own-url-dots": {"env": {"PREFECT_API_URL": "http://127a0b0c1.example/api"}},
    "own-url-internal": {"env": {"PREFECT_API_URL": "http://host.docker.internal:4200/api"}},
    "own-url-user": {"env": {"PREFECT_API_URL": "http://user@localhost:4200/api"}},
    "own-url-ipv6": {"env": {"PREFECT_API_URL": "http://[::1]:4200/api"}},
    "own-url-upper": {"env": {"PREFECT_API_URL": "http://LOCALHOST:4200/api"}},
    "own-url-no-scheme": {"env": {"PREFECT_API_URL": "localhost:4200/api"}},
    "no-url": {"env": {"PREFECT_API_URL": None}},
}
many("network", NETWORKS)
many("network-local", {name: NETWORKS[name] for name in ("nothing", "bridge", "own-url-remote", "no-url")}, worker="local")
many("network-named", {name: NETWORKS[name] for name in ("nothing", "bridge", "none")}, worker="named")
BY_API = "engine version for `host-gateway`"
GATEWAY = "host.docker.internal:host-gateway"
OLD = Differs(BY_API, change={"body.HostConfig.ExtraHosts": [GATEWAY]})
many("network-old", {name: NETWORKS[name] for name in ("nothing", "bridge")}, worker="old-engine", differs=OLD)
add(
    "network-old-hosts",
    worker="old-engine",
    run={"container_create_kwargs": {"extra_hosts": {"b": "1.2.3.4", "a": "::1"}}},
    differs=Differs(BY_API, change={"body.HostConfig.ExtraHosts": ["a:::1", "b:1.2.3.4", GATEWAY]}),
)
add("networks-one", run={"networks": ["n1"]})
add("networks-three", worker="local", run={"networks": ["n1", "n 2", "n3"]})
LOCAL_URL = "PREFECT_API_URL=http://127.0.0.1:<port>/api"
add(
    "networks-and-host",
    worker="local",
    run={"networks": ["n1"], "network_mode": "host"},
    differs=Differs(
        "`networks` together with `network_mode: host`",
        change={f"body.Env.{LOCAL_URL}": LOCAL_URL.replace("127.0.0.1", "host.docker.internal")},
    ),
)
add("networks-first-missing", run={"networks": ["missing1"]})
add("networks-empty-first", pool="untyped", run={"networks": [""]})

# --- 5.9 names ---
NAMES = {
    "plain": "Plain_name.1-2",
    "latin": "größe naïve Ærø ©",
    "cyrillic": "Привет мир",
    "greek": "Ελληνικά γράμματα",
    "quotes": "it's don’t «x» “y”",
    "numbers": "1,000,000 rows a,b",
    "entities": "caf&#233;s &lt;c&gt; &eacute; &nosuch; &#x41;",
    "ends": "--__..head tail-_.-",
    "blanks": "a  --  b\tc\nd",
    "long": "x" * 300,
    "long-dashes": "ab-" * 100,
    "signs": "10€ £5 ½ ² № ﬁ",
    "invisible": "zero\u200bwidth",
    "emoji": "run 🎉 end",
    "flow": "{{ ctx.flow.name }}-{{ ctx.flow_run.name }}",
    "ids": "{{ ctx.flow_run.id }}-{{ ctx.flow_run.flow_id }}-{{ctx.flow_run.deployment_id}}-{{ ctx.flow.id }}",
    "unknown": "{{ ctx.flow_run.nosuch }}",
    "unknown-inside": "x-{{ ctx.flow_run.nosuch }}-y",
}
many("name", {name: {"name": text} for name, text in NAMES.items()})
add("name-parameters", run_fields={"parameters": {"region": "eu west"}, "tags": ["b"]},
    run={"name": "{{ ctx.flow_run.parameters.region }}-{{ ctx.flow_run.tags[0] }}-{{ ctx.flow_run.run_count }}"})  # fmt: skip
add("name-null", run_fields={"parameters": {"n": None}}, run={"name": "{{ ctx.flow_run.parameters.n }}"})
add("name-of-the-run", run_name="Übung / 7")
add("name-empty", run={"name": ""}, run_name="x-1")
add("name-in-template", pool="name")
add("name-number", pool="untyped", run={"name": 5})
add("name-taken", run={"name": "taken"})
TOO_SHORT = "name that is empty or of one character"
add("name-one-letter", run={"name": "a"}, differs=Differs(TOO_SHORT, like="plain", change={"query.name": "run-<run-id-8>"}))
add("name-punctuation", run={"name": "!!!"}, differs=Differs(TOO_SHORT, like="plain", change={"query.name": "run-<run-id-8>"}))
# One tag: the server keeps them in no order.
add("name-list", run_fields={"tags": ["a-b"]}, run={"name": "{{ ctx.flow_run.tags }}"},
    differs=Differs("`name` whose placeholder gives a list, a number or an object", like="plain", change={"query.name": "a-b"}))  # fmt: skip
add("name-other-script", run={"name": "日本語 run"},
    differs=Differs("names in other scripts than Latin, Greek, Cyrillic", change={"query.name": "run"}))  # fmt: skip

# --- 5.10 images ---
many(
    "image",
    {
        "no-tag": {"image": "diff/image-no-tag"},
        "latest": {"image": "diff/image-latest:latest"},
        "registry": {"image": "r.example:5000/image-registry:2"},
        "registry-no-tag": {"image": "r.example:5000/image-registry-no-tag"},
        "digest": {"image": "diff/image-digest@sha256:" + "0" * 64},
        "absent": {"image": "absent/image-absent:1"},
        "absent-latest": {"image": "absent/image-absent-latest"},
        "absent-digest": {"image": "absent/image-absent-digest@sha256:" + "0" * 64},
        "tag-and-digest": {"image": "diff/image-tag-and-digest:1@sha256:" + "0" * 64},
        "gone": {"image": "gone/image-gone:1"},
        "stale": {"image": "stale/image-stale:latest"},
        "always": {"image": "diff/image-always:1", "image_pull_policy": "Always"},
        "never": {"image": "diff/image-never:latest", "image_pull_policy": "Never"},
        "never-absent": {"image": "absent/image-never-absent:1", "image_pull_policy": "Never"},
        "if-not-present": {"image": "diff/image-if-not-present", "image_pull_policy": "IfNotPresent"},
        "if-not-present-absent": {"image": "absent/image-if-not-present-absent", "image_pull_policy": "IfNotPresent"},
        "if-possible": {"image": "diff/image-if-possible:1", "image_pull_policy": "IfPossible"},
        "if-possible-stale": {"image": "stale/image-if-possible-stale:1", "image_pull_policy": "IfPossible"},
        "if-possible-gone": {"image": "gone/image-if-possible-gone:1", "image_pull_policy": "IfPossible"},
    },
)
add(
    "image-platform",
    run={"image": "diff/image-platform:latest", "container_create_kwargs": {"platform": "linux/arm64"}},
    differs=Differs("`platform` of `container_create_kwargs`", change={"pull.query.platform": "linux/arm64"}),
)
add("image-default", pool="untyped", worker="named", own_image=True)

# --- 5.11 labels ---
many(
    "labels",
    {
        "forms": {"labels": {"team": "x", "team/x": "y", "a.b.c/d/e": "z", "/k": "e", "x.": "5"}},
        "of-prefect": {"labels": {"io.prefect.version": "no", "prefect.io/version": "no", "prefect.io/flow-id": "mine"}},
        "over-prefect": {"labels": {"io.prefect.flow-run-name": "mine", "prefect.io/deployment-name": "mine too"}},
        "two-that-become-one": {"labels": {"a/b": "1", "a.b": "2", "d.c/": "4", "c.d": "3"}},
        "unicode": {"labels": {"ü": "ä\n\"", "empty": ""}},
        "of-sluice": {"labels": {"io.sluice.other": "x"}},
    },
)

# --- 5.12 volumes ---
many(
    "volumes",
    {
        "forms": {"volumes": ["/data:/data", "/ro:/ro:ro", "name:/n", "na.me-1_x:/m:rw", "/anonymous"]},
        "relative": {"volumes": [".:/a", "..:/b", "./x/../y:/c", "./.hidden//x/.:/f:ro"]},
        "twice": {"volumes": ["/data:/data", "/data:/data", "/other:/data"]},
        "windows": {"volumes": ["C:\\dir:/c", "c:\\dir\\sub:/c2:rw"]},
        "blanks": {"volumes": ["  /trim:/t  "]},
        "empty-list": {"volumes": []},
    },
    pool="untyped",
)
for name, volume in {"rel": "rel", "shell": "$(pwd):/x", "home": "~:/x", "target": "/a:rel", "option": "/a:/b:rx", "empty": ""}.items():
    add(f"volumes-bad-{name}", pool="untyped", run={"volumes": ["/ok:/ok", volume]})
add(
    "volumes-options",
    pool="untyped",
    run={"volumes": ["/a:/b:ro,z", "/c:/d:Z"]},
    differs=Differs("volume options besides `ro`, `rw`", like="volumes-two", change={"body.HostConfig.Binds": ["/a:/b:ro,z", "/c:/d:Z"]}),
)
add("volumes-two", pool="untyped", run={"volumes": ["/a:/b:ro", "/c:/d"]})
add("volumes-one-letter", pool="untyped", run={"volumes": ["b:/b:ro"]},
    differs=Differs("volumes named with one letter, of a UNC path, and `/`", change={"body.Volumes": {"/b": {}}}))  # fmt: skip

# --- 5.13 container_create_kwargs ---
GIBI = 1 << 30
KEYWORDS: dict[str, Json] = {
    "none": {},
    "init": {"init": True, "tty": True},
    "false-and-zero": {"init": False, "mem_swappiness": 0, "oom_kill_disable": False, "oom_score_adj": 0, "pids_limit": 0, "shm_size": 0},
    "entrypoint-text": {"entrypoint": "sh -c 'a b'"},
    "entrypoint-list": {"entrypoint": ["sh", "-c"]},
    "texts": {"working_dir": "/w", "user": 1000, "hostname": "h", "domainname": "d", "stop_signal": "SIGINT"},
    "network-disabled": {"network_disabled": True},
    "hosts": {"extra_hosts": {"b": "1.2.3.4", "a": "::1"}},
    "hosts-list": {"extra_hosts": ["b:1.2.3.4", "a:::1", "broken"]},
    "hosts-null": {"extra_hosts": None},
    "capabilities": {"cap_add": ["SYS_PTRACE"], "cap_drop": ["ALL"], "security_opt": ["seccomp=unconfined"], "group_add": [1000, "video"]},
    "empty-lists": {"cap_add": [], "dns": [], "tmpfs": [], "group_add": []},
    "sizes": {"shm_size": "64m", "mem_reservation": "100m", "kernel_memory": "1g"},
    "ulimits": {"ulimits": [{"name": "nofile", "soft": 1024, "hard": 2048}, {"Name": "core", "Soft": 0}]},
    "tmpfs": {"tmpfs": {"/run": "size=1m"}},
    "tmpfs-list": {"tmpfs": ["/run:size=1m", "/tmp", "/a:b:c"]},
    "log": {"log_config": {"type": "json-file", "config": {"max-size": "10m", "max-file": "3"}}},
    "log-upper": {"log_config": {"Type": "none", "Config": {}}},
    "cpus": {"nano_cpus": 500000000, "cpu_shares": 512, "cpu_quota": 50000, "cpu_period": 100000, "cpuset_cpus": "0-1", "pids_limit": 100},
    "real-time": {"cpu_rt_period": 1000, "cpu_rt_runtime": 900, "cpu_count": 1, "cpu_percent": 50, "oom_score_adj": -500},
    "modes": {"cgroupns": "host", "ipc_mode": "host", "pid_mode": "host", "userns_mode": "host", "uts_mode": "host", "runtime": "runc"},
    "dns": {"dns": ["1.1.1.1"], "dns_search": ["example"], "dns_opt": ["x"]},
    "sysctls": {"sysctls": {"net.core.somaxconn": 1024, "a": True, "n": None}},
    "mounts": {"mounts": [{"Target": "/a", "Source": "v", "Type": "volume", "ReadOnly": False}], "storage_opt": {"size": "10G"}},
    "blkio": {"blkio_weight": 300, "device_read_bps": [{"Path": "/dev/sda", "Rate": 1}], "device_cgroup_rules": ["c 1:3 mr"]},
    "read-only": {"read_only": True, "publish_all_ports": True, "cgroup_parent": "/p", "volume_driver": "local"},
    "fields-are-dropped": {"command": "no", "env": {"n": "o"}, "image": "no", "labels": {"n": "o"}, "volumes": ["/n:/o"], "init": True},
    "unknown": {"nosuch": 1},
    "stop-timeout": {"stop_timeout": 5},
    "userns-wrong": {"userns_mode": "x"},
    "number-as-text": {"cpu_shares": "1"},
    "size-unit": {"shm_size": "1x"},
    "hostname-number": {"hostname": 5},
    "dns-text": {"dns": "1.1.1.1"},
}
for name, keywords in KEYWORDS.items():
    add(f"keywords-{name}", pool="untyped", run={"container_create_kwargs": keywords})
MORE_KEYWORDS: dict[str, Json] = {
    "ports": {"ports": {"80": 8080, "81/udp": None, "82/tcp": ["83", {"HostIp": "127.0.0.1", "HostPort": "84"}], "90": []}},
    "devices": {"devices": ["/dev/null", "/dev/zero:/dev/z", "/dev/full:/dev/f:r", {"PathOnHost": "/dev/tty", "PathInContainer": "/t"}]},
    "device-requests": {"device_requests": [{"count": -1, "capabilities": [["gpu"]]}, {"Driver": "nvidia", "DeviceIDs": ["0"]}]},
    "healthcheck": {"healthcheck": {"test": "true", "interval": 1000000000, "retries": 3}},
    "healthcheck-list": {"healthcheck": {"Test": ["CMD", "true"], "Timeout": 2000000000, "start_period": 5}},
    "stdin": {"stdin_open": True},
    "detach": {"detach": True},
    "stdin-detach": {"stdin_open": True, "detach": True, "tty": True},
    "links": {"links": {"b": "y", "a": "x"}},
    "links-pairs": {"links": [["b", "y"], ["a", "x"]]},
    "volumes-from": {"volumes_from": ["one", "two:ro"]},
    "volumes-from-text": {"volumes_from": "one,two"},
    "lxc": {"lxc_conf": {"a": "b"}},
    "version": {"version": "1.30"},
    "networking-config": {"networking_config": {"n1": {"Aliases": ["x"]}}},
    "init-path": {"init_path": "/init"},
}
for name, keywords in MORE_KEYWORDS.items():
    add(f"keywords-{name}", pool="untyped", run={"container_create_kwargs": keywords})
WORKERS_OWN = "`environment`, `network` in `container_create_kwargs`"
add("keywords-environment", pool="untyped", run={"container_create_kwargs": {"environment": {"E": "1"}}},
    differs=Differs(WORKERS_OWN, like="keywords-none", change={"body.Env.": "E=1"}))  # fmt: skip
add(
    "keywords-network",
    pool="untyped",
    run={"container_create_kwargs": {"network": "n1"}},
    differs=Differs(
        WORKERS_OWN,
        like="keywords-none",
        change={"body.HostConfig.NetworkMode": "n1", "body.NetworkingConfig": {"EndpointsConfig": {"n1": {}}}},
    ),
)
add(
    "keywords-restart-policy",
    pool="untyped",
    run={"container_create_kwargs": {"restart_policy": {"Name": "on-failure", "MaximumRetryCount": 3}}},
    differs=Differs("`restart_policy` other than `no`", state="crashed"),
)
add("keywords-mac", pool="untyped", run={"container_create_kwargs": {"mac_address": "02:42:ac:11:00:02"}})
add("keywords-ports-local", worker="local", run={"container_create_kwargs": {"ports": {"80": 8080}}})
add("keywords-hosts-local", worker="local", run={"container_create_kwargs": {"extra_hosts": {"z": "1.1.1.1", "a": "2.2.2.2"}}})
add("keywords-hosts-over", worker="local", run={"container_create_kwargs": {"extra_hosts": {"host.docker.internal": "9.9.9.9"}}})
add("keywords-config-proxy", worker="proxies", run={"container_create_kwargs": {"use_config_proxy": True}, "env": {"HTTP_PROXY": "mine"}})
add("keywords-no-config-proxy", worker="proxies")
add("keywords-network-config-used", run={"networks": ["n1"], "container_create_kwargs": {"networking_config": {"n1": {"Aliases": ["x"]}}}})

# --- 5.14 credentials ---
LOGIN = {"username": "u", "password": "p", "registry_url": "r.example"}
LOGINS: dict[str, Json] = {
    "given": {"image": "r.example/absent/login-given:1", "registry_credentials": LOGIN},
    "hub": {"image": "absent/login-hub:1", "registry_credentials": LOGIN | {"registry_url": "docker.io"}},
    "hub-by-key": {"image": "absent/login-hub-by-key:1", "registry_credentials": LOGIN | {"registry_url": "https://index.docker.io/v1/"}},
    "elsewhere": {"image": "other.example/absent/login-elsewhere:1", "registry_credentials": LOGIN},
    "not-needed": {"image": "r.example/login-not-needed:1", "registry_credentials": LOGIN},
    "incomplete": {"image": "r.example/absent/login-incomplete:1", "registry_credentials": {"username": "u"}},
    "of-a-block": {"image": "r.example/absent/login-of-a-block:1", "registry_credentials": {"$ref": {"block_document_id": "<block login>"}}},
    "by-name": {
        "image": "absent/login-by-name:1",
        "registry_credentials": B % "docker-registry-credentials.login-hub",
    },
}
many("login", LOGINS, pool="untyped", worker="auths")
WITH_SCHEME = LOGIN | {"registry_url": "https://r.example/v2/"}
add(
    "login-url-with-scheme",
    pool="untyped",
    worker="auths",
    run={"image": "r.example/absent/login-url-with-scheme:1", "registry_credentials": WITH_SCHEME},
    differs=Differs(
        "`registry_credentials` whose `registry_url` has a scheme, where Docker's own configuration has a login too",
        change={"pull.headers.X-Registry-Auth": {"username": "u", "password": "p", "serveraddress": "https://r.example/v2/"}},
    ),
)
add(
    "login-wrong",
    pool="untyped",
    worker="auths",
    run={"image": "r.example/absent/login-wrong:1", "registry_credentials": LOGIN | {"password": "wrong"}},
    differs=Differs(
        "login",
        like="login-given",
        state="crashed",
        change={"pull.headers.X-Registry-Auth": {"username": "u", "password": "wrong", "serveraddress": "r.example"}},
    ),
)
add("login-of-the-pool", pool="login", worker="auths", run={"image": "r.example/absent/login-of-the-pool:1"})
many(
    "config",
    {
        "auth": {"image": "r.example/absent/config-auth:1"},
        "hub": {"image": "absent/config-hub:1"},
        "token": {"image": "token.example/absent/config-token:1"},
        "helper": {"image": "helper.example/absent/config-helper:1"},
        "none": {"image": "unknown.example/absent/config-none:1"},
        "given-other-user": {"image": "r.example/absent/config-given-other-user:1", "registry_credentials": LOGIN},
        "same-user-once": {
            "image": "r.example/absent/config-same-user-once:1",
            "registry_credentials": LOGIN | {"username": "cfg", "password": "other", "reauth": False},
        },
    },
    pool="untyped",
    worker="auths",
)

assert len({configuration.key for configuration in CONFIGURATIONS}) == len(CONFIGURATIONS)
