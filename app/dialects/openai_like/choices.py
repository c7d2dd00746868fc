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
    **dict.fromkeys(("sensitive", "recitation", "blocklist", "prohibited_content", "spii"), "content_filter"),
    **dict.fromkeys(("image_safety", "image_prohibited_content", "image_recitation"), "content_filter"),
    "guardrail_intervened": "content_filter", "content_filtered": "content_filter",
    "model_context_window_exceeded": "length",
}  # fmt: skip
"""Other words for an end, in small letters. `max_tokens` is also a type of OpenAI's former `finish_details`."""

_FAILURES = {
    "error": 502, "abort": 502, "network_error": 502, "insufficient_system_resource": 503, "engine_overloaded": 503,
    **dict.fromkeys(("malformed_function_call", "unexpected_tool_call", "function_call_filter"), 502),
    "malformed_model_output": 502, "malformed_tool_use": 502,
}  # fmt: skip
"""Ends that are none: the answer broke off at the provider."""

TIERS = ("auto", "default", "flex", "scale", "priority", "fast")
"""OpenAI's service tiers."""


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
    if tier is None or tier in TIERS:
        return {}
    return {"service_tier": None, **with_fields(said, {"service_tier": tier})}


def created(said: JSON) -> JSON:
    """The changes for a time that is not in whole seconds; one that is no number is none."""
    time = said.get("created")
    if time is None or type(time) is int:
        return {}
    return {"created": int(time) if isinstance(time, float) else None}


def refused(said: JSON) -> Refused:
    """The error that an answer or an event is."""
    told = refusal.of(said)
    status = refusal.status_of(said)
    return Refused(status, told.message, type=told.type, code=told.code, param=told.param, extra=told.extra)


def is_error(said: JSON) -> bool:
    """Whether an answer or an event is an error: it says so, or it has words and no choices."""
    if said.get("error") or "error" in (said.get("object"), said.get("type")):
        return True
    return not said.get("choices") and any(isinstance(said.get(key), (str, list)) for key in ("message", "detail"))


# --- the end of a choice


def finish(choice: JSON) -> str | None:
    """OpenAI's word for a choice's end, None where there is none. Raises Refused for an end that is a failure."""
    said = choice.get("finish_reason")
    if said in _FINISHES and not choice.get("error"):
        return said  # type: ignore[no-any-return]
    word = _word(said)
    if choice.get("error") or word in _FAILURES:
        raise _failed(choice, word)
    if not said:  # OpenAI's own, for a time; servers that begin with ""
        details = choice.get("finish_details")
        said = details.get("type") if isinstance(details, dict) else None
        word = _word(said)
    if said is None or word == "null":
        return None
    if not isinstance(said, str):
        raise Garbled("the provider's finish_reason is not a string")
    return word if word in _FINISHES else _OTHER_FINISHES.get(word, "stop")


def _word(said: Any) -> str:
    """An end's word in small letters: Google says `SAFETY`, or `content_filter: PROHIBITED_CONTENT`."""
    return said.partition(":")[0].strip().lower() if isinstance(said, str) else ""


def _failed(choice: JSON, reason: Any) -> Refused:
    if isinstance(choice.get("error"), (dict, str)):
        return refused(choice)
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


def text(choice: JSON) -> JSON:
    """The changes for a text that is null, and for probabilities in another form than OpenAI's lists."""
    if "text" not in choice or not isinstance(choice["text"], (str, type(None))):
        raise Garbled("the provider's choice has no text")
    changes: JSON = {} if choice["text"] is not None else {"text": ""}
    if isinstance(choice.get("logprobs"), (int, float)):  # Together, in streams
        value = choice["logprobs"]
        changes["logprobs"] = {"tokens": [choice["text"] or ""], "token_logprobs": [value]}
    return changes


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
    """A usage with all of OpenAI's counts, or the very object if they are there; None for what counts nothing.

    An answer is worth more than its bill: what cannot be read here does not spoil it.
    """
    counts = said if isinstance(said, dict) else {}
    prompt, completion = _count(counts.get("prompt_tokens")), _count(counts.get("completion_tokens"))
    if prompt is None and completion is None:
        return None
    total = _count(counts.get("total_tokens")) or (prompt or 0) + (completion or 0)
    right = {"prompt_tokens": prompt or 0, "completion_tokens": completion or 0, "total_tokens": total}
    changes: JSON = {key: value for key, value in right.items() if type(counts.get(key)) is not int}
    changes |= _detail(counts, "prompt_tokens_details", "cached_tokens", _CACHED)
    changes |= _detail(counts, "completion_tokens_details", "reasoning_tokens", ("reasoning_tokens",))
    return changed(counts, changes)


def _count(value: Any) -> int | None:
    return int(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _detail(counts: JSON, details: str, key: str, others: tuple[str, ...]) -> JSON:
    """The changes for a detail that stands beside the counts instead of in their details."""
    said = counts.get(details)
    there = said if isinstance(said, dict) else {}
    found = [count for other in others if (count := _count(counts.get(other))) is not None]
    if there.get(key) is None and found:
        return {details: {**there, key: found[0]}}
    return {} if said is None or there is said else {details: None}
