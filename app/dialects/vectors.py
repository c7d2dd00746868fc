"""Embeddings for providers with a form of their own: texts in, vectors out, base64 where the client asks for it."""

from __future__ import annotations

import sys
from array import array
from base64 import b64encode
from collections.abc import Sequence
from typing import Any

from app.dialects import JSON, fields
from app.errors import Garbled


def texts(payload: JSON, by: str) -> list[str]:
    """The inputs as texts. Raises InvalidPayload for tokens."""
    return fields.texts(payload, "input", by)


def response(vectors: Sequence[Sequence[float]], model: str | None, tokens: int | None) -> JSON:
    """OpenAI's list of embeddings, in the order of the inputs. `tokens` is what the provider counted, if it does."""
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(vector)} for index, vector in enumerate(vectors)
    ]
    if not data:
        raise Garbled("the provider's answer has no embeddings")
    return {
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": tokens or 0, "total_tokens": tokens or 0},
    }


def _vector(vector: Sequence[float]) -> list[float]:
    if not isinstance(vector, list) or not vector or not set(map(type, vector)) <= {float, int}:
        raise Garbled("the provider's embedding is not a list of numbers")
    return vector


def finished(parts: Sequence[JSON], payload: JSON) -> JSON:
    """One answer of those that a payload's batches got, in the form that it wants. Raises Garbled for half a one."""
    body = parts[0] if len(parts) == 1 else _joined(parts)
    if len(body["data"]) < (wanted := _inputs(payload["input"])):
        raise Garbled(f"the provider gave {len(body['data'])} embeddings for {wanted} inputs")
    return as_base64(body) if payload.get("encoding_format") == "base64" else body


def _inputs(said: Any) -> int:
    """How many embeddings an input asks for: a text is one, and so is a list of tokens."""
    return len(said) if isinstance(said, list) and not isinstance(said[0], int) else 1


def _joined(parts: Sequence[JSON]) -> JSON:
    data = [item for part in parts for item in part["data"]]
    usage = {key: sum(part["usage"].get(key) or 0 for part in parts) for key in ("prompt_tokens", "total_tokens")}
    beside = [part["provider_fields"] for part in parts if part.get("provider_fields")]
    kept = {"provider_fields": _together(beside)} if beside else {}
    return {**parts[0], "data": [{**item, "index": index} for index, item in enumerate(data)], "usage": usage, **kept}


def _together(said: Sequence[Any]) -> Any:
    """What several answers say, as one: lists in a row, what is the same once, what differs (ids, counts) as a list."""
    if all(isinstance(one, dict) for one in said):
        keys = dict.fromkeys(key for one in said for key in one)
        return {key: _together([one[key] for one in said if key in one]) for key in keys}
    if all(isinstance(one, list) for one in said):
        return [item for one in said for item in one]
    return said[0] if all(one == said[0] for one in said) else list(said)


def as_base64(body: JSON) -> JSON:
    """The same embeddings as base64 of little-endian 32-bit floats (OpenAI, "Create embeddings", `encoding_format`)."""
    if all(isinstance(item["embedding"], str) for item in body["data"]):
        return body  # the provider knows base64 itself
    return {**body, "data": [{**item, "embedding": _encoded(item["embedding"])} for item in body["data"]]}


def _encoded(vector: Sequence[float] | str) -> str:
    if isinstance(vector, str):
        return vector
    floats = array("f", vector)
    if sys.byteorder == "big":
        floats.byteswap()
    return b64encode(floats.tobytes()).decode()
