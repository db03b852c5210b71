#!/usr/bin/env python3
"""Write jobspec-cases.json: what the official Docker worker makes of job configurations.

Needs prefect 3.8.8 and prefect-docker 0.7.4 (pip install prefect==3.8.8 prefect-docker==0.7.4), neither a server nor
an engine: the real classes resolve the configuration and build the request, and the request is caught where docker-py
would send it. Run it in this folder; without changes of versions or cases it writes the same file again.

A case with "ours" is a deliberate difference: "ours" is what sluice must give instead, "why" says why.
"""

import asyncio
import copy
import json
import os
import pathlib
import tempfile
import uuid
import warnings

HERE = pathlib.Path(__file__).resolve().parent
for name in [name for name in os.environ if name.startswith(("PREFECT_", "DOCKER_"))]:
    del os.environ[name]
os.environ["HOME"] = os.environ["PREFECT_HOME"] = tempfile.mkdtemp()
warnings.simplefilter("ignore")

import docker  # noqa: E402
from docker.utils.proxy import ProxyConfig  # noqa: E402
import prefect.workers.base  # noqa: E402
import prefect_docker.worker as official  # noqa: E402
from prefect.client.schemas.objects import Flow, FlowRun, WorkPool  # noqa: E402
from prefect.client.schemas.responses import DeploymentResponse  # noqa: E402

TEMPLATE = json.loads((HERE / "../../api/docker-base-job-template.json").read_text())

DEFAULTS = {
    "deployment_variables": {},
    "run_variables": {},
    "flow_run_id": "9cbc73f1-52d4-41c9-8e06-1c2c934f169e",
    "flow_run_name": "sophisticated-heron",
    "flow_run_json": None,
    "flow_id": "62069e31-5965-4bb9-9f78-50f6d26eff79",
    "flow_name": "f2",
    "deployment_id": "4b9dc601-a385-4946-88e6-7c27a77f2c56",
    "deployment_name": "d-1fd024",
    "deployment_updated": "2026-11-23T02:14:43.797123Z",
    "pool_id": "d2596db4-9ee0-4848-bbd0-7ac7c3207dcd",
    "pool_name": "mypool",
    "worker_name": "w 2",
    "worker_id": "",
    "prefect_version": prefect.__version__,
    "api_url": "http://prefect.example:4200/api",
    "forwarded": {"PREFECT_API_URL": "http://prefect.example:4200/api"},
    "default_image": official.get_prefect_image_name(),
    "working_directory": "/srv/worker",
    "engine_version": "20.10.24",
    "engine_api_version": "1.41",
    "environment": {},
    "docker_proxies": None,
    "proxy_environment": {},
}
LOCAL = {"api_url": "http://127.0.0.1:4200/api", "forwarded": {"PREFECT_API_URL": "http://127.0.0.1:4200/api"}}
NAMED = {"api_url": "http://localhost:4200/api", "forwarded": {"PREFECT_API_URL": "http://localhost:4200/api"}}

CASES = []


def case(title, ours=None, why=None, **inputs):
    """ours: {"error": part of the sentence}, or the members of the result that differ."""
    CASES.append({"title": title, "input": inputs, "ours": ours, "why": why})


def run_with(title, ours=None, why=None, **variables):
    case(title, ours, why, run_variables=variables)


def template(configuration=None, properties=None, **more):
    """The default template with changes."""
    changed = copy.deepcopy(TEMPLATE)
    changed["job_configuration"].update(configuration or {})
    changed["variables"]["properties"].update(properties or {})
    changed.update(more)
    return changed


def plain(configuration, **defaults):
    """A small template; a variable whose default is the class `object` has none."""
    properties = {k: {} if v is object else {"default": v} for k, v in defaults.items()}
    return {"job_configuration": configuration, "variables": {"properties": properties}}


# --- the whole, defaults ---
case("defaults, server elsewhere")
case("no deployment", deployment_id="", deployment_name="", deployment_updated="")
case("deployment never updated", deployment_updated="")
case("deployment updated with an offset", deployment_updated="2026-11-23T02:14:43.5+02:00")
case("deployment updated on a full second", deployment_updated="2026-01-01T00:30:00+01:00")
case("a worker id", worker_id="11111111-2222-3333-4444-555555555555")
case("forwarded settings keep their order", forwarded={"PREFECT_LOGGING_LEVEL": "DEBUG", "PREFECT_API_URL": "http://p.example/api",
     "PREFECT_API_KEY": "secret", "PREFECT_CLIENT_MAX_RETRIES": "5"})

# --- env ---
run_with("env of the run", env={"A": "1", "B": "two words", "C": ""})
case("env of the deployment", deployment_variables={"env": {"A": "d", "B": "d"}})
case("env of run over deployment", deployment_variables={"env": {"A": "d", "B": "d"}}, run_variables={"env": {"B": "r", "C": "r"}})
case("env: null unsets", deployment_variables={"env": {"A": "d", "B": "d"}}, run_variables={"env": {"A": None}})
case("env: pool default, deployment and run", template=template(properties={"env": {"type": "object", "default": {"P": "p", "A": "p"}}}),
     deployment_variables={"env": {"A": "d", "B": "d"}}, run_variables={"env": {"B": "r", "P": None}})
case("env: empty object of the run keeps the pool's", template=template(properties={"env": {"default": {"P": "p"}}}), run_variables={"env": {}})
case("env: object in the template", template=template({"env": {"FIXED": "1", "A": "{{ image }}"}}), run_variables={"env": {"A": "r", "B": "r"}})
case("env: placeholders in values of an object are filled", template=template({"env": {"FIXED": "x-{{ image }}-y", "N": "{{ nothing }}"}}),
     run_variables={"image": "busybox:1"})
case("env: placeholders in values stay without a pool default", run_variables={"env": {"A": "{{ image }}"}, "image": "busybox:1"})
case("env: placeholders in values are filled with one", template=template(properties={"env": {"default": {"P": "p"}}}),
     run_variables={"env": {"A": "{{ image }} {{ $HERE }}"}, "image": "busybox:1"}, environment={"HERE": "there"})
case("env: object in the template and a pool default", template=template({"env": {"J": "j", "B": "j"}}, {"env": {"default": {"B": "p", "C": "p"}}}),
     run_variables={"env": {"C": "r"}})
run_with("env: numbers and booleans", env={"I": 5, "F": 1.0, "G": 2.50, "T": True, "N": False, "E": 1e5, "S": 1e-7, "L": 1e22, "D": 0.00012, "Z": -0.0})
run_with("env: whole numbers beyond a double", env={"BIG": 9007199254740993, "HUGE": 123456789012345678901234567890})
run_with("env: lists and objects", env={"L": ["a", 1, None, True, "it's", 'a "b"', "line\nend", "é\u200b"], "O": {"a": {"b": []}}})
run_with("env: dotted keys", **{"env.FOO": "x", "env.BAR": "y"})
case("env: dotted in deployment, object in run", deployment_variables={"env.FOO": "d", "env.BAR": "d"}, run_variables={"env": {"FOO": "r"}})
run_with("env: deeper dotted keys become Python text", **{"env.A.B": "x"})
run_with("env: brackets in dotted keys", **{"env.X[y]": "z"})
run_with("env: dotted path through text", ours={"error": "env.A"}, **{"env.A": "x", "env.A.B": "y"})
run_with("env: own API URL is not rewritten", env={"PREFECT_API_URL": "http://localhost:4200/api"}, network_mode="bridge")
run_with("env: API URL unset", env={"PREFECT_API_URL": None})
case("env: API URL unset, local server", run_variables={"env": {"PREFECT_API_URL": None}}, **LOCAL)
run_with("env: run id overridden", env={"PREFECT__FLOW_RUN_ID": "mine"})
run_with("env: a list", ours={"error": "env"}, env=["A=1"])
run_with("env: text", ours={"error": "env"}, env="A=1")
case("env: null of the run", ours={"same_as": "env of the deployment"}, why="the official worker crashes; nothing is no reason to",
     deployment_variables={"env": {"A": "d", "B": "d"}}, run_variables={"env": None})
run_with("env: null without a deployment's", ours={"same_as": "defaults, server elsewhere"}, why="null means the default in every field", env=None)

# --- placeholders ---
case("typed value", template=plain({"image": "{{ image }}", "auto_remove": "{{ remove }}", "networks": "{{ nets }}"}, image="busybox:1", remove=True, nets=["a"]))
case("text in text", template=plain({"image": "{{ registry }}/{{name}}:{{  tag  }}"}, registry="r.example:5000", name="app", tag=7))
case("absent names", template=plain({"image": "busybox:{{ tag }}1", "command": "{{ nothing }}", "labels": {"a": "{{ nothing }}", "b": "x{{ nothing }}y"},
     "networks": ["{{ nothing }}", "n"]}))
case("null as a whole", template=plain({"image": "busybox:1", "command": "{{ c }}", "labels": {"b": "x{{ c }}y"}}, c=object), run_variables={"c": None})
case("Python text of values", template=plain({"image": "busybox:1", "labels": {"l": "{{ a }}-{{ b }}-{{ c }}-{{ d }}-{{ e }}"}}, a=True, b=1.50, c=[1, "x"], d={"k.one": 'v"', "n": None}, e=10))
case("paths", template=plain({"image": "{{ x.image }}", "labels": {"a": "{{ x.list[1].k }}", "b": "{{ x.list[0] }}{{ x.list[-1].k }}{{ x.list[9] }}",
     "c": "{{ x.image[0] }}{{x.image.tag}}", "d": "{{ x.list.0 }}{{ x.5 }}"}}, x={"image": "busybox:1", "list": ["zero", {"k": "deep"}], "5": "five"}))
case("environment of the worker", template=plain({"image": "{{ $IMAGE }}", "command": "sh -c '{{ $NONE }}{{$A}}{{ $$A }}'"}), environment={"IMAGE": "busybox:1", "A": "a"})
case("braces that are none", template=plain({"image": "busybox:1", "labels": {"a": "{{{ x }}}", "b": "{{ x y }}", "c": "{{}}", "d": "{ { x } }", "e": "{{ x }", "f": "{{\n\tx\u00a0}}", "g": "{{ größe }}", "h": "{{a–b}}"}}, x="X", größe="L"))
case("values are not scanned again", template=plain({"image": "busybox:1", "labels": {"a": "<{{ x }}>"}}, x="{{ y }}", y="Y"))
case("same placeholder twice", template=plain({"image": "busybox:1", "labels": {"a": "{{ x }}{{ x }}", "b": "{{x}}{{ x }}"}}, x="X"))
case("plain over dotted", template=plain({"image": "busybox:1", "labels": "{{ labels }}"}, labels=object), run_variables={"labels": {"a": "plain"}, "labels.a": "dot", "labels.b": "dot"})
case("text over dotted", template=plain({"image": "{{ v }}"}, v=object), run_variables={"v.a": "x", "v": "busybox:1"})
case("default over by deployment and run", template=plain({"image": "{{ v }}:{{ w }}"}, v="a", w="1"), deployment_variables={"v": "b", "w": "2"}, run_variables={"w": "3"})
case("defaults of false and zero count, null does not", template=plain({"image": "busybox:1", "labels": {"a": "{{ f }}{{ z }}{{ n }}."}}, f=False, z=0, n=None))
case("unknown keys of the template", template=template({"cpu": "{{ image }}", "container_wait_timeout": 5}))
case("no variables in the schema", template={"job_configuration": {"image": "busybox:1"}, "variables": {}})
case("no job_configuration", ours={"error": "job_configuration"}, template={"variables": {}})
run_with("registry credentials",
         registry_credentials={"username": "u", "password": "p", "registry_url": "r.example"})
run_with("container_create_kwargs, empty", container_create_kwargs={})

# --- command ---
for command in ["echo hi", "sh -c 'a \"b\" $c'", "a\\ b c\\\\d", "\"x \\\" \\n y\" ''", "a''b \"\"", "tab\tnew\nline", "  lead and trail  ", "#no comment", ""]:
    run_with(f"command {command!r}", command=command)
run_with("command: open quote", ours={"error": "command"}, command="echo 'a")
run_with("command: backslash at the end", ours={"error": "command"}, command="echo \\")
run_with("command: a list", ours={"error": "command"}, command=["echo"])
run_with("command: blanks only", ours={"same_as": "defaults, server elsewhere"}, why="an empty Cmd would run the image's own command instead of the flow", command="   ")

# --- image and policy ---
for image in ["busybox", "busybox:latest", "busybox:1", "r.example:5000/app", "r.example:5000/app:2", "a/b@sha256:" + "0" * 64,
              "app:1@sha256:" + "0" * 64, "localhost/app:latest", "", "app:"]:
    run_with(f"image {image!r}", image=image)
for policy in ["IfNotPresent", "Always", "IfPossible", "Never"]:
    run_with(f"image_pull_policy {policy}", image="busybox", image_pull_policy=policy)
run_with("image_pull_policy: unknown", ours={"error": "image_pull_policy"}, image_pull_policy="always")
run_with("image_pull_policy: empty", ours={"error": "image_pull_policy"}, image_pull_policy="")
run_with("image: number", ours={"error": "image"}, image=5)
run_with("image: null", ours={"same_as": "defaults, server elsewhere"}, why="null means the default in every field", image=None)

# --- labels ---
run_with("labels", labels={"team": "x", "team/x": "y", "a.b.c/d/e": "z", "/k": "e", "io.prefect.version": "no", "prefect.io/version": "no",
                           "prefect.io/flow-id": "mine", "io.prefect.flow-name": "mine"})
run_with("labels: two that become one", labels={"a/b": "1", "a.b": "2", "c.d": "3", "d.c/": "4", "x.": "5"})
run_with("labels: dotted keys", **{"labels.k": "v"})
run_with("labels: number", ours={"error": "labels"}, labels={"a": 1})
run_with("labels: null inside", ours={"error": "labels"}, labels={"a": None})
run_with("labels: null", ours={"same_as": "defaults, server elsewhere"}, why="null means the default in every field", labels=None)

# --- names ---
NAMES = ["plain", "f2-x/%", "größe naïve Ærø ©", "Привет мир", "Ελληνικά γράμματα", "it's", "don’t", "1,000,000 rows", "a,b 1,b", "caf&#233;s", "&lt;c&gt;",
         "&eacute;", "&amp;#65;", "&#x41;&#66;", "&#1114112;&#66;", "&#X41;", "&nosuch;", "&#1087;", "&frac12;", "tail-_.-", "--__..head", "UPPER_lower.1-2",
         "a  --  b", "x" * 300, "ab-" * 100, "-" + "y" * 260, "zero\u200bwidth", "ﬁne ½ ²", "Ⅷ №5 ㎏"[:4], "𝓗ello 𝟗", "ＡＢｃ１", "e\u0301clair", "żółć ŁÓDŹ", "10€ £5 ¥3",
         "«quotes» “these” ‘those’", "Ҙ Ғ ґ", "emoji 🎉 end", "tab\tnew\nline", "a'b''c", "’’x’", "ss – dash — em", "ǅ ĳ ŉ", "{{ $HERE }}-x", "a★b✓c➤d", "x▼y◯z", "xᶜᶠy ꟹ ￥5", "x␀y☃z"]
for name in NAMES:
    case(f"name {name[:40]!r}", run_variables={"name": name}, environment={"HERE": "there"})
for name in ["!!!", "a", "_", "é", "🎉", "\u202e\u202d", "-_."]:
    case(f"name {name!r}, too short", run_variables={"name": name})
case("name 'Ⅷ ㎏ 日本語 run'", ours={"name": "VIII-run"}, why="other scripts are not transliterated", run_variables={"name": "Ⅷ ㎏ 日本語 run"})
case("name of the run", flow_run_name="größe/7")
case("name: null", flow_run_name="x-1", run_variables={"name": None})
case("name: empty", flow_run_name="x-1", run_variables={"name": ""})
case("name with ctx", run_variables={"name": "{{ ctx.flow.name }}-{{ ctx.flow_run.name }}-{{ ctx.flow_run.id }}-{{ ctx.flow_run.flow_id }}-{{ctx.flow_run.deployment_id}}"})
case("name with ctx of the whole run", flow_run_json={"tags": ["a", "b"], "run_count": 3, "parameters": {"region": "eu west"}},
     run_variables={"name": "{{ ctx.flow_run.parameters.region }}-{{ ctx.flow_run.tags[1] }}-{{ ctx.flow_run.run_count }}-{{ ctx.flow_run.nosuch }}"})
case("name that is an unknown ctx", flow_run_json={}, run_variables={"name": "{{ ctx.flow_run.nosuch }}"})
case("name that is a null ctx", flow_run_json={}, run_variables={"name": "{{ ctx.flow_run.parent_task_run_id }}"})
case("name that is a list", ours={"same_as": "name that is a null ctx", "name": "a-b"}, why="the official worker crashes; its text makes a name", flow_run_json={"tags": ["a", "b"]},
     run_variables={"name": "{{ ctx.flow_run.tags }}"})
case("name with ctx in the template is blanked", template=template({"name": "x-{{ ctx.flow.name }}-y"}))
run_with("name: number", ours={"error": "name"}, name=5)

# --- network ---
case("local server by address", **LOCAL)
case("local server by name", **NAMED)
case("local server, mode bridge", run_variables={"network_mode": "bridge"}, **LOCAL)
case("local server, mode host", run_variables={"network_mode": "host"}, **NAMED)
case("local server, networks", run_variables={"networks": ["a", "b", "c"]}, **LOCAL)
case("local server, empty mode", run_variables={"network_mode": ""}, **LOCAL)
case("local server, one network", run_variables={"networks": ["a"]}, **LOCAL)
case("networks and mode host", ours={"same_as": "local server, one network"}, why="the container is in the network, where 127.0.0.1 is itself", run_variables={"networks": ["a"], "network_mode": "host"}, **LOCAL)
case("networks and mode bridge", run_variables={"networks": ["a"], "network_mode": "bridge"}, **LOCAL)
case("a first network without a name and mode host", run_variables={"networks": [""], "network_mode": "host"}, **LOCAL)
case("one network", run_variables={"networks": ["a"]})
case("a first network without a name", run_variables={"networks": [""]})
run_with("a second network without a name", ours={"error": "networks"}, why="the official worker creates the container and then crashes", networks=["a", ""])
run_with("mode none", network_mode="none")
run_with("own local API URL turns to host", env={"PREFECT_API_URL": "http://127.0.0.1:4200/api"})
run_with("own remote API URL", env={"PREFECT_API_URL": "https://api.prefect.cloud/api"})
case("own remote API URL, local server", run_variables={"env": {"PREFECT_API_URL": "https://api.prefect.cloud/api"}}, **LOCAL)
for url in ["http://notlocalhost.example.com/api", "http://user@localhost:4200/api", "HTTP://localhost", "localhost:4200/api", "//localhost/api", "http://LOCALHOST:4200/api",
            "http://[::1]:4200/api", "http://127a0b0c1.example/api", "http://host.docker.internal:4200/api", "http://a.example/localhost/127.0.0.1", " http://localhost/api"]:
    case(f"API URL {url!r}", api_url=url, forwarded={"PREFECT_API_URL": url})
case("no API URL forwarded", api_url="http://p.example/api", forwarded={})
case("old engine", engine_version="19.3.0", engine_api_version="1.40", **LOCAL)
run_with("networks: text", ours={"error": "networks"}, networks="a")
run_with("networks: number inside", ours={"error": "networks"}, networks=[1])
run_with("network_mode: number", ours={"error": "network_mode"}, network_mode=1)

# --- booleans ---
for value in [True, False, "true", "OFF", "Yes", "n", "1", "0", 1, 0, 1.0, "t", "F"]:
    run_with(f"booleans {value!r}", auto_remove=value, stream_output=value, privileged=value)
for value in ["maybe", "", " true", 2, 0.5, [], {}]:
    run_with(f"boolean {value!r}", ours={"error": "privileged"}, privileged=value)
run_with("booleans null", ours={"same_as": "defaults, server elsewhere"}, why="null means the default in every field", auto_remove=None, stream_output=None, privileged=None)

# --- memory ---
for size in ["512m", "1g", "1.5G", "100000b", "10kb", "12 m", "1e7", "1_000k", "7000000.9", "1.999m", "", "-1", "+5", ".5k", "5.k", "0", " 7 ", "1E3kB", "16MB"]:
    error = {"error": "mem_limit"} if size == " 7 " else None
    run_with(f"memory {size!r}", ours=error, mem_limit=size, memswap_limit=size)
for size in ["1t", "12mib", "m", "bb", "1__0", "_1", "1_", "0x10", "1e", "ten", "1 0", "nan", "inf", "infb", "--1", "1..2"]:
    run_with(f"memory {size!r}", ours={"error": "mem_limit"}, mem_limit=size)
run_with("memory beyond 64 bits", ours={"error": "mem_limit"}, why="no engine takes it", mem_limit="99999999999999999999g")
run_with("memory: a number", ours={"same_as": "defaults, server elsewhere", "memory": 536870912}, why="the wish is clear", mem_limit=536870912)
run_with("memory: a list", ours={"error": "mem_limit"}, mem_limit=["1g"])
run_with("swap: unknown unit", ours={"error": "memswap_limit"}, memswap_limit="1x")

# --- volumes ---
run_with("volumes", volumes=["/data:/data", "/ro:/ro:ro", "name:/n", "na.me-1_x:/m:rw", "/anonymous", "  /trim:/t  ", "/data:/data"])
run_with("volumes: relative", volumes=[".:/a", "..:/b", "./x/../y:/c", "../../../../z:/d:ro", "./:/e", "./.hidden//x/.:/f"])
run_with("volumes: windows", volumes=["C:\\dir:/c", "c:\\dir\\sub:/c2:rw"])
run_with("volumes: relative path in the container for a named one", volumes=["name:rel"])
run_with("volumes: the root", ours={"binds": ["/:/host"], "paths": ["/host"]}, why="docker-py takes it for a Windows drive", volumes=["/:/host"])
for volume in ["", "  ", "/", "rel", "a/b:/x", "$(pwd):/x", "~:/x", "/a:rel", ".:rel", "/a:", ":/a", "name", "-x:/a", "/a:/b:", "/a:/b:rx", "C:\\x:rel", "C:\\:/x", "a:b:c:d", "/a:/b:ro:ro"]:
    run_with(f"volume {volume!r}", ours={"error": "volumes"}, volumes=["/ok", volume])
run_with("volumes: two", volumes=["/a:/b:ro", "/c:/d"])
run_with("volumes: options of engines", ours={"same_as": "volumes: two", "binds": ["/a:/b:ro,z", "/c:/d:Z"], "paths": ["/b", "/d"]}, why="engines know more options than ro and rw", volumes=["/a:/b:ro,z", "/c:/d:Z"])
run_with("volumes: name of one letter", ours={"binds": ["b:/b:ro"], "paths": ["/b"]}, why="docker-py takes it for a Windows drive", volumes=["b:/b:ro"])
run_with("volumes: UNC", ours={"binds": ["\\\\host\\share:/u"], "paths": ["/u"]}, why="docker-py takes its path for part of the source", volumes=["\\\\host\\share:/u"])
run_with("volumes: text", ours={"error": "volumes"}, volumes="/a:/b")
run_with("volumes: number inside", ours={"error": "volumes"}, volumes=[5])
run_with("volumes: null", ours={"same_as": "defaults, server elsewhere"}, why="null means the default in every field", volumes=None)


# --- container_create_kwargs ---
KWARGS = [
    {"init": True}, {"init": False}, {"entrypoint": "sh -c 'a b'"}, {"entrypoint": ["sh", "-c"]}, {"entrypoint": ""}, {"working_dir": "/w", "user": "me", "hostname": "h"},
    {"user": 1000, "domainname": "", "stop_signal": "SIGINT", "tty": True, "network_disabled": True},
    {"extra_hosts": {"b": "1.2.3.4", "a": "::1"}}, {"extra_hosts": ["b:1.2.3.4", "a:::1"]}, {"extra_hosts": None},
    {"cap_add": ["SYS_PTRACE"], "cap_drop": ["ALL"]}, {"cap_add": [], "cap_drop": None}, {"shm_size": "64m"}, {"shm_size": 1048576}, {"shm_size": 0},
    {"ulimits": [{"name": "nofile", "soft": 1024, "hard": 2048}, {"Name": "core", "Soft": 0}, {"name": "nproc", "hard": None}]},
    {"tmpfs": {"/run": "size=1m"}}, {"tmpfs": ["/run:size=1m", "/tmp", "/a:b:c"]}, {"tmpfs": []},
    {"log_config": {"type": "json-file", "config": {"max-size": "10m", "n": 1.0}}}, {"log_config": {"Type": "none", "Config": {"a": "b"}}}, {"log_config": {}},
    {"platform": "linux/arm64"}, {"platform": ""}, {"nano_cpus": 500000000, "cpu_shares": 0, "cpu_quota": 50000, "cpu_period": 100000, "pids_limit": 100, "oom_score_adj": -500},
    {"mem_reservation": "100m", "mem_swappiness": 0, "kernel_memory": "1g", "oom_kill_disable": False, "read_only": False, "publish_all_ports": True},
    {"dns": [], "dns_search": [], "dns_opt": ["x"], "security_opt": ["seccomp=unconfined"], "group_add": [1000, "video"], "sysctls": {"net.core.somaxconn": 1024, "a": True}},
    {"mounts": [{"Target": "/a", "Source": "v", "Type": "volume", "ReadOnly": False, "n": 9007199254740993}], "storage_opt": {"size": "10G"}, "device_cgroup_rules": ["c 1:3 mr"]},
    {"blkio_weight": 300, "blkio_weight_device": [{"Path": "/dev/sda", "Weight": 1}], "device_read_bps": [{"Path": "/dev/sda", "Rate": 1}],
     "device_write_bps": [{"Path": "/dev/sda", "Rate": 2}], "device_read_iops": [{"Path": "/dev/sda", "Rate": 3}], "device_write_iops": [{"Path": "/dev/sda", "Rate": 4}]},
    {"cgroup_parent": "/p", "cgroupns": "host", "ipc_mode": "host", "pid_mode": "host", "runtime": "runc", "isolation": "default", "volume_driver": "local",
     "userns_mode": "host", "uts_mode": "host", "cpuset_cpus": "0-1", "cpuset_mems": "0", "cpu_count": 1, "cpu_percent": 50, "cpu_rt_period": 1000, "cpu_rt_runtime": 900},
    {"command": "no", "env": {"no": "no"}, "image": "no", "name": "no", "labels": {"n": "o"}, "volumes": ["/no:/no"], "mem_limit": "1k", "privileged": True,
     "auto_remove": True, "network_mode": "no", "networks": ["no"], "init": True},
]
for kwargs in KWARGS:
    run_with(f"kwargs {json.dumps(kwargs)[:60]}", container_create_kwargs=kwargs)
for hosts in [{"z": "1.1.1.1", "a": "2.2.2.2"}, ["z:1.1.1.1", "broken", "a:2.2.2.2"], {"host.docker.internal": "9.9.9.9"}, None]:
    case(f"kwargs: hosts {hosts!r}, local server", run_variables={"container_create_kwargs": {"extra_hosts": hosts}}, **LOCAL)
    case(f"kwargs: hosts {hosts!r}, old engine", run_variables={"container_create_kwargs": {"extra_hosts": hosts}}, engine_version="19.3.0", engine_api_version="1.40", **LOCAL)
case("kwargs from a template", template=template({"container_create_kwargs": {"init": "{{ init }}", "shm_size": "{{ nothing }}", "hostname": "h-{{ init }}"}}, {"init": {"default": True}}))
for kwargs in [{"ulimits": {}}, {"ulimits": [{"soft": 1}]}, {"ulimits": [{"name": "a", "soft": "x"}]}, {"tmpfs": "x"}, {"tmpfs": [1]}, {"log_config": []}, {"log_config": {"config": "x"}},
               {"shm_size": "1x"}, {"nosuch": 1}, {"stop_timeout": 5}, {"cpu_shares": "1"}, {"userns_mode": "x"}, {"sysctls": ["a"]}, {"entrypoint": "'"}]:
    run_with(f"kwargs refused {json.dumps(kwargs)}", ours={"error": "container_create_kwargs: " + next(iter(kwargs))}, container_create_kwargs=kwargs)
for kwargs in [{"init": "x"}, {"cap_add": "ALL"}, {"hostname": 5}, {"dns": "1.1.1.1"}, {"extra_hosts": "a:b"}, {"platform": 5}]:
    run_with(f"kwargs refused by type {json.dumps(kwargs)}", ours={"error": "container_create_kwargs: " + next(iter(kwargs))}, why="a sentence says more than the engine's 400", container_create_kwargs=kwargs)


def kwargs_with(title, ours=None, why=None, **kwargs):
    run_with(f"kwargs: {title}", ours, why, container_create_kwargs=kwargs)


def kwargs_like(title, other, why, **kwargs):
    """Ours is the result of another case."""
    kwargs_with(title, {"same_as": other if other in TITLES_OF_OTHERS else f"kwargs: {other}"}, why, **kwargs)


TITLES_OF_OTHERS = {"defaults, server elsewhere", "one network", "networks of two", "env of the run"}
JUDGED_BY_ENGINE = "docker-py hands it on, for the engine to refuse with 400; a sentence says more"


def refused(keyword, *values, why=None):
    """By the official worker as well, unless there is a reason."""
    for value in values:
        kwargs_with(f"refused: {keyword} {json.dumps(value)}", {"error": f"container_create_kwargs: {keyword}: "}, why, **{keyword: value})


# Whole groups of keywords at once: what is sent and what is left out differs from keyword to keyword.
TEXTS = ["domainname", "hostname", "stop_signal", "working_dir", "mac_address", "cgroup_parent", "cgroupns", "ipc_mode", "isolation", "pid_mode",
         "runtime", "volume_driver", "cpuset_cpus", "cpuset_mems", "platform", "user"]
WHOLES = ["blkio_weight", "cpu_count", "cpu_percent", "cpu_period", "cpu_quota", "cpu_shares", "cpu_rt_period", "cpu_rt_runtime", "nano_cpus",
          "oom_score_adj", "pids_limit", "mem_swappiness"]
SIZES = ["mem_reservation", "kernel_memory", "shm_size"]
BOOLS = ["init", "network_disabled", "oom_kill_disable", "publish_all_ports", "read_only", "tty", "stdin_open"]
LISTS = ["blkio_weight_device", "cap_add", "cap_drop", "device_cgroup_rules", "device_read_bps", "device_read_iops", "device_write_bps", "device_write_iops",
         "dns", "dns_opt", "dns_search", "security_opt", "mounts", "group_add", "devices", "device_requests", "ulimits", "tmpfs", "links", "volumes_from"]
OBJECTS = ["sysctls", "storage_opt", "tmpfs", "log_config", "healthcheck", "links", "lxc_conf", "restart_policy", "ports", "networking_config"]
EVERY = sorted({*TEXTS, *WHOLES, *SIZES, *BOOLS, *LISTS, *OBJECTS, "detach", "entrypoint", "environment", "extra_hosts", "init_path", "network", "use_config_proxy",
                "userns_mode", "uts_mode", "version"})
kwargs_with("texts", **{name: f"{name}-x" for name in TEXTS})
kwargs_with("texts, empty", **{name: "" for name in TEXTS})
kwargs_with("texts of other scripts", hostname="größe", working_dir="/日本", user="Ж", stop_signal="\t\"\\")
for number in [1, 0, -1, 9007199254740993, 12345678901234567890]:
    kwargs_with(f"whole numbers, {number}", **{name: number for name in [*WHOLES, *SIZES]})
kwargs_with("sizes as text", **{name: "1.5g" for name in SIZES})
kwargs_with("sizes as empty text", **{name: "" for name in SIZES})
for value in [True, False]:
    kwargs_with(f"booleans, {value}", **{name: value for name in BOOLS})
kwargs_with("lists, empty", **{name: [] for name in LISTS})
kwargs_with("objects, empty", **{name: {} for name in OBJECTS})
kwargs_with("null for everything", **{name: None for name in EVERY if name not in ("environment", "network")})
case("kwargs: null for everything, local server", run_variables={"container_create_kwargs": {name: None for name in EVERY if name not in ("environment", "network")}}, **LOCAL)
case("kwargs: null for everything from a template", template=template({"container_create_kwargs": {name: "{{ nothing }}" for name in EVERY}}))
kwargs_with("numbers as they are written", mounts=[{"a": 1.0, "b": 9007199254740993, "c": 12345678901234567890, "d": -0.0, "e": 0, "f": [1e2, {"g": 0.1}]}],
            storage_opt={"size": 1.0, "n": None, "t": True}, sysctls={"a": 1.0, "b": 12345678901234567890, "c": None, "d": False, "e": "x", "f": ["y", 1]})
kwargs_with("all at once", tty=True, stdin_open=True, hostname="h", ports={"80": None}, devices=["/dev/null"], links={"a": "b"}, restart_policy={"Name": "no"}, healthcheck={"test": "x"},
            volumes_from="v", lxc_conf={"a": 1}, device_requests=[{"count": -1}], mac_address="02:42:ac:11:00:02", version="1.24", detach=True, init=True, platform="linux/amd64",
            extra_hosts={"h": "1.2.3.4"}, log_config={"type": "json-file"}, ulimits=[{"name": "nofile", "soft": 1, "hard": 2}], tmpfs={"/t": ""}, entrypoint="a b",
            device_cgroup_rules=["c 1:3 mr"], cgroupns="private", group_add=[1])
for name in TEXTS:
    refused(name, ["a"], why=JUDGED_BY_ENGINE)
    if name != "user":
        refused(name, 5, why=JUDGED_BY_ENGINE)
for name in WHOLES:
    refused(name, "1", 1.5, 1e3, [1])
    refused(name, True, why=JUDGED_BY_ENGINE)
for name in SIZES:
    refused(name, "1x", "ten", "m")
    refused(name, 1.5, ["1g"] if name == "shm_size" else 1e3, True, why=JUDGED_BY_ENGINE)
for name in BOOLS:
    refused(name, "true", 1, [True], why=JUDGED_BY_ENGINE)
for name in LISTS:
    if name not in ("volumes_from", "tmpfs", "links"):
        refused(name, {"a": 1}, why=JUDGED_BY_ENGINE)
        refused(name, "ab", why=JUDGED_BY_ENGINE)
    if name not in ("volumes_from", "links"):
        refused(name, 5, why=JUDGED_BY_ENGINE)
for name in OBJECTS:
    if name != "lxc_conf":
        refused(name, True, why=JUDGED_BY_ENGINE)

refused("extra_hosts", 5, True, "a:b", [5], why=JUDGED_BY_ENGINE)
case("kwargs: hosts of odd values, local server", run_variables={"container_create_kwargs": {"extra_hosts": {"b": 1, "a": "::1", "c": ""}}}, **LOCAL)
case("kwargs: hosts of odd values, server elsewhere", run_variables={"container_create_kwargs": {"extra_hosts": {"b": 1, "a": "::1", "c": ""}}})
for entrypoint in ["a 'b c'", "", "  ", [], ["a b"], None]:
    kwargs_with(f"entrypoint {entrypoint!r}", entrypoint=entrypoint)
refused("entrypoint", "'", "a\\")
refused("entrypoint", 5, {"a": 1}, True, why=JUDGED_BY_ENGINE)
for user in [0, 1000, "1000:1000", 1.0, ""]:
    kwargs_with(f"user {user!r}", user=user)
refused("userns_mode", "private", 5)
refused("uts_mode", "private", 5)
kwargs_with("modes, empty", userns_mode="", uts_mode="")
refused("sysctls", ["a"], "a=b", 5)
refused("tmpfs", "x", [5], [["a"]])
refused("log_config", "none", 5, {"config": "x"})
refused("ulimits", [{"soft": 1}], [{"name": 5}], [{"name": "a", "soft": "1"}], [{"name": "a", "hard": 1.5}], ["nofile=1"])

# ports
PORTS = {"a number": 8080, "text": "8080", "null": None, "a range": "8000-8010", "no binding": [], "a list": [8080, "8081", None], "an object": {"HostIp": "127.0.0.1", "HostPort": 8080},
         "an object without address": {"HostPort": "8080", "more": 1}, "objects": [{"HostIp": "::1", "HostPort": None}, {"HostPort": 0}], "zero": 0, "a large number": 12345678901234567890}
for title, value in PORTS.items():
    kwargs_with(f"ports, {title}", ports={"80": value})
kwargs_with("ports in order", ports={"9000": 1, "80/udp": 2, "80/tcp": 3, "443": 4, "53/sctp": 5, "100": 6})
kwargs_with("ports that become one", ports={"80/tcp": 1, "81": 2, "80": 3})
kwargs_with("ports with odd keys", ports={"80-90/tcp": 1, "http": 2, "": 3, "a/b/c": 4})
for title, value in {"an address and a port": ["127.0.0.1", 8080], "an address with a port": "127.0.0.1:8080", "a pair in a list": [["127.0.0.1", "8080"]]}.items():
    kwargs_like(f"ports, {title}", "ports, an object", "only a tuple is a pair for docker-py; no engine takes an address for a port", ports={"80": value})
kwargs_with("ports, any port of an address", ports={"80": {"HostIp": "127.0.0.1", "HostPort": ""}})
for title, value in {"an address": "127.0.0.1", "an address in a list": ["127.0.0.1"], "an address and null": ["127.0.0.1", None], "a pair of one in a list": [["127.0.0.1"]]}.items():
    kwargs_like(f"ports, {title}", "ports, any port of an address", "no engine takes an address for a port", ports={"80": value})
kwargs_with("ports, two addresses as objects", ports={"80": [{"HostIp": "::1", "HostPort": 80}, {"HostIp": "1.2.3.4", "HostPort": "81"}, {"HostPort": 82}]})
kwargs_like("ports, two addresses", "ports, two addresses as objects", "no engine takes an address for a port", ports={"80": ["[::1]:80", ["1.2.3.4", 81], 82]})
refused("ports", {"80": {"HostIp": "1.2.3.4"}}, {"80": {}}, [80], "80", 80)
refused("ports", {"80": True}, {"80": 1.5}, {"80": [[80, 81]]}, {"80": {"HostPort": [1]}}, {"80": {"HostPort": 80, "HostIp": 5}}, why=JUDGED_BY_ENGINE)
case("kwargs: ports with a local server", ours={"error": "container_create_kwargs: ports: in network mode \"host\", which is assumed"}, run_variables={"container_create_kwargs": {"ports": {"80": 80}}}, **LOCAL)
case("kwargs: ports with a local server and mode bridge", run_variables={"network_mode": "bridge", "container_create_kwargs": {"ports": {"80": 80}}}, **LOCAL)
case("kwargs: ports with a local server and a network", run_variables={"networks": ["a"], "container_create_kwargs": {"ports": {"80": 80}}}, **LOCAL)
case("kwargs: no ports with a local server", run_variables={"container_create_kwargs": {"ports": {}}}, **LOCAL)
run_with("kwargs: ports with mode host", ours={"error": "container_create_kwargs: ports: in network mode \"host\" a container"}, network_mode="host", container_create_kwargs={"ports": {"80": 80}})
run_with("kwargs: ports with mode none", network_mode="none", container_create_kwargs={"ports": {"80": 80}, "publish_all_ports": True})

# devices
kwargs_with("devices", devices=["/dev/null", "/dev/null:/dev/x", "/dev/null:/dev/x:r", "/dev/null:/dev/x:r:more", "/dev/null::", ":", "", {"PathOnHost": "/dev/sda", "n": 1.0}, {}])
refused("devices", [5], [["/dev/null"]], [None])
for request in [{"count": -1, "capabilities": [["gpu"]]}, {"Count": 2, "Capabilities": [["gpu", "nvidia"]], "Driver": "nvidia", "DeviceIDs": ["0"], "Options": {"a": "b"}}, {},
                {"driver": None, "Driver": "nvidia", "count": None, "device_ids": None, "capabilities": None, "options": None}, {"driver": "", "count": 0, "more": 1},
                {"device_ids": ["GPU-1", "GPU-2"], "options": {}}]:
    kwargs_with(f"device_requests {json.dumps(request)}", device_requests=[request])
kwargs_with("device_requests, two", device_requests=[{"count": 1}, {"Driver": "x"}])
refused("device_requests", [{"driver": 5}], [{"count": "1"}], [{"count": 1.5}], [{"device_ids": "0"}], [{"capabilities": "gpu"}], [{"options": []}], ["gpu"], [None], {"count": 1})
refused("device_requests", [{"count": True}], why=JUDGED_BY_ENGINE)

# healthcheck
for check in [{"test": "curl -f localhost"}, {"Test": ["CMD", "true"]}, {"test": ["NONE"]}, {"test": []}, {"test": ""}, {"interval": 1000000000, "timeout": 2000000000, "retries": 3, "start_period": 0},
              {"Interval": 1, "Timeout": 2, "Retries": 3, "StartPeriod": 4, "Test": "x"}, {"test": None, "Test": "x"}, {"test": "a", "Test": "b"}, {"more": 1}]:
    kwargs_with(f"healthcheck {json.dumps(check)}", healthcheck=check)
refused("healthcheck", "curl", ["CMD", "x"], {"test": 5}, {"interval": "30s"}, {"timeout": 1e9}, {"retries": 1.5}, {"start_period": True}, "", [], why=JUDGED_BY_ENGINE)

# links, lxc_conf, volumes_from
for links in [{"db": "database", "cache": None, "a": ""}, {"z": "1", "é": "2", "Z": "3"}, [["db", "database"], ["cache", None]], [["b", "2"], ["b", "1"], ["a", ""]], {"db": 5}, [["db", 5]], [["db", 0]], {"": ""}]:
    kwargs_with(f"links {json.dumps(links)}", links=links)
kwargs_with("links as pairs", links=[["cache", ""], ["db", "database"]])
kwargs_like("links as texts", "links as pairs", "docker-py takes a text for a pair of letters", links=["db:database", "cache"])
refused("links", [["a"]], [["a", "b", "c"]], [5], 5, [None])
refused("links", [["a", ["b"]]], {"a": {"b": 1}}, {"a": True}, why=JUDGED_BY_ENGINE)
for conf in [{"lxc.utsname": "docker", "n": 1.0, "b": True}, [{"Key": "a", "Value": "b"}], "text", 5, False, {}]:
    kwargs_with(f"lxc_conf {json.dumps(conf)}", lxc_conf=conf)
for volumes in [["a", "b:ro"], "a", "a,b:ro,,c", "", ","]:
    kwargs_with(f"volumes_from {json.dumps(volumes)}", volumes_from=volumes)
refused("volumes_from", {"a": "ro"}, 5, False, why=JUDGED_BY_ENGINE)

# restart_policy
for policy in [{"Name": "no"}, {"Name": ""}, {"Name": "no", "MaximumRetryCount": 0}, {"MaximumRetryCount": 5}, {"Name": None}, {"more": 1}]:
    kwargs_with(f"restart_policy {json.dumps(policy)}", restart_policy=policy)
refused("restart_policy", "always", ["always"], 5)
refused("restart_policy", {"Name": "always"}, {"Name": "on-failure", "MaximumRetryCount": 3}, {"Name": "unless-stopped"}, {"name": "always"}, {"NAME": "always", "Name": "no"}, {"Name": "No"},
        why="a container that is started again runs its flow again")
refused("restart_policy", {"Name": 5}, why=JUDGED_BY_ENGINE)

# stdin, tty, detach
for stdin in [True, False, None]:
    for detach in [True, False, None]:
        kwargs_with(f"stdin_open {stdin}, detach {detach}", stdin_open=stdin, detach=detach)
for detach in ["", "no", 0, 1, [], {"a": 1}]:
    kwargs_with(f"detach {detach!r}", detach=detach, tty=True)

# version, init_path, unknown ones
for version in ["1.24", 5, None, ["x"]]:
    kwargs_with(f"version {version!r}", version=version)
refused("init_path", "/sbin/init", "", False)
refused("nosuch", None, {}, "x")
for name in ["stop_timeout", "annotations", "masked_paths", "Tty", "HostConfig", "binds", "port_bindings", "stdout", "remove", "", "größe", "container_wait_timeout", "image ", "x" * 60]:
    refused(name, 1)

# names and values that are fields are dropped; so are theirs here
kwargs_with("fields of any type", command=5, env="x", image=[], name={}, labels=1, mem_limit="1x", memswap_limit=[], privileged="maybe", auto_remove=5, network_mode=[], networks="a",
            image_pull_policy=5, registry_credentials=5, stream_output=[], container_create_kwargs={"tty": True}, volumes=5)

# environment
OVER_ENV = "the official worker crashes, since it has that argument itself"
kwargs_like("environment, an object", "env of the run", OVER_ENV, environment={"A": "1", "B": "two words", "C": ""})
kwargs_like("environment, a list", "env of the run", OVER_ENV, environment=["A=1", "B=two words", "C="])
run_with("kwargs: environment over env", ours={"same_as": "env of the run"}, why=OVER_ENV, env={"A": "0", "B": "two words", "C": "", "D": "x", "E": "y"},
         container_create_kwargs={"environment": {"A": 1, "D": None, "E": None}})
run_with("kwargs: environment as a list over env", ours={"same_as": "env of the run"}, why=OVER_ENV, env={"A": "0", "B": "two words", "C": "x", "D": "x"},
         container_create_kwargs={"environment": ["A=1", "C=", "D"]})
run_with("env with an equals sign", env={"A": "b=c=d"})
run_with("kwargs: environment, values with an equals sign", ours={"same_as": "env with an equals sign"}, why=OVER_ENV, container_create_kwargs={"environment": ["A=b=c=d"]})
for nothing in [None, {}, []]:
    kwargs_like(f"environment {nothing!r}", "defaults, server elsewhere", OVER_ENV, environment=nothing)
run_with("kwargs: environment with an API URL", ours={"same_as": "own local API URL turns to host"}, why=OVER_ENV, container_create_kwargs={"environment": ["PREFECT_API_URL=http://127.0.0.1:4200/api"]})
run_with("kwargs: environment without an API URL", ours={"same_as": "env: API URL unset"}, why=OVER_ENV, container_create_kwargs={"environment": {"PREFECT_API_URL": None}})
refused("environment", "A=1", 5, [5], [["A", "1"]], [None])

# networks
run_with("networks of two", networks=["a", "b"])
run_with("networks of three", networks=["c", "a", "b"])
kwargs_like("network", "one network", OVER_ENV, network="a")
for title, networks in {"before others": ["a", "b"], "among others": ["a", "c", "b"], "twice": ["a", "c", "b", "c"]}.items():
    run_with(f"kwargs: network {title}", ours={"same_as": "networks of three"}, why=OVER_ENV, networks=networks, container_create_kwargs={"network": "c"})
for nothing in [None, ""]:
    kwargs_like(f"network {nothing!r}", "defaults, server elsewhere", OVER_ENV, network=nothing)
case("kwargs: network with a local server", ours={"same_as": "local server, one network"}, why=OVER_ENV, run_variables={"container_create_kwargs": {"network": "a"}}, **LOCAL)
refused("network", 5, ["a"], {"a": {}})
ALIASES = {"Aliases": ["x", "y"], "IPAMConfig": {"IPv4Address": "172.20.0.5", "n": 1.0}}
for title, networks, config in [("one", ["a"], {"a": ALIASES}), ("empty endpoint", ["a"], {"a": {}}), ("the second only", ["a", "b"], {"b": ALIASES}), ("another", ["a"], {"c": ALIASES}),
                                ("empty", ["a"], {}), ("none", ["a"], None), ("without networks", [], {"a": ALIASES}), ("for a network without a name", [""], {"": ALIASES}), ("false", ["a"], False)]:
    run_with(f"kwargs: networking_config, {title}", networks=networks, container_create_kwargs={"networking_config": config})
run_with("kwargs: networking_config for two", networks=["a", "b"], ours={"same_as": "kwargs: networking_config, one", "networks": ["b"]}, why="engines before API 1.44 take one; the others are connected with theirs",
         container_create_kwargs={"networking_config": {"a": ALIASES, "b": {"Aliases": ["z"]}}})
run_with("kwargs: networking_config for one more", networks=["a"], ours={"same_as": "kwargs: networking_config, one", "networks": ["c"]}, why="engines before API 1.44 take one; the others are connected with theirs",
         container_create_kwargs={"networking_config": {"c": {}, "a": ALIASES}})
run_with("kwargs: networking_config with network", ours={"same_as": "kwargs: networking_config, one"}, why=OVER_ENV, container_create_kwargs={"network": "a", "networking_config": {"a": ALIASES}})
case("kwargs: networking_config with a local server", run_variables={"networks": ["a"], "container_create_kwargs": {"networking_config": {"a": ALIASES}}}, **LOCAL)
case("kwargs: networking_config without networks, local server", run_variables={"container_create_kwargs": {"networking_config": {"a": ALIASES}}}, **LOCAL)
for config in [["a"], "a", {"a": 5}, {"a": ["x"]}, {"a": "x"}]:
    run_with(f"kwargs refused: networking_config {json.dumps(config)}", ours={"error": "container_create_kwargs: networking_config: "}, why=JUDGED_BY_ENGINE, networks=["a"],
             container_create_kwargs={"networking_config": config})
kwargs_with("mac_address", mac_address="02:42:ac:11:00:02")
run_with("kwargs: mac_address in a network", networks=["a", "b"], container_create_kwargs={"mac_address": "02:42:ac:11:00:02"})
case("kwargs: mac_address with a local server", ours={"error": "container_create_kwargs: mac_address: in network mode \"host\", which is assumed"}, why=JUDGED_BY_ENGINE,
     run_variables={"container_create_kwargs": {"mac_address": "02:42:ac:11:00:02"}}, **LOCAL)
case("kwargs: mac_address with a local server and mode bridge", run_variables={"network_mode": "bridge", "container_create_kwargs": {"mac_address": "02:42:ac:11:00:02"}}, **LOCAL)
run_with("kwargs: mac_address with mode none", network_mode="none", container_create_kwargs={"mac_address": "02:42:ac:11:00:02"})
for mode in ["host", "container:x"]:
    run_with(f"kwargs: mac_address with mode {mode}", ours={"error": f"container_create_kwargs: mac_address: in network mode \"{mode}\" the container"}, why=JUDGED_BY_ENGINE, network_mode=mode,
             container_create_kwargs={"mac_address": "02:42:ac:11:00:02"})

# proxies of the Docker client
PROXIES = {"httpProxy": "http://u:p@proxy.example:3128", "httpsProxy": "http://proxy.example:3129", "ftpProxy": "ftp://proxy.example", "noProxy": "localhost,.example"}
case("proxies", docker_proxies=PROXIES)
case("proxies, some", docker_proxies={"httpsProxy": "x", "httpProxy": "", "noProxy": None, "more": "y"})
case("proxies, none", docker_proxies={})
case("proxies before the job's own", docker_proxies=PROXIES, run_variables={"env": {"HTTP_PROXY": "mine", "https_proxy": "mine"}})
for value in [True, False, None, 0, 1, "", "no"]:
    case(f"proxies, use_config_proxy {value!r}", docker_proxies=PROXIES, run_variables={"container_create_kwargs": {"use_config_proxy": value}})
case("proxies that are local do not count for the network", docker_proxies={"httpProxy": "http://127.0.0.1:3128"})
kwargs_with("use_config_proxy without proxies", use_config_proxy=True)


class Caught(Exception):
    pass


class RecordingAPI(docker.APIClient):
    def __init__(self, engine_version):
        super().__init__(base_url="unix:///nonexistent", version="1.41")
        self.engine_version = engine_version

    def version(self, api_version=True):
        return {"Version": self.engine_version}

    def _post(self, url, data=None, params=None, **kwargs):
        raise Caught({"body": json.loads(data), "params": params})


class FakeServer:
    """What resolve_for_flow_run asks of the API."""

    def __init__(self, inputs):
        self.inputs = inputs

    async def read_flow(self, flow_id):
        return Flow(id=flow_id, name=self.inputs["flow_name"])

    async def read_deployment(self, deployment_id):
        return DeploymentResponse(id=deployment_id, name=self.inputs["deployment_name"], flow_id=self.inputs["flow_id"],
                                  job_variables=self.inputs["deployment_variables"],
                                  updated=self.inputs["deployment_updated"] or None)


def flow_run_of(inputs):
    return FlowRun(id=inputs["flow_run_id"], name=inputs["flow_run_name"], flow_id=inputs["flow_id"],
                   deployment_id=inputs["deployment_id"] or None, job_variables=inputs["run_variables"],
                   **(inputs["flow_run_json"] or {}))


def prepare_process(inputs):
    """Everything the official worker reads from its process."""
    os.environ.clear()
    os.environ.update({"HOME": "/nonexistent", "PATH": "/bin", **inputs["environment"]})
    if inputs["docker_proxies"] is not None:
        folder = tempfile.mkdtemp()
        pathlib.Path(folder, "config.json").write_text(json.dumps({"proxies": {"default": inputs["docker_proxies"]}}))
        os.environ["DOCKER_CONFIG"] = folder
    os.getcwd = lambda: inputs["working_directory"]
    prefect.workers.base.BaseJobConfiguration._base_environment = classmethod(lambda cls: dict(inputs["forwarded"]))
    official.PREFECT_API_URL = type("Setting", (), {"value": staticmethod(lambda: inputs["api_url"])})


async def render(inputs):
    prepare_process(inputs)
    pool = WorkPool.model_construct(id=uuid.UUID(inputs["pool_id"]), name=inputs["pool_name"], type="docker",
                                    base_job_template=inputs.get("template", TEMPLATE))
    run = flow_run_of(inputs)
    configuration = await official.DockerWorkerJobConfiguration.resolve_for_flow_run(
        run, client=FakeServer(inputs), work_pool=pool, worker_name=inputs["worker_name"],
        worker_id=uuid.UUID(inputs["worker_id"]) if inputs["worker_id"] else None)
    client = docker.DockerClient.__new__(docker.DockerClient)
    client.api = RecordingAPI(inputs["engine_version"])
    settings = official.DockerWorker._build_container_settings(None, client, configuration)
    policy = configuration._determine_image_pull_policy().value
    try:
        client.containers.create(**settings)
    except Caught as caught:
        request = caught.args[0]
    return {
        "body": request["body"],
        "name": request["params"]["name"],
        "platform": request["params"].get("platform"),
        "image": configuration.image,
        "pull_policy": policy,
        "networks": configuration.networks[1:],
        "auto_remove": configuration.auto_remove,
        "stream_output": configuration.stream_output,
    }


def outcome(inputs):
    try:
        return asyncio.run(render(copy.deepcopy(inputs)))
    except Exception as error:  # its kind is all that is kept: the sentences are ours
        return {"error": type(error).__name__}


def main(file_name="jobspec-cases.json"):
    written = []
    for one in CASES:
        inputs = {**DEFAULTS, **one["input"]}
        official_result = outcome(inputs)
        if inputs["flow_run_json"] is not None:
            one["input"]["flow_run_json"] = flow_run_of(inputs).model_dump(mode="json", exclude={"estimated_run_time", "estimated_start_time_delta", "created", "updated"})
        if inputs["docker_proxies"] is not None:
            one["input"]["proxy_environment"] = ProxyConfig.from_dict(inputs["docker_proxies"]).get_environment()
        entry = {"title": one["title"], "input": one["input"], "official": official_result}
        if one["ours"] is not None:
            entry["ours"] = one["ours"]
        if one["why"] is not None:
            entry["why"] = one["why"]
        if "error" in official_result and one["ours"] is None:
            raise SystemExit(f"{one['title']}: the official worker says {official_result}")
        if "error" in (one["ours"] or {}) and "error" not in official_result and one["why"] is None:
            raise SystemExit(f"{one['title']}: the official worker does not refuse this")
        written.append(entry)
    titles = [entry["title"] for entry in written]
    assert len(titles) == len(set(titles)), [title for title in titles if titles.count(title) > 1]
    with open(HERE / file_name, "w", encoding="utf-8") as out:
        out.write('{"defaults": ' + json.dumps(DEFAULTS) + ',\n"cases": [\n')
        out.write(",\n".join(json.dumps(entry) for entry in written))
        out.write("\n]}\n")
    print(len(written), "cases")


if __name__ == "__main__":
    main()
