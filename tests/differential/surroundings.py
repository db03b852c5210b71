"""What the configurations live in: templates of work pools, workers' environments, blocks and variables; all data."""

import copy
import importlib.util
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
DEFAULT_TEMPLATE: Json = json.loads((ROOT / "api/docker-base-job-template.json").read_text())
FIELDS = tuple(DEFAULT_TEMPLATE["job_configuration"])

# Written as "<block NAME>" wherever the id of a block is wanted.
BLOCKS: dict[str, tuple[str, Json]] = {
    "secret": ("secret", {"value": "s3cret"}),
    "number": ("plain-value", {"value": 7}),
    "object": ("plain-value", {"value": {"k": ["a", {"n": 1}], "value": "inner"}}),
    "settings": ("plain-fields", {"host": "db.example", "port": 5432, "tags": ["x", "y"], "more": {"deep": True, "n": None}}),
    "two-levels": ("plain-fields", {"pattern": "<{{ prefect.variables.text }}>"}),
    "env": ("plain-fields", {"FROM_BLOCK": "1", "A": "block"}),
    "login": ("docker-registry-credentials", {"username": "u", "password": "p", "registry_url": "r.example"}),
    "login-hub": (
        "docker-registry-credentials",
        {"username": "u", "password": "p/w+", "registry_url": "https://index.docker.io/v1/", "reauth": True},
    ),
    "login-wrong": ("docker-registry-credentials", {"username": "u", "password": "wrong", "registry_url": "r.example"}),
    "login-once": (
        "docker-registry-credentials",
        {"username": "cfg", "password": "other", "registry_url": "r.example", "reauth": False},
    ),
}
VARIABLES: dict[str, Any] = {
    "text": "from a variable",
    "number": 12,
    "fraction": 1.50,
    "true": True,
    "null": None,
    "list": ["a", 1, None, True, "it's"],
    "object": {"k.one": "v1", "k.two": 2, "in": {"f": False}},
    "image": "diff/variable-image:1",
    "asks-block": "{{ prefect.blocks.secret.secret }}",
    "network_mode": "bridge",
}


PLACEHOLDER = re.compile(r"{{\s*([\w.\-\[\]$]+)\s*}}")


def default_with(configuration: Json | None = None, properties: Json | None = None) -> Json:
    """The official default template with changes."""
    changed = copy.deepcopy(DEFAULT_TEMPLATE)
    changed["job_configuration"].update(configuration or {})
    changed["variables"]["properties"].update(properties or {})
    return changed


def untyped(configuration: Json | None = None, **defaults: Any) -> Json:
    """All fields, whose values the server does not check; further names as they stand in the configuration."""
    job = {name: "{{ %s }}" % name for name in FIELDS} | (configuration or {})
    # The server wants each to be declared.
    names = set(PLACEHOLDER.findall(json.dumps(job, ensure_ascii=False))) | set(defaults)
    properties = {name: {"default": defaults[name]} if name in defaults else {} for name in sorted(names)}
    return {"job_configuration": job, "variables": {"type": "object", "properties": properties}}


def server_made() -> Json:
    """What the server itself proposes for a Docker pool: an older form, without some of the fields."""
    package = Path(importlib.util.find_spec("prefect").origin).parent  # type: ignore[union-attr, arg-type]
    views = json.loads((package / "server/api/collections_data/views/aggregate-worker-metadata.json").read_text())
    return views["prefect-docker"]["docker"]["default_base_job_configuration"]


TEMPLATES: dict[str, Json] = {
    "default": DEFAULT_TEMPLATE,
    "untyped": untyped(),
    "server-made": server_made(),
    "env-default": default_with(properties={"env": {"type": "object", "default": {"P": "p", "A": "p {{ image }}"}}}),
    "env-object": untyped({"env": {"FIXED": "1", "I": "x-{{ image }}-y", "N": "{{ nothing }}", "H": "{{ $HERE }}", "A": "j"}}),
    "env-both": untyped({"env": {"J": "j", "B": "j"}}, env={"B": "p", "C": "p"}),
    "placeholders": untyped(
        {
            "labels": {
                "whole": "{{ x }}",
                "inside": "<{{ x }}>",
                "twice": "{{ x }}{{x}}",
                "two": "{{ a }}-{{  b  }}",
                "many": "{{ a }}{{ b }}{{ c }}{{ d }}{{ e }}.",
                "absent": "{{ nothing }}",
                "absent-inside": "x{{ nothing }}y",
                "path": "{{ x.image }}",
                "path-in-list": "-{{ x.list[1].k }}{{ x.list[0] }}{{ x.list[-1].k }}{{ x.list[9] }}",
                "numbers-as-parts": "-{{ x.list.0 }}{{ x.5 }}",
                "own": "{{ $HERE }}{{ $NONE }}{{$HERE}}",
                "own-whole": "{{ $NONE }}",
                "no-placeholder": "{{{ a }}} {{ a b }} {{}} { { a } } {{ a }",
                "spaces": "{{  a\u00a0}}",
                "unicode": "{{ größe }}",
            }
        },
        größe="L",
        a="A",
    ),
    "lists": untyped({"networks": ["{{ nothing }}", "n-{{ a }}", "{{ b }}"], "volumes": ["/{{ a }}:/x", "{{ c }}"]}, a="A"),
    "defaults": untyped(image="diff/of-the-pool:1", command="c", auto_remove=False, mem_limit="0", name=None, labels={"l": "p"}),
    "name": untyped({"name": "x-{{ ctx.flow.name }}-y"}),
    "kwargs": untyped({"container_create_kwargs": {"init": "{{ init }}", "shm_size": "{{ nothing }}", "hostname": "h-{{ a }}"}}, a=5),
    "unknown-keys": untyped({"cpu": "{{ image }}", "container_wait_timeout": 5, "nothing": {"a": ["{{ x }}"]}}),
    "references": untyped(
        {
            "env": {
                "S": "{{ prefect.blocks.secret.secret }}",
                "V": "{{ prefect.variables.text }}",
                "MIXED": "{{ a }} {{ prefect.variables.number }} {{ prefect.blocks.plain-fields.settings.host }}",
            },
            "network_mode": "{{ prefect.variables.network_mode }}",
        },
        a="A",
    ),
    "login": untyped(registry_credentials={"$ref": {"block_document_id": "<block login>"}}),
}

DOCKER_AUTHS = {
    "auths": {
        "r.example": {"auth": "Y2ZnOmZyb20tY29uZmln"},  # cfg:from-config
        "https://index.docker.io/v1/": {"auth": "aHViOmh1Yi1wYXNz"},  # hub:hub-pass
        "token.example": {"identitytoken": "the-token"},
    },
    "credHelpers": {"helper.example": "differential"},
}
DOCKER_PROXIES = {
    "proxies": {"default": {"httpProxy": "http://proxy.example:3128", "httpsProxy": "http://proxy.example:3129", "noProxy": "a,b"}}
}


@dataclass(frozen=True)
class Surroundings:
    """A worker's: where it finds the server (remote, local, named), its environment, files of its working folder."""

    server: str = "remote"
    name: str = "w 1"
    environment: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)  # below its working folder; home/ is PREFECT_HOME
    docker_config: Json = field(default_factory=dict)
    engine_version: str = "20.10.24"
    url_from_files: bool = False  # PREFECT_API_URL is not in the environment: a file has it, as URL


WORKERS: dict[str, Surroundings] = {
    "remote": Surroundings(),
    "local": Surroundings(server="local"),
    "named": Surroundings(server="named"),
    "old-engine": Surroundings(server="local", engine_version="19.03.15"),
    "odd-name": Surroundings(name="Wörker №1 \"x\""),
    "settings": Surroundings(
        environment={
            "PREFECT_LOGGING_LEVEL": "debug",
            "PREFECT_LOGGING_SERVER_LEVEL": "warning",
            "PREFECT_LOGGING_LOG_PRINTS": "1",
            "PREFECT_LOGGING_COLORS": "no",
            "PREFECT_LOGGING_EXTRA_LOGGERS": "z,a, b",
            "PREFECT_LOGGING_TO_API_BATCH_INTERVAL": "3",
            "PREFECT_API_REQUEST_TIMEOUT": "30",
            "PREFECT_API_ENABLE_HTTP2": "false",
            "PREFECT_RUNNER_POLL_FREQUENCY": "5",
            "PREFECT_RUNNER_HEARTBEAT_FREQUENCY": "30",
            "PREFECT_CLIENT_RETRY_EXTRA_CODES": "504,500",
            "PREFECT_CLIENT_RETRY_JITTER_FACTOR": "1",
            "PREFECT_CLIENT_MAX_RETRIES": "04",
            "PREFECT_CLIENT_CUSTOM_HEADERS": '{"X-One": "1"}',
            "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": "s3/x",
            "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "yes",
            "PREFECT_TASK_DEFAULT_RETRIES": "2",
            "PREFECT_TASKS_DEFAULT_RETRY_DELAY_SECONDS": "5",
            "PREFECT_FLOWS_DEFAULT_RETRIES": "1",
            "PREFECT_UNKNOWN_SETTING": "x",
            "PREFECT_API_NOSUCH": "x",
            "PREFECT_UI_URL": "http://ui.example/",
            "PREFECT_DEBUG_MODE": "off",
            "PREFECT_CLOUD_UI_URL": "",
            "PREFECT_WORKER_PREFETCH_SECONDS": "7",
            "NOT_PREFECT": "x",
        }
    ),
    "profile": Surroundings(
        url_from_files=True,
        files={
            "home/profiles.toml": 'active = "a"\n[profiles.a]\nPREFECT_API_URL = "URL"\nPREFECT_LOGGING_LEVEL = "WARNING"\n'
            'PREFECT_RESULTS_PERSIST_BY_DEFAULT = true\nPREFECT_CLIENT_MAX_RETRIES = 3\nPREFECT_TASKS_DEFAULT_RETRIES = "4"\n'
            '[profiles.b]\nPREFECT_LOGGING_LEVEL = "ERROR"\n'
        },
        environment={"PREFECT_TASKS_DEFAULT_RETRIES": "5"},
    ),
    "files": Surroundings(
        files={
            "home/profiles.toml": 'active = "a"\n[profiles.a]\nPREFECT_LOGGING_LEVEL = "WARNING"\nPREFECT_FLOWS_DEFAULT_RETRIES = "9"\n',
            ".env": "PREFECT_LOGGING_LEVEL=ERROR\nOTHER=x\n",
            "prefect.toml": '[results]\ndefault_storage_block = "s3/toml"\n[flows]\ndefault_retries = 8\n[logging]\nlevel = "INFO"\n',
        }
    ),
    "auths": Surroundings(docker_config=DOCKER_AUTHS),
    "proxies": Surroundings(docker_config=DOCKER_PROXIES),
}
