"""Blocks at the server."""

import uuid

from .prefect_api import Json, PrefectApi


def make_block(api: PrefectApi, data: Json, *secret_fields: str) -> tuple[str, Json]:
    """A block of a type of its own: "TYPE.NAME", and the block."""
    slug = f"test-{uuid.uuid4().hex[:8]}"
    type_id = api.call("POST", "/block_types/", {"name": slug, "slug": slug})["id"]
    fields = {
        "title": slug,
        "type": "object",
        "properties": {name: {"title": name} for name in data},
        "block_type_slug": slug,
        "secret_fields": list(secret_fields),
    }
    schema_id = api.call("POST", "/block_schemas/", {"block_type_id": type_id, "fields": fields})["id"]
    body = {"name": "the-block", "data": data, "block_type_id": type_id, "block_schema_id": schema_id}
    return f"{slug}.the-block", api.call("POST", "/block_documents/", body)
