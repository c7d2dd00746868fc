"""An answer of Bedrock's Converse -> OpenAI's chat completion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.dialects import JSON, shapes
from app.dialects.bedrock.content import spoken
from app.dialects.conversation import argument_string
from app.errors import Refused

NAME = "Bedrock"

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}

FAILURES = ("malformed_model_output", "malformed_tool_use")
"""Ends that are no answer: what was generated until then cannot be used."""

_COUNTS = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
_COUNTED_TWICE = ("totalTokens", "cacheReadInputTokenCount", "cacheWriteInputTokenCount")


@shapes.whole(NAME)
def response(body: JSON) -> JSON:
    """The completion. Raises Garbled for what is no answer, Refused for one that failed at the model."""
    content = body["output"]["message"]["content"]
    reason = finish_reason(body["stopReason"])
    return {
        "id": None,  # Bedrock says it in a header, x-amzn-requestid
        "object": "chat.completion",
        "model": invoked_model(body),
        "choices": [{"index": 0, "message": _message(content), "finish_reason": reason, "logprobs": None}],
        "usage": usage(said) if (said := shapes.mapping(body.get("usage"))) else None,
        **provider_fields({key: value for key, value in body.items() if key not in ("output", "usage")}),
    }


def _message(content: Sequence[JSON]) -> JSON:
    if not isinstance(content, list) or not all(isinstance(block, dict) and block for block in content):
        raise TypeError("content should be a list of blocks")
    calls = [_tool_call(block["toolUse"]) for block in content if "toolUse" in block and is_clients(block["toolUse"])]
    text = "".join(string(piece) for piece in spoken(content))
    message: JSON = {"role": "assistant", "content": text if text or not calls else None, "refusal": None}
    if thought := "".join(_thoughts(content)):
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = calls
    return {**message, **kept_blocks(content)}


def string(value: Any) -> str:
    """A string. Raises TypeError for another thing."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} should be a string")
    return value


def is_clients(use: JSON) -> bool:
    """Whether the client is to call the tool: one that ran at Bedrock is no business of its."""
    return shapes.text(use.get("type")) != "server_tool_use"


def _tool_call(use: JSON) -> JSON:
    if not isinstance(use["input"], dict):
        raise TypeError("a toolUse should have an object for input")
    function = {"name": string(use["name"]), "arguments": argument_string(use["input"])}
    return {"id": string(use["toolUseId"]), "type": "function", "function": function}


def _thoughts(content: Sequence[JSON]) -> list[str]:
    said = [block["reasoningContent"].get("reasoningText") for block in content if "reasoningContent" in block]
    return [string(thought["text"]) for thought in said if thought is not None]


def kept_blocks(content: Sequence[JSON]) -> JSON:
    """All blocks as they came, if one of them has no place in OpenAI's shape: a second turn brings them back."""
    if all("text" in block or ("toolUse" in block and is_clients(block["toolUse"])) for block in content):
        return {}
    return {"provider_fields": {"bedrock": {"content": [_as_it_is_taken(block) for block in content]}}}


def _as_it_is_taken(block: JSON) -> JSON:
    """A block as a request may hold it: a call of the client's has no type there, which some models give it."""
    if "type" not in block.get("toolUse", ()) or not is_clients(block["toolUse"]):
        return block
    return {**block, "toolUse": {key: value for key, value in block["toolUse"].items() if key != "type"}}


def finish_reason(said: Any) -> str:
    """OpenAI's word for Bedrock's. Raises Refused for an end that is no answer."""
    if said in FAILURES:
        raise Refused(502, f"the model's answer could not be used ({said})", code=said)
    return FINISH_REASONS.get(string(said), "stop")


def invoked_model(body: JSON) -> str | None:
    """The model that a prompt router chose; Bedrock does not say it otherwise."""
    router = shapes.mapping(shapes.mapping(body.get("trace")).get("promptRouter"))
    return shapes.text(router.get("invokedModelId")) or None


def provider_fields(kept: JSON) -> JSON:
    """What the answer says beside its content that OpenAI's shape has no place for: stopReason, metrics, trace, ..."""
    kept = {key: value for key, value in kept.items() if value is not None and key != "p"}  # p is padding
    return {"provider_fields": {"bedrock": kept}} if kept else {}


def usage(said: JSON) -> JSON:
    """OpenAI's usage. Bedrock's inputTokens leave out what was read from the cache or written to it."""
    prompt, completion, read, written = (shapes.count(said.get(name)) for name in _COUNTS)
    prompt += read + written
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": 0},
        **{key: value for key, value in said.items() if value and key not in (*_COUNTS, *_COUNTED_TWICE)},
    }
