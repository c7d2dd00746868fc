"""An answer of Gemini's (GenerateContentResponse) -> OpenAI's chat completion."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from app.dialects import JSON, shapes
from app.dialects.conversation import argument_string
from app.dialects.fields import without_nones
from app.dialects.gemini import grounding
from app.dialects.gemini.contents import NAME
from app.errors import Garbled, Refused

_WITHHELD = [
    *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "LANGUAGE", "ESCALATION"),
    *(
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
        "IMAGE_OTHER",
        "NO_IMAGE",
        "PUP_LIMITED_DISABLED",
    ),
]

FINISH_REASONS = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "length",
    **dict.fromkeys(_WITHHELD, "content_filter"),
}
"""Source: spec "Providers", section 5; the newest from google-genai's types."""

FAILURES = (
    "MALFORMED_FUNCTION_CALL",
    "MALFORMED_RESPONSE",
    "MISSING_THOUGHT_SIGNATURE",
    "OTHER",
    "TOO_MANY_TOOL_CALLS",
    "UNEXPECTED_TOOL_CALL",
)
"""Ends that are no answer: what was generated until then cannot be used."""

_COUNTS = (
    "promptTokenCount",
    "candidatesTokenCount",
    "totalTokenCount",
    "thoughtsTokenCount",
    "cachedContentTokenCount",
)


@shapes.whole(NAME)
def response(body: JSON) -> JSON:
    """The completion. Raises Garbled for what is no answer, Refused for an answer that failed at Gemini."""
    answer = answer_id(body)
    names = Names(answer)
    candidates = shapes.mappings(body.get("candidates"))
    choices = [_choice(index, candidate, names) for index, candidate in enumerate(candidates)] or [blocked(body)]
    return {
        "id": answer,
        "object": "chat.completion",
        "model": shapes.text(body.get("modelVersion")) or None,
        "choices": choices,
        "usage": usage(body.get("usageMetadata")),
        **about(body, [metadata(candidate) for candidate in candidates]),
    }


def _choice(index: int, candidate: JSON, names: Names) -> JSON:
    parts = parts_of(candidate)
    if not parts and not candidate.get("finishReason"):
        raise Garbled("Gemini's answer has a candidate with neither content nor a reason for having none")
    calls = [tool_call(part, names) for part in parts if part.get("functionCall") is not None]
    reason = finish_reason(candidate, bool(calls))
    said = joined(parts, thought=False)
    refused = refusal(candidate) if reason == "content_filter" and not said else None
    message: JSON = {
        "role": "assistant",
        "content": None if not said and (calls or refused) else said,
        "refusal": refused,
    }
    if thought := joined(parts, thought=True):
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = calls
    cited = grounding.citations(candidate.get("groundingMetadata"), parts)
    return {
        "index": index,
        "message": {**message, **cited, **kept_parts(parts)},
        "finish_reason": reason,
        "logprobs": logprobs(candidate.get("logprobsResult")),
    }


class Names:
    """The ids of an answer's tool calls: Gemini's own where it gave one, else made of the answer's id; none twice."""

    def __init__(self, answer: str) -> None:
        self._hash = hashlib.sha256(answer.encode()).hexdigest()[:12]
        self._given: set[str] = set()

    def of(self, call: JSON) -> str:
        """The id of the next call."""
        name = shapes.text(call.get("id"))
        if not name or name in self._given:
            name = f"call_{len(self._given)}_{self._hash}"
        self._given.add(name)
        return name


def answer_id(body: JSON) -> str:
    """The answer's id; older models give none, so it is made of what they said."""
    return shapes.text(body.get("responseId")) or shapes.made_id("gemini", body)


def parts_of(candidate: JSON) -> list[JSON]:
    """The parts of a candidate; a filter leaves none."""
    return shapes.mappings(shapes.mapping(candidate.get("content")).get("parts"))


def joined(parts: Sequence[JSON], *, thought: bool) -> str:
    """What was said, or what was thought, as one text. Code that Gemini ran itself is neither."""
    return "".join(shapes.text(part.get("text")) for part in parts if bool(part.get("thought")) is thought)


def tool_call(part: JSON, names: Names) -> JSON:
    """A functionCall part as OpenAI's tool call; its signature where Google's own OpenAI-compatible service has it."""
    call = part["functionCall"]
    name, arguments = shapes.text(call["name"]), shapes.mapping(call.get("args"))
    if not name:
        raise TypeError("a functionCall should have a name")
    made = {
        "id": names.of(call),
        "type": "function",
        "function": {"name": name, "arguments": argument_string(arguments)},
    }
    if signature := shapes.text(part.get("thoughtSignature")):
        made["extra_content"] = {"google": {"thought_signature": signature}}
    return made


def kept_parts(parts: Sequence[JSON]) -> JSON:
    """All parts as they came, if one of them has no place in OpenAI's shape: a second turn brings them back."""
    if all(part.keys() <= {"text"} or part.keys() == {"functionCall"} for part in parts):
        return {}
    return {"provider_fields": {"gemini": {"parts": list(parts)}}}


def finish_reason(candidate: JSON, calls: bool) -> str:
    """OpenAI's word for Gemini's. Raises Refused, with Gemini's words, for an end that is no answer."""
    said = shapes.text(candidate.get("finishReason")) or "STOP"
    if said in FAILURES:
        words = shapes.text(candidate.get("finishMessage")) or "Gemini's answer failed"
        raise Refused(502, f"{words} ({said})", code=said)
    reason = FINISH_REASONS.get(said, "stop")
    return "tool_calls" if calls and reason == "stop" else reason


def refusal(candidate: JSON) -> str:
    """Why a candidate has no text."""
    return (
        shapes.text(candidate.get("finishMessage")) or f"Gemini withheld the answer ({candidate.get('finishReason')})"
    )


def blocked(body: JSON) -> JSON:
    """The choice that stands for a blocked prompt: a refusal, content_filter. Raises Garbled if nothing was blocked."""
    why = why_blocked(body)
    if why is None:
        raise Garbled("Gemini's answer has no candidates, and no reason for having none")
    message = {"role": "assistant", "content": None, "refusal": why}
    return {"index": 0, "message": message, "finish_reason": "content_filter", "logprobs": None}


def why_blocked(body: JSON) -> str | None:
    """Why the prompt got no answer; None where it was not blocked."""
    feedback = body.get("promptFeedback") or {}
    if not (reason := shapes.text(feedback.get("blockReason"))):
        return None
    return shapes.text(feedback.get("blockReasonMessage")) or f"Gemini blocked the prompt ({reason})"


def metadata(candidate: JSON) -> JSON:
    """What a candidate has beside its content: how it ended, grounding, citations, safety ratings, ..."""
    return {
        key: value
        for key, value in candidate.items()
        if key not in ("content", "index", "logprobsResult") and value is not None
    }


def about(body: JSON, candidates: Sequence[JSON]) -> JSON:
    """What an answer says that OpenAI's shape has no place for: the prompt's feedback, each candidate's metadata."""
    known = ("candidates", "responseId", "modelVersion", "usageMetadata")
    kept = {key: value for key, value in body.items() if key not in known and value is not None}
    if any(candidates):
        kept["candidates"] = list(candidates)
    return {"provider_fields": {"gemini": kept}} if kept else {}


def logprobs(result: JSON | None) -> JSON | None:
    """OpenAI's log probabilities. Google leaves out a number that is 0."""
    if not result:
        return None
    best: list[JSON] = result.get("topCandidates") or []
    content = [
        {
            **_logprob(chosen),
            "top_logprobs": [_logprob(other) for other in (best[at].get("candidates") or [] if at < len(best) else [])],
        }
        for at, chosen in enumerate(result.get("chosenCandidates") or [])
    ]
    return {"content": content, "refusal": None}


def _logprob(candidate: JSON) -> JSON:
    token = shapes.text(candidate.get("token"))
    return {"token": token, "logprob": float(candidate.get("logProbability") or 0), "bytes": list(token.encode())}


def usage(said: Any) -> JSON | None:
    """OpenAI's usage. Gemini counts thoughts beside the candidates, and what tools brought in beside the prompt."""
    if not (said := shapes.mapping(said)):
        return None
    prompt, completion, total, thought, cached = (shapes.count(said.get(name)) for name in _COUNTS)
    prompt += shapes.count(said.get("toolUsePromptTokenCount"))
    completion += thought
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": max(total, prompt + completion),
        "prompt_tokens_details": without_nones(
            {"cached_tokens": cached, "audio_tokens": _audio(said.get("promptTokensDetails"))}
        ),
        "completion_tokens_details": without_nones(
            {"reasoning_tokens": thought, "audio_tokens": _audio(said.get("candidatesTokensDetails"))}
        ),
        **{key: value for key, value in said.items() if key not in _COUNTS and value is not None},
    }


def _audio(details: Any) -> int | None:
    counted = (item.get("tokenCount") for item in shapes.mappings(details) if item.get("modality") == "AUDIO")
    return next(map(shapes.count, counted), None)
