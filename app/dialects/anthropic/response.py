"""A message of Anthropic's -> OpenAI's chat completion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.dialects import JSON, shapes
from app.dialects.anthropic.content import NAME
from app.dialects.conversation import argument_string
from app.dialects.fields import without_nones
from app.errors import Garbled

FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}

_SAID_ELSEWHERE = ("id", "type", "role", "model", "content", "usage")
_COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")


@shapes.whole(NAME)
def response(body: JSON) -> JSON:
    """The completion. Raises Garbled for what is not a message."""
    if body.get("content") is None:
        raise Garbled(f"{NAME}'s answer has no content")
    content = shapes.mappings(body["content"])
    reason = finish_reason(body["stop_reason"])
    return {
        "id": shapes.text(body.get("id")) or None,
        "object": "chat.completion",
        "model": shapes.text(body.get("model")) or None,
        "choices": [{"index": 0, "message": _message(content), "finish_reason": reason, "logprobs": None}],
        "usage": usage(said) if (said := shapes.mapping(body.get("usage"))) else None,
        **provider_fields(body),
    }


def _message(content: Sequence[JSON]) -> JSON:
    calls = [_tool_call(block) for block in content if string(block["type"]) == "tool_use"]
    said = joined(content, "text", "text")
    message: JSON = {"role": "assistant", "content": said if said or not calls else None, "refusal": None}
    if thought := joined(content, "thinking", "thinking"):
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = calls
    return {**message, **kept_blocks(content)}


def _tool_call(block: JSON) -> JSON:
    arguments = argument_string(shapes.mapping(block.get("input")))
    return {"id": named(block, "id"), "type": "function", "function": {"name": named(block), "arguments": arguments}}


def string(value: Any) -> str:
    """What has to be a string. Raises TypeError."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.100} should be a string")
    return value


def named(block: JSON, key: str = "name") -> str:
    """A tool's name or id, which has to be there. Raises KeyError, TypeError, ValueError."""
    if not (name := string(block[key])):
        raise ValueError(f"a tool's {key} should not be empty")
    return name


def joined(content: Sequence[JSON], kind: str, key: str) -> str:
    """The texts of all blocks of one kind."""
    return "".join(string(block[key]) for block in content if block["type"] == kind)


def kept_blocks(content: Sequence[JSON]) -> JSON:
    """All blocks as they came, if one of them has no place in OpenAI's shape: a second turn brings them back."""
    if all(map(_openai_can_say, content)):
        return {}
    return {"provider_fields": {"anthropic": {"content": list(content)}}}


def _openai_can_say(block: JSON) -> bool:
    """Whether it is text, or a call of a tool by the model itself and not by code that it runs at Anthropic."""
    caller = shapes.mapping(block.get("caller")).get("type", "direct")
    return (block["type"] == "text" and not block.get("citations")) or (
        block["type"] == "tool_use" and caller == "direct"
    )


def finish_reason(stop_reason: Any) -> str:
    """OpenAI's word for Anthropic's."""
    return FINISH_REASONS.get(string(stop_reason), "stop")


def provider_fields(said: JSON) -> JSON:
    """What a message says beside its content that OpenAI's shape has no place for: stop_reason, container, ..."""
    kept = without_nones({key: value for key, value in said.items() if key not in _SAID_ELSEWHERE})
    return {"provider_fields": {"anthropic": kept}} if kept else {}


def usage(said: JSON) -> JSON:
    """OpenAI's usage. Anthropic's input_tokens leave out what was read from the cache or written to it."""
    fresh, completion, read, written = (shapes.count(said.get(name)) for name in _COUNTS)
    prompt = fresh + read + written
    thought = shapes.count(shapes.mapping(said.get("output_tokens_details")).get("thinking_tokens"))
    return {
        **{key: value for key, value in said.items() if key not in _COUNTS and value is not None},
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": thought},
    }
