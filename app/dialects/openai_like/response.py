"""Whole answers of providers of OpenAI's type -> OpenAI's; what needs nothing is given back as it is."""

from __future__ import annotations

from typing import Any

from app.dialects import JSON
from app.dialects.openai_like import choices as said
from app.dialects.openai_like.logprobs import logprobs
from app.dialects.openai_like.request import FIELDS
from app.errors import Garbled


def chat(body: JSON) -> JSON:
    """A chat completion. Raises Garbled for what is none, Refused for an end that is a failure."""
    return _answer(body, "chat.completion", "chatcmpl", _chat_choice)


def completion(body: JSON) -> JSON:
    """A text completion. Raises as `chat` does."""
    return _answer(body, "text_completion", "cmpl", _text_choice)


def _answer(body: JSON, kind: str, prefix: str, put_right: Any) -> JSON:
    if said.is_error(body):
        raise said.refused(body)
    within = body.get("provider")
    if not body.get("choices") and isinstance(within, dict) and within.get("choices"):
        body = within  # OpenRouter, at times, below an answer of nulls
    found = said.objects(body.get("choices"), "list of choices")
    if not found:
        raise Garbled("the provider's answer has no choices")
    changes: JSON = {**said.created(body), **said.service_tier(body)}
    if body.get("object") != kind:
        changes["object"] = kind
    if not isinstance(body.get("id"), str) or not body["id"]:
        changes["id"] = f"{prefix}-{said.hashed(body)}"
    right = [put_right(choice, index, body) for index, choice in enumerate(found)]
    if not said.same(right, found):
        changes["choices"] = right
    if (usage := said.usage(body.get("usage"))) is not body.get("usage"):
        changes["usage"] = usage
    return said.changed(body, changes)


def _common(choice: JSON, index: int, otherwise: str) -> JSON:
    """The changes for a choice's place and end."""
    changes: JSON = said.ended(choice, said.finish(choice) or otherwise)
    if not isinstance(choice.get("index"), int):
        changes["index"] = index
    return changes


def _chat_choice(choice: JSON, index: int, body: JSON) -> JSON:
    there = said.an_object(choice.get("message"), "message")  # a filtered choice has none (Azure)
    message = _message(there, body, index)
    changes = _common(choice, index, "tool_calls" if message.get("tool_calls") else "stop")
    changes |= logprobs(choice, message.get("content"))
    if message is not choice.get("message"):
        changes["message"] = message
    return said.changed(choice, changes)


def _message(message: JSON, body: JSON, index: int) -> JSON:
    changes: JSON = {**said.thought(message), **said.content(message), **_annotations(message)}
    if isinstance(message.get("content"), list):
        kept = changes.get("provider_fields", {}).get(FIELDS, {})
        changes |= said.with_fields(message, {**kept, "content": message["content"]})
    if message.get("role") != "assistant":
        changes["role"] = "assistant"
    if "content" not in message:
        changes["content"] = None
    calls = said.objects(message.get("tool_calls"), "list of tool calls")
    right = _tool_calls(calls, (body.get("id"), body.get("created"), index))
    if not said.same(right, calls):
        changes["tool_calls"] = right
    return said.changed(message, changes)


def _annotations(message: JSON) -> JSON:
    """The changes for annotations that OpenAI does not have (OpenRouter's `file`): a second turn brings them back."""
    there = message.get("annotations")
    if not isinstance(there, list):
        return {}
    known = [item for item in there if _is_citation(item)]
    if len(known) == len(there):
        return {}
    return {"annotations": known, **said.with_fields(message, {"annotations": there})}


def _is_citation(item: Any) -> bool:
    said = item.get("url_citation") if isinstance(item, dict) and item.get("type") == "url_citation" else None
    if not isinstance(said, dict):
        return False
    numbers, texts = ("start_index", "end_index"), ("title", "url")
    return all(type(said.get(key)) is int for key in numbers) and all(isinstance(said.get(key), str) for key in texts)


def _tool_calls(calls: list[JSON], seed: Any) -> list[JSON]:
    """The calls with unique ids, types, and arguments as strings."""
    seen: set[str] = set()
    right = []
    for index, call in enumerate(calls):
        name = said.call_id(call)
        if name is None or name in seen:
            name = f"call_{index}_{said.hashed(seed)[:16]}"
        seen.add(name)
        right.append(_tool_call(call, name))
    return right


def _tool_call(call: JSON, name: str) -> JSON:
    changes: JSON = {} if call.get("id") == name else {"id": name}
    if call.get("type") != "custom":
        if call.get("type") != "function":
            changes["type"] = "function"
        function = said.an_object(call.get("function"), "tool call")
        if not isinstance(function.get("name"), str):
            raise Garbled("the provider's tool call names no function")
        arguments = said.arguments(function.get("arguments"))
        if arguments != function.get("arguments"):
            changes["function"] = {**function, "arguments": arguments}
    return said.changed(call, changes)


def _text_choice(choice: JSON, index: int, body: JSON) -> JSON:
    return said.changed(choice, {**_common(choice, index, "stop"), **said.text(choice)})


def text_of_chat(body: JSON) -> JSON:
    """A chat completion, or a chunk of one, as a text completion. What is not text stays under `provider_fields`."""
    return {**body, "object": "text_completion", "choices": [_as_text(choice) for choice in body["choices"]]}


def _as_text(choice: JSON) -> JSON:
    message = {**(choice.get("message") or choice.get("delta") or {})}
    made = {"text": message.pop("content", None) or "", "logprobs": choice.get("logprobs")}
    message.pop("role", None)
    rest = {key: value for key, value in message.items() if value not in (None, [])}
    choice = {key: value for key, value in choice.items() if key not in ("message", "delta")}
    return {**choice, **made, **({"provider_fields": {"message": rest}} if rest else {})}


# --- embeddings


def embeddings(body: JSON) -> JSON:
    """A list of embeddings, in the order of the inputs. Raises Garbled for what is none."""
    there = said.objects(body.get("data"), "list of embeddings")
    if not there:
        raise Garbled("the provider's answer has no embeddings")
    changes: JSON = {} if body.get("object") == "list" else {"object": "list"}
    places: list[Any] = [item.get("index") for item in there]
    if not all(type(place) is int for place in places) or len(set(places)) < len(places):
        places = list(range(len(there)))  # some number none, others all as 0: then they stand in order
    right = [_embedding(item, place) for item, place in zip(there, places, strict=True)]
    right.sort(key=lambda item: item["index"])
    if not said.same(right, there):
        changes["data"] = right
    changes |= _tokens(said.an_object(body.get("usage"), "usage"))
    return said.changed(body, changes)


def _tokens(usage: JSON) -> JSON:
    """The changes for a usage that lacks a count."""
    counted = usage.get("prompt_tokens") or usage.get("total_tokens") or 0
    missing = {key: counted for key in ("prompt_tokens", "total_tokens") if not isinstance(usage.get(key), int)}
    return {"usage": {**usage, **missing}} if missing else {}


def _embedding(item: JSON, index: int) -> JSON:
    vector = item.get("embedding")
    numbers = isinstance(vector, list) and bool(vector) and set(map(type, vector)) <= {float, int}
    if not numbers and not isinstance(vector, str):
        raise Garbled("the provider's embedding is neither a list of numbers nor base64")
    changes: JSON = {} if item.get("object") == "embedding" else {"object": "embedding"}
    if item.get("index") != index:
        changes["index"] = index
    return said.changed(item, changes)
