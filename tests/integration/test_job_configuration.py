"""What a job configuration refers to: A32, A33, A34, A35, A36, A66, A68."""

import os
import uuid
from typing import Any

from support.blocks import make_block
from support.prefect_api import Json, PrefectApi, plain_template
from support.rig import Rig

SECRET = "value-that-no-log-may-hold"


def make_pool(rig: Rig, configuration: Json, properties: Json, **defaults: Any) -> Json:
    """The test's pool with these fields beside the plain ones; its template."""
    template = plain_template(image=rig.images.busybox, image_pull_policy="Never", stream_output=True, **defaults)
    template["job_configuration"].update(configuration)
    template["variables"]["properties"].update(properties)
    rig.api.create_pool(rig.pool, template)
    return template


def make_variable(api: PrefectApi, value: Any) -> str:
    """Its placeholder."""
    name = f"test_{uuid.uuid4().hex[:8]}"
    api.call("POST", "/variables/", {"name": name, "value": value})
    return "{{ prefect.variables.%s }}" % name


def environment_of(rig: Rig, run_id: str) -> dict[str, str]:
    container = rig.engine.only_one(rig.pool, run_id)
    return dict(line.split("=", 1) for line in container["Config"]["Env"])


def assert_secret_is_kept(rig: Rig, run_ids: list[str]) -> None:
    """The logs are looked at when the scenario ends."""
    rig.secrets.append(SECRET)
    for worker in rig.workers:
        for path in worker.state_path.parent.glob(worker.state_path.name + "*"):
            assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    for run_id in run_ids:
        assert SECRET not in str(rig.api.states(run_id)) + str(rig.api.logs(run_id))


def test_a32_a33_name_and_environment(rig: Rig) -> None:
    make_pool(rig, {}, {}, env={"POOL": "pool", "OVER": "pool", "GONE": "pool"})
    rig.start_worker()
    deployment = rig.deploy(
        job_variables={
            "env": {"DEPLOYMENT": "deployment", "OVER": "deployment", "TWICE": "deployment", "NUMBER": "5"},
            "env.DOTTED": "deployment",
            "name": "{{ ctx.flow.name }}-{{ ctx.flow_run.id }}-{{ ctx.flow_run.tags[0] }}-{{ ctx.flow.tags }}",
        }
    )
    variables = {"env": {"TWICE": "run", "OVER": "run", "GONE": None, "RUN": "{{ image }}"}}
    run = rig.api.create_run(deployment, job_variables=variables, tags=["blue sky"])
    rig.api.wait_for_state(run, "COMPLETED")
    assert rig.engine.only_one(rig.pool, run)["Name"] == f"/ok-{run}-blue-sky"
    environment = environment_of(rig, run)
    wanted = {
        "POOL": "pool",
        "DEPLOYMENT": "deployment",
        "DOTTED": "deployment",
        "NUMBER": "5",
        "TWICE": "run",
        "OVER": "run",
        "RUN": rig.images.busybox,  # the pool has a default for env
    }
    assert {name: environment.get(name) for name in wanted} == wanted
    assert "GONE" not in environment


def test_a34_a66_placeholders_and_a_changed_template(rig: Rig) -> None:
    environment = {
        "TEXT": "{{ word }}",
        "TYPED": "{{ number }}",
        "LIST": "{{ list }}",
        "MISSING": "{{ nothing }}",
        "MIXED": "<{{ word }}:{{number}}:{{ nothing }}:{{ flag }}:{{ null }}>",
        "BY_PATH": "{{ tree.leaves[1].name }}",
        "HOME_THERE": "{{ $HOME }}/{{ $NO_SUCH_VARIABLE }}",
        "NESTED": "{{ nested }}",
    }
    properties = {
        "word": {"default": "word"},
        "number": {"default": 1.50},
        "list": {"default": ["a", True, None]},
        "flag": {"default": True},
        "tree": {"default": {"leaves": [{}, {"name": "second"}]}},
        "null": {"title": "null"},
        "nested": {"default": "{{ word }}"},
        # A server takes no placeholder that the schema doesn't declare.
        **{name: {} for name in ("nothing", "$HOME", "$NO_SUCH_VARIABLE", "tree.leaves[1].name")},
    }
    template = make_pool(rig, {"env": environment}, properties)
    rig.start_worker()
    deployment = rig.deploy(job_variables={"word": "deployment"})
    run = rig.api.create_run(deployment, job_variables={"null": None})
    rig.api.wait_for_state(run, "COMPLETED")
    found = environment_of(rig, run)
    wanted = {
        "TEXT": "deployment",
        "TYPED": "1.5",
        "LIST": "['a', True, None]",
        "MIXED": "<deployment:1.5::True:None>",
        "BY_PATH": "second",
        "HOME_THERE": os.environ["HOME"] + "/",
        "NESTED": "{{ word }}",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert "MISSING" not in found

    template["job_configuration"]["env"]["TEXT"] = "changed {{ word }}"
    rig.api.change_pool(rig.pool, base_job_template=template)

    def sees_the_change() -> bool:
        later = rig.api.create_run(deployment)
        rig.api.wait_for_state(later, "COMPLETED")
        return environment_of(rig, later)["TEXT"] == "changed deployment"

    # The worker reads its pool every few seconds: one of the first runs has the new value, and none waits for it.
    assert any(sees_the_change() for _ in range(10))


def test_a35_a36_blocks_and_variables(rig: Rig) -> None:
    secret, _ = make_block(rig.api, {"value": SECRET}, "value")
    conf, conf_block = make_block(rig.api, {"value": {"list": [{"key": "deep"}], "number": 1.0, "text": "plain"}})
    several, several_block = make_block(rig.api, {"A_KEY": SECRET, "OTHER": "other"}, "A_KEY")
    values = {"TEXT": "words", "NUMBER": 7, "FLOAT": 2.50, "FLAG": True, "NULL": None, "LIST": ["a", 1], "OBJECT": {"k": "v"}, "TEXTS": ["ndots:1", "timeout:3"]}
    variables = {name: make_variable(rig.api, value) for name, value in values.items()}
    make_pool(rig, {"container_create_kwargs": {"read_only": "{{ flag }}", "dns_opt": "{{ list }}"}}, {"flag": {}, "list": {}})
    rig.start_worker()
    environment = {
        "SECRET_WHOLE": "{{ prefect.blocks.%s }}" % secret,
        "SECRET_INSIDE": "<{{ prefect.blocks.%s.value }}>" % secret,
        "BY_PATH": "{{ prefect.blocks.%s.list[0].key }}" % conf,
        "NUMBER_INSIDE": "{{ prefect.blocks.%s.number }}!" % conf,
        "BY_REFERENCE": {"$ref": {"block_document_id": conf_block["id"]}},
        "MISSING": "{{ prefect.variables.test_nobody_has_this }}",
        "MISSING_INSIDE": "<{{ prefect.variables.test_nobody_has_this }}>",
        **{f"V_{name}": placeholder for name, placeholder in variables.items()},
        **{f"I_{name}": f"<{placeholder}>" for name, placeholder in variables.items()},
    }
    template = rig.api.pool(rig.pool)["base_job_template"]
    template["variables"]["properties"]["env"] = {}  # the server would refuse an object in an environment
    rig.api.change_pool(rig.pool, base_job_template=template)
    good = rig.deploy(job_variables={"env": environment, "flag": variables["FLAG"], "list": variables["TEXTS"]})
    run = rig.api.create_run(good)
    whole = rig.api.create_run(
        rig.deploy(job_variables={"env": {"$ref": {"block_document_id": several_block["id"]}}, "name": "n-%s" % variables["TEXT"]})
    )
    gone = rig.api.create_run(rig.deploy(job_variables={"env": {"A": "{{ prefect.blocks.secret.nobody-has-this }}"}}))

    rig.api.wait_for_state(run, "COMPLETED")
    found = environment_of(rig, run)
    wanted = {
        "SECRET_WHOLE": SECRET,
        "SECRET_INSIDE": f"<{SECRET}>",
        "BY_PATH": "deep",
        "NUMBER_INSIDE": "1.0!",
        "BY_REFERENCE": "{'value': {'list': [{'key': 'deep'}], 'number': 1.0, 'text': 'plain'}}",
        "MISSING": "",
        "MISSING_INSIDE": "<>",
        "V_TEXT": "words",
        "V_NUMBER": "7",
        "V_FLOAT": "2.5",
        "V_FLAG": "True",
        "V_LIST": "['a', 1]",
        "V_OBJECT": "{'k': 'v'}",
        "I_TEXT": "<words>",
        "I_NUMBER": "<7>",
        "I_FLOAT": "<2.5>",
        "I_FLAG": "<True>",
        "I_NULL": "<None>",
        "I_LIST": "<['a', 1]>",
        "I_OBJECT": "<{'k': 'v'}>",
    }
    assert {name: found.get(name) for name in wanted} == wanted
    assert "V_NULL" not in found
    container = rig.engine.only_one(rig.pool, run)
    assert container["HostConfig"]["ReadonlyRootfs"] is True
    assert container["HostConfig"]["DnsOptions"] == ["ndots:1", "timeout:3"]

    rig.api.wait_for_state(whole, "COMPLETED")
    assert environment_of(rig, whole)["A_KEY"] == SECRET
    assert environment_of(rig, whole)["OTHER"] == "other"
    assert rig.engine.only_one(rig.pool, whole)["Name"] == "/n-words"

    message = rig.api.wait_for_state(gone, "CRASHED")["state"]["message"]
    assert message.startswith("Failed to submit flow run to infrastructure: ")
    assert "nobody-has-this" in message and "'secret'" in message
    assert rig.engine.of_run(rig.pool, gone) == []
    assert_secret_is_kept(rig, [run, whole, gone])


def test_a68_wrong_types(rig: Rig) -> None:
    wrong = {
        "privileged": "maybe",
        "networks": "one",
        "mem": ["1g"],
        "labels": {"a": {"b": "c"}},
        "command": 5,
    }
    fields = {"privileged": "privileged", "networks": "networks", "mem": "mem_limit", "labels": "labels", "command": "command"}
    configuration = {"privileged": "{{ privileged }}", "networks": "{{ networks }}", "mem_limit": "{{ mem }}"}
    make_pool(rig, configuration, {name: {} for name in wrong})
    rig.start_worker()
    runs = {
        name: rig.api.create_run(rig.deploy(job_variables={"networks": [], "privileged": False, name: value}))
        for name, value in wrong.items()
    }
    good = rig.api.create_run(rig.deploy(job_variables={"networks": [], "privileged": False}))
    rig.api.wait_for_state(good, "COMPLETED")
    for name, run in runs.items():
        message = rig.api.wait_for_state(run, "CRASHED")["state"]["message"]
        assert message.startswith("Failed to submit flow run to infrastructure: ")
        assert fields[name] in message, message
        assert rig.engine.of_run(rig.pool, run) == []
