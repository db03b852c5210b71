#!/usr/bin/env python3
"""Write tests/data/settings-cases.json: what Prefect's worker hands on to containers of settings given in its environment and files.

Run it with the Python of the tests' virtual environment: make_settings_cases.py > settings-cases.json
Each case is a process of its own, in a folder of its own (@ in values), whose HOME is that folder.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ASK = """
import json, sys, warnings
warnings.simplefilter("ignore")
import prefect.context
from prefect.settings import get_current_settings
def ask():
    print(json.dumps(list(get_current_settings().to_environment_variables(exclude_unset=True).items())))
profile = sys.argv[1]
if profile and prefect.context.get_settings_context().profile.name != profile:
    with prefect.context.use_profile(profile, override_environment_variables=True):
        ask()
else:
    ask()
"""

PROFILES = """active = "prod"
[profiles.prod]
PREFECT_API_URL = "http://prod.example/api/"
PREFECT_API_KEY = "profile-key"
PREFECT_LOGGING_LEVEL = "warning"
PREFECT_RESULTS_PERSIST_BY_DEFAULT = true
PREFECT_API_REQUEST_TIMEOUT = 30
[profiles.other]
PREFECT_API_URL = "http://other.example/api"
PREFECT_RUNNER_POLL_FREQUENCY = "7"
[profiles.empty]
"""
API = {"PREFECT_API_URL": "http://127.0.0.1:4200/api"}


def case(name: str, environ: dict[str, str], files: dict[str, str] | None = None, profile: str = "") -> dict[str, Any]:
    return {"name": name, "environ": environ, "files": files or {}, "profile": profile}


def one(name: str, value: str) -> dict[str, Any]:
    return case(f"{name}={value}", {**API, name: value})


CASES = [
    case("nothing", {}),
    case("url", API),
    case("url with slashes", {"PREFECT_API_URL": "http://h:1/api//"}),
    case("names in any case", {"prefect_api_url": "http://h/api", "Prefect_Logging_Level": "info"}),
    case("unknown names", {**API, "PREFECT_UNKNOWN_SETTING": "1", "PREFECT_API_": "1", "PREFECT__FLOW_RUN_ID": "x", "OTHER": "y"}),
    case("secrets", {**API, "PREFECT_API_KEY": "k", "PREFECT_API_AUTH_STRING": "u:p"}),
    case("the worker's own", {**API, "PREFECT_WORKER_QUERY_SECONDS": "5", "PREFECT_WORKER_HEARTBEAT_SECONDS": "5.50"}),
    case("home", {**API, "PREFECT_HOME": "~/.p//"}),
    case("certificates", {**API, "PREFECT_API_SSL_CERT_FILE": "a.pem", "SSL_CERT_FILE": "b.pem"}, {"a.pem": "", "b.pem": ""}),
    case("certificates of the machine", {**API, "SSL_CERT_FILE": "b.pem"}, {"b.pem": ""}),
    case("debug mode", {**API, "PREFECT_DEBUG_MODE": "1", "PREFECT_LOGGING_LEVEL": "info"}),
    case("old and new name", {**API, "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": "s3/old", "PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK": "s3/new"}),
    case("old name only", {**API, "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": "s3/old", "PREFECT_TASK_DEFAULT_RETRIES": "3"}),
    case("cloud", {"PREFECT_API_URL": "https://api.prefect.cloud/api/accounts/a/workspaces/b", "PREFECT_API_KEY": "k"}),
    case("cloud of another address", {"PREFECT_CLOUD_API_URL": "https://c/api", "PREFECT_API_URL": "https://c/api/accounts/a"}),
    case("cloud with a smaller log", {**API, "PREFECT_CLOUD_API_URL": "http://127", "PREFECT_LOGGING_TO_API_MAX_LOG_SIZE": "100"}),
    *[one("PREFECT_API_ENABLE_HTTP2", v) for v in ("1", "TRUE", "y", "off", "maybe", " true")],
    *[one("PREFECT_CLIENT_MAX_RETRIES", v) for v in ("3", " 3 ", "+3", "3.0", "1_000", "007", "3.5", "x")],
    *[one("PREFECT_API_REQUEST_TIMEOUT", v) for v in ("30", "2.50", "1e3", "0.00001", ".5", "1_0.5", "x")],
    *[one("PREFECT_LOGGING_LEVEL", v) for v in ("warning", "Error", "LOUD")],
    *[one("PREFECT_CLIENT_RETRY_EXTRA_CODES", v) for v in ("504,500", "504", " 504 , 500,504", "[500, 404]", "x")],
    *[one("PREFECT_LOGGING_EXTRA_LOGGERS", v) for v in ("z,a", "b", "a,a", '["x", "b"]')],
    *[one("PREFECT_CLIENT_CUSTOM_HEADERS", v) for v in ('{"a":"b", "c" :"d:e,f"}', "{}")],
    *[one("PREFECT_TASKS_DEFAULT_RETRY_DELAY_SECONDS", v) for v in ("5", "10,2.5")],
    *[one("PREFECT_FLOWS_DEFAULT_RETRY_DELAY_SECONDS", v) for v in ("5", "2.5", "[10, 2]")],
    one("PREFECT_RUNNER_POLL_FREQUENCY", "5"),
    one("PREFECT_LOCAL_STORAGE_PATH", "/a//b/"),
    case("profile", {}, {".prefect/profiles.toml": PROFILES}),
    case("profile and environment", {"PREFECT_API_KEY": "own", "PREFECT_LOGGING_LEVEL": "DEBUG"}, {".prefect/profiles.toml": PROFILES}),
    case("another profile", {"PREFECT_PROFILE": "other"}, {".prefect/profiles.toml": PROFILES}),
    case("profile without settings", {**API, "PREFECT_PROFILE": "empty"}, {".prefect/profiles.toml": PROFILES}),
    case("unknown profile", {**API, "PREFECT_PROFILE": "nope"}, {".prefect/profiles.toml": PROFILES}),
    case("unknown active profile", API, {".prefect/profiles.toml": 'active = "nope"\n[profiles.a]\n'}),
    case("no active profile", API, {".prefect/profiles.toml": '[profiles.a]\nPREFECT_API_KEY = "k"\n'}),
    case("profiles path", {"PREFECT_PROFILES_PATH": "p.toml"}, {"p.toml": PROFILES}),
    case("profiles path in .env", {}, {".env": "PREFECT_PROFILES_PATH=p.toml\n", "p.toml": PROFILES}),
    case("profiles path in prefect.toml", {}, {"prefect.toml": 'profiles_path = "p.toml"\n', "p.toml": PROFILES}),
    case("profiles below the home of Prefect", {"PREFECT_HOME": "h"}, {"h/profiles.toml": PROFILES}),
    case("chosen profile beats the environment", {**API, "PREFECT_API_KEY": "own"}, {".prefect/profiles.toml": PROFILES}, "other"),
    case("chosen profile is the active one", API, {".prefect/profiles.toml": PROFILES}, "prod"),
    case("chosen built-in profile", {}, {".prefect/profiles.toml": PROFILES}, "local"),
    case(
        "every source",
        {"PREFECT_API_URL": "http://env/api"},
        {
            ".env": "PREFECT_API_URL=http://dotenv/api\nprefect_api_key='dotenv'\nOTHER=1\n",
            "prefect.toml": '[api]\nkey = "toml"\nauth_string = "toml:p"\n[logging]\nlevel = "error"\n',
            "pyproject.toml": '[tool.prefect.api]\nauth_string = "pyproject:p"\nrequest_timeout = 5\n[tool.prefect.logging]\nlevel = "info"\n',
            ".prefect/profiles.toml": PROFILES,
        },
    ),
    case(
        "lists and tables in files",
        API,
        {
            "prefect.toml": '[client]\nretry_extra_codes = [504, 500]\n[client.custom_headers]\nX-A = "b\\"c"\n"X-D" = "e"\n',
            "pyproject.toml": '[tool.prefect.logging]\nextra_loggers = ["z", "a"]\n[tool.prefect.client.metrics]\nenabled = true\n',
        },
    ),
    case("old name in a stronger source", {**API, "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK": "s3/env"}, {"prefect.toml": '[results]\ndefault_storage_block = "s3/toml"\n'}),
]


def answer(given: dict[str, Any]) -> list[list[str]] | None:
    """The pairs in their order; None: Prefect refuses it."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in given["files"].items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        environ = {"HOME": folder, "PATH": os.environ["PATH"], **given["environ"]}
        command = [sys.executable, "-c", ASK, given["profile"]]
        ran = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True)
        if ran.returncode != 0:
            return None
        return [[key, value.replace(folder, "@")] for key, value in json.loads(ran.stdout)]


json.dump([{**given, "forwarded": answer(given)} for given in CASES], sys.stdout, indent=1)
print()
