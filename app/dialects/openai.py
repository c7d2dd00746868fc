"""OpenAI's own dialect: what the client said is what the provider reads, but for `model`."""

from __future__ import annotations

from app.dialects import JSON, Body, Translator


def request(model: str, payload: JSON) -> Body:
    """The payload with the provider's model, if any, in place of what stood there: an endpoint's name."""
    if not model:
        return Body({key: value for key, value in payload.items() if key != "model"})
    return Body({**payload, "model": model})


def chat_request(model: str, payload: JSON) -> Body:
    """The same, without what another provider's answers brought into the conversation: OpenAI refuses what it
    does not know, and an invocation may come here because that other one failed."""
    body = request(model, payload).json
    if any(map(_is_foreign, body["messages"])):
        body["messages"] = [_without_foreign(message) for message in body["messages"]]
    return Body(body)


def _is_foreign(message: JSON) -> bool:
    calls = message.get("tool_calls")
    return "provider_fields" in message or bool(calls and any("extra_content" in call for call in calls))


def _without_foreign(message: JSON) -> JSON:
    """A message as OpenAI knows it: our `provider_fields` and Google's `extra_content` are for those who sent them."""
    kept = {key: value for key, value in message.items() if key != "provider_fields"}
    if kept.get("tool_calls"):
        kept["tool_calls"] = [{k: v for k, v in call.items() if k != "extra_content"} for call in kept["tool_calls"]]
    return kept


def asking_usage(payload: JSON) -> JSON:
    """The payload of a stream that ends with its usage (OpenAI, "Create chat completion", `stream_options`)."""
    return {**payload, "stream_options": {**(payload.get("stream_options") or {}), "include_usage": True}}


def asks_usage(payload: JSON) -> bool:
    """Whether the client itself asked for the usage event at a stream's end."""
    return bool((payload.get("stream_options") or {}).get("include_usage"))


TRANSLATORS = {
    "llm/v1/chat": Translator("chat/completions", chat_request),
    "llm/v1/completions": Translator("completions", request),
    "llm/v1/embeddings": Translator("embeddings", request),
}
"""Endpoint type -> translator, for every provider that speaks OpenAI's dialect."""
