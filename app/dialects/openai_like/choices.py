"""The pieces that whole answers and chunks share, each put right or given back as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from app.dialects import JSON, refusal
from app.dialects.openai_like.request import FIELDS
from app.errors import Garbled, Refused

_FINISHES = ("stop", "length", "tool_calls", "content_filter", "function_call")

_OTHER_FINISHES = {
    "eos": "stop", "eos_token": "stop", "stop_sequence": "stop", "end_turn": "stop", "completed": "stop",
    "model_length": "length", "max_tokens": "length", "max_length": "length", "length_limit": "length",
    "tool_use": "tool_calls", "tool_call": "tool_calls", "safety": "content_filter", "refusal": "content_filter",
}  # fmt: skip
"""Other words for an end. `max_tokens` is also a type of OpenAI's former `finish_details`."""

_FAILURES = {"error": 502, "insufficient_system_resource": 503, "engine_overloaded": 503}
"""Ends that are none: the answer broke off at the provider."""

_TIERS = ("auto", "default", "flex", "scale", "priority", "fast")


def an_object(value: Any, what: str) -> JSON:
    """The value, if it is a JSON object; null is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Garbled(f"the provider's {what} is not an object")
    return value


def objects(value: Any, what: str) -> list[JSON]:
    """The value, if it is a list of JSON objects; null is an empty one."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Garbled(f"the provider's {what} is not a list of objects")
    return value


def changed(said: JSON, changes: Mapping[str, Any]) -> JSON:
    """The object with what is different in it, or the very object if nothing is."""
    return {**said, **changes} if changes else said


def same(new: list[JSON], old: list[JSON]) -> bool:
    """Whether two lists hold the very same objects."""
    return len(new) == len(old) and all(one is other for one, other in zip(new, old, strict=True))


def hashed(said: Any) -> str:
    """Letters and digits that stand for a value, always the same: ids must not depend on chance."""
    return hashlib.sha256(orjson.dumps(said)).hexdigest()[:24]


def with_fields(said: JSON, fields: JSON) -> JSON:
    """The changes that put something under our key of `provider_fields`."""
    before = said.get("provider_fields")
    return {"provider_fields": {**(before if isinstance(before, dict) else {}), FIELDS: fields}}


def service_tier(said: JSON) -> JSON:
    """The changes for a tier that OpenAI does not have (Groq's `on_demand`): it moves to `provider_fields`."""
    tier = said.get("service_tier")
    if tier is None or tier in _TIERS:
        return {}
    return {"service_tier": None, **with_fields(said, {"service_tier": tier})}


def created(said: JSON) -> JSON:
    """The changes for a time that is not in whole seconds."""
    time = said.get("created")
    return {"created": int(time)} if isinstance(time, float) else {}


# --- the end of a choice


def finish(choice: JSON) -> str | None:
    """OpenAI's word for a choice's end, None where there is none. Raises Refused for an end that is a failure."""
    said = choice.get("finish_reason")
    if said in _FINISHES and not choice.get("error"):
        return said  # type: ignore[no-any-return]
    if choice.get("error") or (isinstance(said, str) and said in _FAILURES):
        raise _failed(choice, said)
    if not said:  # OpenAI's own, for a time; servers that begin with ""
        details = choice.get("finish_details")
        said = details.get("type") if isinstance(details, dict) else None
    if said is None or said in _FINISHES:
        return said
    if not isinstance(said, str):
        raise Garbled("the provider's finish_reason is not a string")
    return _OTHER_FINISHES.get(said, "stop")


def _failed(choice: JSON, reason: Any) -> Refused:
    if isinstance(choice.get("error"), (dict, str)):
        said = refusal.of(choice)
        status = refusal.status_of(choice)
        return Refused(status, said.message, type=said.type, code=said.code, param=said.param, extra=said.extra)
    return Refused(_FAILURES.get(reason, 502), f"the provider broke off the answer ({reason})", code=str(reason))


def ended(choice: JSON, reason: str | None) -> JSON:
    """The changes that a choice's end makes; a word that is not OpenAI's is kept."""
    said = choice.get("finish_reason")
    if said == reason and "finish_reason" in choice:
        return {}
    return {"finish_reason": reason, **(with_fields(choice, {"finish_reason": said}) if said else {})}


# --- what was said and thought


def text_and_thought(content: list[Any]) -> tuple[str, str]:
    """A list of content parts as text and as thought (Mistral's `thinking`, Databricks' `reasoning`)."""
    text, thought = [], []
    for part in objects(content, "content"):
        if part.get("type") == "thinking":
            thought.append(_joined(part.get("thinking")))
        elif part.get("type") == "reasoning":
            thought.append(_joined(part.get("summary")))
        elif part.get("type") == "text":
            text.append(_a_string(part.get("text"), "text part"))
    return "".join(text), "".join(thought)


def _joined(said: Any) -> str:
    if isinstance(said, list):
        return "".join(_a_string(part.get("text"), "thought") for part in objects(said, "thought"))
    return _a_string(said, "thought")


def _a_string(value: Any, what: str) -> str:
    if value is not None and not isinstance(value, str):
        raise Garbled(f"the provider's {what} is not a string")
    return value or ""


def thought(said: JSON) -> JSON:
    """The changes for a thought under its other name: the one that most clients read is added."""
    if said.get("reasoning_content") is None and isinstance(said.get("reasoning"), str):
        return {"reasoning_content": said["reasoning"]}
    return {}


def content(said: JSON) -> JSON:
    """The changes for content that is a list of parts."""
    parts = said.get("content")
    if parts is None or isinstance(parts, str):
        return {}
    if not isinstance(parts, list):
        raise Garbled("the provider's content is neither a string nor a list")
    text, thoughts = text_and_thought(parts)
    return {"content": text, **({"reasoning_content": thoughts} if thoughts else {})}


def arguments(said: Any) -> str:
    """A call's arguments as OpenAI writes them: a JSON string."""
    if said is None or said == "":
        return "{}"
    if isinstance(said, str):
        return said
    if not isinstance(said, dict):
        raise Garbled("the provider's tool arguments are neither a string nor an object")
    return orjson.dumps(said).decode()


def call_id(call: JSON) -> str | None:
    """A call's id; Mistral writes "null" for none."""
    said = call.get("id")
    return said if isinstance(said, str) and said not in ("", "null") else None


# --- usage

_CACHED = ("prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens")
"""Other names of what was read from a cache: DeepSeek, Mistral, hosts behind Hugging Face's router."""


def usage(said: Any) -> JSON | None:
    """A usage with all of OpenAI's counts, or the very object if they are there; None for none."""
    if said is None:
        return None
    counts = an_object(said, "usage")
    prompt, completion = _count(counts, "prompt_tokens"), _count(counts, "completion_tokens")
    changes: JSON = {}
    all_counts = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    changes |= {key: value for key, value in all_counts.items() if counts.get(key) is None}
    changes |= _detail(counts, "prompt_tokens_details", "cached_tokens", _CACHED)
    changes |= _detail(counts, "completion_tokens_details", "reasoning_tokens", ("reasoning_tokens",))
    return changed(counts, changes)


def _count(counts: JSON, key: str) -> int:
    value = counts.get(key) or 0
    if not isinstance(value, int):
        raise Garbled(f"the provider's {key} is not a whole number")
    return value


def _detail(counts: JSON, details: str, key: str, others: tuple[str, ...]) -> JSON:
    """The changes for a detail that stands beside the counts instead of in their details."""
    there = an_object(counts.get(details), details)
    if there.get(key) is not None:
        return {}
    found = [counts[other] for other in others if isinstance(counts.get(other), int)]
    return {details: {**there, key: found[0]}} if found else {}
