"""OpenAI's own dialect: what the client said is what the provider reads, but for `model`."""

from __future__ import annotations

from app.dialects import JSON, Body, Translator


def request(model: str, payload: JSON) -> Body:
    """The payload with the provider's model, if any, in place of what stood there: an endpoint's name."""
    if not model:
        return Body({key: value for key, value in payload.items() if key != "model"})
    return Body({**payload, "model": model})


def asking_usage(payload: JSON) -> JSON:
    """The payload of a stream that ends with its usage (OpenAI, "Create chat completion", `stream_options`)."""
    return {**payload, "stream_options": {**(payload.get("stream_options") or {}), "include_usage": True}}


def asks_usage(payload: JSON) -> bool:
    """Whether the client itself asked for the usage event at a stream's end."""
    return bool((payload.get("stream_options") or {}).get("include_usage"))


TRANSLATORS = {
    "llm/v1/chat": Translator("chat/completions", request),
    "llm/v1/completions": Translator("completions", request),
    "llm/v1/embeddings": Translator("embeddings", request),
}
"""Endpoint type -> translator, for every provider that speaks OpenAI's dialect."""
