"""OpenAI's embeddings payload <-> what Bedrock's InvokeModel takes for Amazon's Titan and for Cohere's models."""

from __future__ import annotations

from typing import Any

from app.dialects import JSON, Body, vectors
from app.dialects.conversation import refuse
from app.dialects.fields import Fields, without_nones
from app.errors import Garbled


def titan_request(model: str, payload: JSON) -> Body:
    """Titan takes one text per call. Only version 2 and the multimodal model can give vectors of another length."""
    fields, texts = _read(payload, "Amazon Titan")
    if len(texts) != 1:
        raise refuse(("input",), "Amazon Titan takes one text per call")
    size = fields.take("dimensions")
    body: JSON = {"inputText": texts[0]}
    if size is not None and "embed-image" in model:
        body["embeddingConfig"] = {"outputEmbeddingLength": size}
    elif size is not None and "embed-text-v1" not in model and "embed-g1" not in model:
        body["dimensions"] = size
    elif size is not None:
        raise refuse(("dimensions",), "this model has one length of vector only")
    return Body({**body, **fields.rest()}, tuple(fields.adjusted))


def titan_response(body: JSON) -> JSON:
    """The list of the one embedding. Raises Garbled."""
    by_type = body.get("embeddingsByType")
    vector = body.get("embedding") or (by_type.get("float") if isinstance(by_type, dict) else None)
    if not vector:
        raise Garbled(f"Titan's answer has no embedding{_because(body)}")
    tokens = body.get("inputTextTokenCount")
    listed = vectors.response([vector], None, tokens if isinstance(tokens, int) else None)
    return {
        **listed,
        **_rest({**body, "embeddingsByType": _other_types(by_type)}, ("embedding", "inputTextTokenCount", "message")),
    }


def cohere_request(model: str, payload: JSON) -> Body:
    """Cohere wants to know what the texts are for; a document to be searched, unless the client says otherwise."""
    fields, texts = _read(payload, "Cohere")
    size = fields.take("dimensions")
    if size is not None and "embed-v4" not in model:
        raise refuse(("dimensions",), "this model has one length of vector only")
    body = {
        "texts": texts,
        "input_type": fields.take("input_type") or "search_document",
        "output_dimension": size,
    }
    return Body({**without_nones(body), **fields.rest()}, tuple(fields.adjusted))


def cohere_response(body: JSON) -> JSON:
    """The list of embeddings, which come as a list or by type; tokens are counted in a header. Raises Garbled."""
    said = body.get("embeddings")
    found = said.get("float") if isinstance(said, dict) else said
    if not isinstance(found, list) or not found:
        raise Garbled(f"Cohere's answer has no embeddings of type float{_because(body)}")
    return {
        **vectors.response(found, None, None),
        **_rest({**body, "embeddings": _other_types(said)}, ("texts", "message")),
    }


def _read(payload: JSON, by: str) -> tuple[Fields, list[str]]:
    """What is left, and the texts. Numbers come back as numbers; the gateway packs them as base64."""
    fields = Fields(payload)
    texts = vectors.texts({"input": fields.take("input")}, by)
    fields.take("encoding_format")
    fields.leave_out("user")
    return fields, texts


def _other_types(said: Any) -> JSON | None:
    """The embeddings of other types than float (int8, binary, ...), which OpenAI's shape has no place for."""
    others = {key: value for key, value in said.items() if key != "float"} if isinstance(said, dict) else {}
    return others or None


def _because(body: JSON) -> str:
    return f": {body['message']}" if isinstance(body.get("message"), str) and body["message"] else ""


def _rest(body: JSON, known: tuple[str, ...]) -> JSON:
    kept = {key: value for key, value in body.items() if key not in known and value is not None}
    return {"provider_fields": {"bedrock": kept}} if kept else {}
