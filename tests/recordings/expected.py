"""What the vendor's SDK read in a recording, in OpenAI's words: the spec's tables of finish reasons and usage."""

from __future__ import annotations

import base64
import json
import re
from array import array
from typing import Any

from tests.recordings.recorded import Recording

JSON = dict[str, Any]

FINISH = {
    **dict.fromkeys(("end_turn", "stop_sequence", "pause_turn", "STOP", "COMPLETE", "STOP_SEQUENCE", "eos"), "stop"),
    **dict.fromkeys(("max_tokens", "model_context_window_exceeded", "MAX_TOKENS", "model_length"), "length"),
    **dict.fromkeys(("tool_use", "TOOL_CALL"), "tool_calls"),
    **dict.fromkeys(("refusal", "guardrail_intervened", "content_filtered", "SAFETY", "RECITATION"), "content_filter"),
    **dict.fromkeys(("BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR", "LANGUAGE"), "content_filter"),
}
"""What is not here is OpenAI's own word."""

FAILURES = {
    **dict.fromkeys(("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"), 502),
    **dict.fromkeys(("MISSING_THOUGHT_SIGNATURE", "MALFORMED_RESPONSE", "OTHER"), 502),
    **dict.fromkeys(("malformed_model_output", "malformed_tool_use", "ERROR", "error"), 502),
    "TIMEOUT": 504,
}
"""Ends that are no answers, and the status that says so; none in the midst of a stream."""


def is_the_sdks(recording: Recording) -> bool:
    """Whether the error is the SDK's own, which could not read what the provider said well."""
    return recording.reading["error"]["status"] is None


def result(recording: Recording) -> JSON:
    """What the SDK read; of an answer that it could not read, what stands there: a choice without a message."""
    if "result" in recording.reading:
        return dict(recording.reading["result"])
    body = json.loads(recording.body)
    silent: JSON = {"text": None, "tool_calls": []}
    return {**body, "choices": [{**silent, "finish": choice["finish_reason"]} for choice in body["choices"]]}


def vectors(recording: Recording) -> list[list[float]]:
    """The starts of the vectors that the SDK read; of base64 that it left as it was, the whole vectors."""
    first = recording.reading["result"]["first"]
    if isinstance(first[0], list):
        return list(first)
    packed = [base64.b64decode(item["embedding"]) for item in json.loads(recording.body)["data"]]
    kind = "b" if recording.provider == "perplexity" else "f"  # signed bytes; elsewhere little-endian floats
    return [[float(number) for number in array(kind, vector)] for vector in packed]


def choices(recording: Recording) -> list[JSON]:
    """The choices that the SDK read; those that have no list read one."""
    said = result(recording)
    return list(said.get("choices", [said]))


def failure(recording: Recording) -> str | None:
    """The finish reason that makes the answer none, or None."""
    found = [choice["finish"] for choice in choices(recording)] if recording.kind != "embeddings" else []
    return next((finish for finish in found if finish in FAILURES), None)


def tools(recording: Recording, choice: JSON) -> list[tuple[str | None, str, Any]]:
    """(id, name, arguments); the id is None where the provider gave none. Tools that ran at the provider are none."""
    ran = _ran_there(recording)
    calls = choice.get("tool_calls") or []
    return [(call["id"], call["name"], _arguments(call["arguments"])) for call in calls if call["id"] not in ran]


def _arguments(said: Any) -> Any:
    if isinstance(said, str):
        return json.loads(said) if said.strip() else {}
    return said or {}


def _ran_there(recording: Recording) -> set[str]:
    """The ids of Bedrock's tool uses that it marks as its own."""
    if recording.provider != "bedrock":
        return set()
    found = re.findall(rb'"toolUse":\s*(\{[^{}]*)', recording.body)
    owned = [use for use in found if b"server_tool_use" in use]
    return {match[1].decode() for use in owned if (match := re.search(rb'"toolUseId":\s*"([^"]+)"', use))}


def finish(recording: Recording, choice: JSON) -> str | None:
    """The finish reason by the table; Gemini's STOP says nothing of tool calls."""
    said = FINISH.get(choice["finish"], choice["finish"])
    return "tool_calls" if said == "stop" and choice["finish"] == "STOP" and choice["tool_calls"] else said


def usage(recording: Recording) -> tuple[int, int, int, int] | None:
    """(prompt, completion, cached, reasoning) tokens by the table, or None where nothing was counted."""
    said = result(recording).get("usage")
    if not said:
        return None
    count = {"anthropic": _anthropic, "bedrock": _bedrock, "cohere": _cohere, "gemini": _gemini, "vertex": _gemini}
    return count.get(recording.provider, openai)(said)


def openai(said: JSON) -> tuple[int, int, int, int]:
    """OpenAI's own words, which are ours."""
    cached = (said.get("prompt_tokens_details") or {}).get("cached_tokens") or said.get("prompt_cache_hit_tokens")
    thought = (said.get("completion_tokens_details") or {}).get("reasoning_tokens")
    return _counts(said.get("prompt_tokens"), said.get("completion_tokens"), cached, thought)


def _anthropic(said: JSON) -> tuple[int, int, int, int]:
    read, written = said.get("cache_read_input_tokens") or 0, said.get("cache_creation_input_tokens") or 0
    thought = (said.get("output_tokens_details") or {}).get("thinking_tokens")
    return _counts((said["input_tokens"] or 0) + read + written, said["output_tokens"], read, thought)


def _bedrock(said: JSON) -> tuple[int, int, int, int]:
    read, written = said.get("cacheReadInputTokens") or 0, said.get("cacheWriteInputTokens") or 0
    return _counts(said["inputTokens"] + read + written, said["outputTokens"], read, 0)


def _cohere(said: JSON) -> tuple[int, int, int, int]:
    tokens = said.get("tokens") or said.get("billed_units") or {}
    thought = tokens.get("reasoning_tokens")
    return _counts(tokens.get("input_tokens"), tokens.get("output_tokens"), said.get("cached_tokens"), thought)


def _gemini(said: JSON) -> tuple[int, int, int, int]:
    thought = said.get("thoughts_token_count") or 0
    prompt = (said.get("prompt_token_count") or 0) + (said.get("tool_use_prompt_token_count") or 0)
    completion = (said.get("candidates_token_count") or 0) + thought
    return _counts(prompt, completion, said.get("cached_content_token_count"), thought)


def _counts(*said: Any) -> tuple[int, int, int, int]:
    prompt, completion, cached, thought = (int(count or 0) for count in said)
    return prompt, completion, cached, thought


def words(recording: Recording) -> str:
    """The provider's own words in its error, straight from its body: of a page its title, of several the first."""
    try:
        data = json.loads(recording.body)
    except ValueError:
        title = re.search(rb"<title>\s*(.*?)\s*</title>", recording.body, re.DOTALL | re.IGNORECASE)
        return (title[1] if title else recording.body.strip()).decode()
    data = data[0] if isinstance(data, list) else data
    error = data.get("error", data)
    said = error if isinstance(error, str) else error.get("message") or error.get("detail")
    while isinstance(said, (dict, list)):
        said = said[0] if isinstance(said, list) else said.get("msg") or said.get("message") or said["detail"]
    return str(said)
