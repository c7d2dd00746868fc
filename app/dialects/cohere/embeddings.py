"""OpenAI's embeddings payload <-> the bodies of Cohere's `POST /v2/embed`."""

from __future__ import annotations

from typing import Any

from app.dialects import JSON, Body, shapes, vectors
from app.dialects.conversation import refuse
from app.dialects.fields import Fields, without_nones

TEXTS_PER_CALL = 96
"""The most texts that one call takes."""


def request(model: str | None, payload: JSON) -> Body:
    """The body. Cohere wants an `input_type`: what is no document is said natively (`search_query`, ...)."""
    texts = vectors.texts(payload, "Cohere")
    fields = Fields(payload)
    fields.take("input", "encoding_format")  # numbers come back as numbers; the gateway packs them
    fields.leave_out("user")
    body = {
        "model": model,
        "texts": texts,
        "input_type": fields.take("input_type") or "search_document",
        "embedding_types": _types(fields.take("embedding_types")),
        "output_dimension": fields.take("dimensions", "output_dimension"),
    }
    return Body({**without_nones(body), **fields.rest()}, tuple(fields.adjusted))


def _types(said: Any) -> list[str]:
    """Floats, which OpenAI's answer holds, and what else the client asks for: that comes under `provider_fields`."""
    if said is not None and not isinstance(said, list):
        raise refuse(("embedding_types",), "Input should be an array")
    return ["float", *(kind for kind in said or () if kind != "float")]


@shapes.whole("Cohere")
def response(body: JSON) -> JSON:
    """OpenAI's list of embeddings, in the order of the texts. Raises Garbled."""
    found = dict(body["embeddings"])
    meta = shapes.mapping(body.get("meta"))
    tokens = shapes.count(shapes.mapping(meta.get("billed_units")).get("input_tokens"))
    listed = vectors.response(found.pop("float"), None, tokens)
    rest = {key: value for key, value in body.items() if key not in ("embeddings", "texts", "response_type")}
    return {**listed, "provider_fields": {"cohere": {**rest, **({"embeddings": found} if found else {})}}}
