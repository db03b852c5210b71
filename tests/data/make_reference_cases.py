#!/usr/bin/env python3
"""Write reference-cases.json: what the official Docker worker makes of configurations that refer to blocks and variables.

As make_jobspec_cases.py, with a server that has what the case's "server" says: {"blocks": {"TYPE/NAME": data}, "ids":
{"UUID": data}, "variables": {"NAME": value}, "flow_run": the whole run, "flow": the whole flow}.
"""

import make_jobspec_cases as base
from make_jobspec_cases import case, plain, template

import httpx  # noqa: E402
from prefect.client.schemas.objects import BlockDocument, Flow, Variable  # noqa: E402
from prefect.exceptions import ObjectNotFound  # noqa: E402

ID = "9cbc73f1-52d4-41c9-8e06-1c2c934f169e"
OTHER_ID = "11111111-2222-3333-4444-555555555555"
base.CASES.clear()

SERVER = {
    "blocks": {
        "secret/token": {"value": "s3cret"},
        "secret/number": {"value": 7},
        "json/conf": {"value": {"key": {"nested-key": "deep"}, "list": [{"list-key": "item"}, 1, 2.50], "values": "not all", "value": "inner", "none": None}},
        "json/list": {"value": ["a", "b"]},
        "json/text": {"value": "text"},
        "json/true": {"value": True},
        "json/null": {"value": None},
        "json/float": {"value": 1.0},
        "json/big": {"value": 12345678901234567890},
        "creds/registry": {"username": "u", "password": "p", "registry_url": "r.example"},
        "two/value": {"value": "v", "values": "w"},
        "env/whole": {"A": "from a block", "B": None, "N": 5},
        "chain/block": {"value": "{{ prefect.blocks.secret.token }}"},
        "chain/variable": {"value": "<{{ prefect.variables.text }}>"},
        "chain/whole": {"value": "{{ prefect.variables.number }}"},
        "chain/ref": {"value": {"$ref": {"block_document_id": ID}}},
        "chain/plain": {"value": "{{ image }}"},
        "chain/name": {"value": "b-{{ prefect.variables.name }}"},
        "empty/empty": {},
        "ünicode/größe": {"value": "ü"},
    },
    "ids": {ID: {"A": "by id", "LIST": ["x"]}, OTHER_ID: {"value": "other"}},
    "variables": {
        "text": "words", "number": 5, "float": 1.50, "big": 12345678901234567890, "true": True, "null": None, "list": ["n1", "n2"], "object": {"k": "v", "n": 2},
        "chain": "{{ prefect.blocks.secret.token }}", "self": "{{ prefect.variables.self }}", "name": "v-{{ ctx.flow_run.name }}", "placeholder": "{{ image }}", "empty": "",
    },
}
base.DEFAULTS["server"] = SERVER


def with_server(title, configuration, ours=None, why=None, **inputs):
    case(title, ours, why, template=plain({"image": "busybox:1", **configuration}), **inputs)


def labels(title, ours=None, why=None, **texts):
    with_server(title, {"labels": texts}, ours, why)


# --- blocks ---
labels("block as a whole and inside text", a="{{ prefect.blocks.secret.token }}", b="<{{prefect.blocks.secret.token}}>", c="{{ prefect.blocks.secret.token }}{{ prefect.blocks.secret.token }}",
       d="{{ prefect.blocks.secret.token.value }}")
labels("block paths", a="{{ prefect.blocks.json.conf.key.nested-key }}", b="{{ prefect.blocks.json.conf.value.key.nested-key }}", c="{{ prefect.blocks.json.conf.list[0].list-key }}",
       d="{{ prefect.blocks.json.conf.value.list[0].list-key }}", e="{{ prefect.blocks.json.conf.values }}", f="{{ prefect.blocks.json.list.value[1] }}")
labels("block: value inside value", a="{{ prefect.blocks.json.conf.value.value }}", b="{{ prefect.blocks.two.value.value }}", c="{{ prefect.blocks.two.value.values }}")
labels("block: other types in text", a="x{{ prefect.blocks.json.true }}", b="x{{ prefect.blocks.json.null }}", c="x{{ prefect.blocks.json.float }}", d="x{{ prefect.blocks.json.big }}",
       e="x{{ prefect.blocks.json.conf.list[2] }}", f="x{{ prefect.blocks.json.conf.none }}", g="x{{ prefect.blocks.secret.number }}")
labels("block: a character of a text", a="{{ prefect.blocks.json.text.value[0] }}", b="{{ prefect.blocks.json.text.0 }}", c="{{ prefect.blocks.json.text.-1 }}")
labels("block: of unusual names", a="{{ prefect.blocks.ünicode.größe }}")
labels("block: beside other placeholders", a="{{ prefect.blocks.secret.token }} {{ nothing }}.", b="{{ image }}:{{ prefect.blocks.secret.token }}")
with_server("block: beside the worker's environment", {"labels": {"a": "{{ $HERE }}{{ prefect.blocks.secret.number }}"}}, environment={"HERE": "there"})
with_server("block: typed values", {"networks": "{{ prefect.blocks.json.list }}", "privileged": "{{ prefect.blocks.json.true }}", "env": "{{ prefect.blocks.env.whole }}"})
with_server("block: null as a whole", {"env": {"A": "{{ prefect.blocks.json.null }}", "B": "b"}, "command": "{{ prefect.blocks.json.null }}"})
with_server("block: whole data with several members", {"env": {"A": "{{ prefect.blocks.creds.registry }}"}})
with_server("block: empty data", {"env": "{{ prefect.blocks.empty.empty }}"})
with_server("block in container_create_kwargs", {"container_create_kwargs": {"hostname": "{{ prefect.blocks.json.text }}", "labels": None, "dns": "{{ prefect.blocks.json.list }}",
            "sysctls": {"a": "{{ prefect.blocks.json.float }}", "b": "{{ prefect.blocks.json.big }}"}}})
with_server("block in volumes and command", {"volumes": ["/{{ prefect.blocks.json.text }}:/t"], "command": "echo '{{ prefect.blocks.secret.token }}'"})
with_server("block by reference", {"env": {"$ref": {"block_document_id": ID}}})
with_server("block by reference, deeper, with more beside it", {"env": {"A": {"$ref": {"block_document_id": OTHER_ID}, "more": 1}, "B": "b"}})
with_server("reference without an id", {"env": {"A": {"$ref": {"block_document_id": ""}}, "B": {"$ref": {}}, "C": {"$ref": {"x": 1}}}})
case("block by reference in job variables", template=template(), run_variables={"env": {"$ref": {"block_document_id": ID}}})
case("references in job variables of deployment and run", deployment_variables={"image": "{{ prefect.variables.text }}:{{ prefect.blocks.secret.number }}", "env": {"A": "{{ prefect.blocks.secret.token }}"}},
     run_variables={"env": {"B": "{{ prefect.variables.object }}", "C": "{{ prefect.variables.none }}"}, "networks": ["{{ prefect.variables.text }}"]})
case("references in a pool's default", template=template(properties={"env": {"type": "object", "default": {"P": "{{ prefect.blocks.json.conf.value }}"}}, "image": {"default": "a:{{ prefect.variables.number }}"}}))
labels("block missing", {"error": "block 'gone' of type 'secret' was not found"}, a="{{ prefect.blocks.secret.gone }}")
with_server("block missing by id", {"env": {"$ref": {"block_document_id": "22222222-2222-3333-4444-555555555555"}}}, {"error": "env: block 22222222-2222-3333-4444-555555555555 was not found"})
labels("block path that leads nowhere", {"error": "labels: block 'conf' of type 'json' has nothing at \"key.nosuch\""}, a="{{ prefect.blocks.json.conf.key.nosuch }}")
labels("block path beyond a list", {"error": "labels: block 'list' of type 'json' has nothing at \"value[5]\""}, a="{{ prefect.blocks.json.list.value[5] }}")
labels("block path into text", {"error": "labels: block 'text' of type 'json' has nothing at \"a.b\""}, a="{{ prefect.blocks.json.text.a.b }}")
labels("block path that is empty", {"error": "labels: block 'text' of type 'json' has nothing at \"\""}, a="{{ prefect.blocks.json.text. }}")
labels("block object inside text", {"error": "labels: {{ prefect.blocks.json.conf.key }} is an object"}, a="x{{ prefect.blocks.json.conf.key }}")
labels("block list inside text", {"error": "labels: {{ prefect.blocks.json.list }} is a list"}, a="x{{ prefect.blocks.json.list }}")
labels("block without a name", {"error": "labels: {{ prefect.blocks.secret }}"}, a="{{ prefect.blocks.secret }}")
for wrong in ["text", None, ["a"], 5]:
    with_server(f"reference that is {wrong!r}", {"env": {"A": {"$ref": wrong}}}, {"error": "env: $ref: expected an object"})
for wrong in ["no-id", 5, True, ["a"]]:
    with_server(f"reference with the id {wrong!r}", {"env": {"A": {"$ref": {"block_document_id": wrong}}}}, {"error": "env: $ref: block_document_id is not the id of a block"})

# --- variables ---
labels("variable as a whole and inside text", a="{{ prefect.variables.text }}", b="<{{prefect.variables.text}}>", c="{{ prefect.variables.text }}{{ prefect.variables.text }}", d="{{ prefect.variables.empty }}")
labels("variable inside text, of each type", a="x{{ prefect.variables.number }}", b="x{{ prefect.variables.float }}", c="x{{ prefect.variables.big }}", d="x{{ prefect.variables.true }}",
       e="x{{ prefect.variables.null }}", f="x{{ prefect.variables.list }}", g="x{{ prefect.variables.object }}")
with_server("variable: typed values", {"networks": "{{ prefect.variables.list }}", "privileged": "{{ prefect.variables.true }}", "env": "{{ prefect.variables.object }}",
            "container_create_kwargs": {"cpu_shares": "{{ prefect.variables.number }}", "sysctls": {"f": "{{ prefect.variables.float }}", "b": "{{ prefect.variables.big }}"}}})
with_server("variable: each type in env", {"env": {name.upper(): "{{ prefect.variables.%s }}" % name for name in ["number", "float", "big", "true", "null", "list", "object"]}})
with_server("variable missing", {"env": {"A": "{{ prefect.variables.gone }}", "B": "x{{ prefect.variables.gone }}y"}, "labels": {"a": "{{ prefect.variables.a.b }}"}, "command": "{{ prefect.variables.gone }}"})
with_server("variable missing in a list", {"networks": ["{{ prefect.variables.gone }}"]})
with_server("variable missing in a boolean", {"privileged": "{{ prefect.variables.gone }}"}, {"error": "privileged"})
with_server("variable: null in a list", {"networks": ["{{ prefect.variables.null }}"]}, {"error": "networks"})
labels("variable: placeholders in its value are left", a="{{ prefect.variables.chain }}", b="{{ prefect.variables.self }}", c="<{{ prefect.variables.placeholder }}>")
labels("block: only variables in its value are filled", a="{{ prefect.blocks.chain.variable }}", b="{{ prefect.blocks.chain.block }}", c="{{ prefect.blocks.chain.plain }}", d="{{ prefect.blocks.chain.variable }}!")
with_server("block: a variable in its value keeps its type", {"env": {"A": "{{ prefect.blocks.chain.whole }}"}, "container_create_kwargs": {"cpu_shares": "{{ prefect.blocks.chain.whole }}"}})
with_server("block: a reference in its value is left", {"env": {"A": "{{ prefect.blocks.chain.ref }}"}})

# --- names ---
with_server("name by variables and blocks", {"name": "{{ prefect.variables.text }}-{{ prefect.blocks.secret.number }}"})
with_server("name: a block with a variable with a field of the run", {"name": "{{ prefect.blocks.chain.name }}"})
WHOLE = {"tags": ["a", "b"], "run_count": 3, "parameters": {"region": "eu west"}, "total_run_time": 1.0}
case("name with fields of the whole run", flow_run_json=WHOLE,
     run_variables={"name": "{{ ctx.flow_run.parameters.region }}-{{ ctx.flow_run.tags[1] }}-{{ ctx.flow_run.run_count }}-{{ ctx.flow_run.total_run_time }}-{{ ctx.flow_run.nosuch }}-{{ ctx.flow.tags[0] }}-{{ ctx.flow.labels.team }}"},
     server={"flow": {"tags": ["t"], "labels": {"team": "x"}}})
case("name with ids of a run without a deployment", deployment_id="", deployment_name="", deployment_updated="", run_variables={"name": "n-{{ ctx.flow_run.deployment_id }}-{{ ctx.flow_run.id[0] }}"})


class Server(base.FakeServer):
    async def read_flow(self, flow_id):
        return Flow(id=flow_id, name=self.inputs["flow_name"], **self.inputs["server"].get("flow", {}))

    async def read_block_document(self, block_document_id):
        return self._block("ids", block_document_id)

    async def read_block_document_by_name(self, name, block_type_slug):
        return self._block("blocks", f"{block_type_slug}/{name}")

    def _block(self, kind, key):
        found = self.inputs["server"].get(kind, {})
        if not isinstance(key, str) or key not in found:
            request = httpx.Request("GET", "http://p.example")
            raise ObjectNotFound(httpx.HTTPStatusError("", request=request, response=httpx.Response(404, request=request)))
        return BlockDocument.model_construct(data=found[key])

    async def read_variable_by_name(self, name):
        variables = self.inputs["server"].get("variables", {})
        return Variable.model_validate({"name": name, "value": variables[name]}) if name in variables else None


if __name__ == "__main__":
    base.FakeServer = Server
    base.main("reference-cases.json")
