"""Whether what a client heard is a whole answer or a clear error; all else is a violation. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from bench.soak.calls import ALONE, Call
from bench.soak.client import Heard
from bench.soak.faults import OF_STREAMS, OF_WHOLE_ANSWERS
from bench.soak.wanted import PROMPT_TOKENS

WHOLE, ERROR, ERROR_EVENT = "whole answer", "error", "error event"
LEFT, KILLED, STARVED, VIOLATION = "client left", "worker killed", "machine paused", "VIOLATION"
_STATUSES = (429, 500, 502, 503, 504)
"""What may be said of the provider's faults. All that the soak's clients ask is right: none of the rest is true."""


@dataclass(frozen=True)
class Verdict:
    """What came of a call, and why it is that."""

    outcome: str
    why: str = ""
    attempts: str = ""


class Wrong(Exception):
    """Neither a whole answer nor a clear error; the message says what it is."""


def judge(call: Call, heard: Heard) -> Verdict:
    """What came of a call whose connection did not break."""
    attempts = heard.headers.get("x-gateway-attempts", "")
    try:
        if heard.status != 200:
            return Verdict(ERROR, _error(call, heard), attempts)
        if not call.streams:
            _check_whole(call, _json(heard.body))
            return Verdict(WHOLE, "", attempts)
        error = _stream(call, heard)
        return Verdict(ERROR_EVENT, error, attempts) if error else Verdict(WHOLE, "", attempts)
    except Wrong as wrong:
        return Verdict(VIOLATION, str(wrong), attempts)


def against(call: Call, verdict: Verdict, told: list[str]) -> Verdict:
    """The same, as an error stands beside what the provider did: a list of `primary: fault`, one for each attempt.

    STARVED: a timeout that none of the faults is; it is right if the machine did not let somebody run.
    """
    faults = [fault for fault in (said.partition(": ")[2] for said in told) if fault != "well"]
    known = OF_STREAMS if call.streams else OF_WHOLE_ANSWERS
    # Which of several is told may be the first's or the last's; it has to be one of them.
    honest = {str(status) for fault in faults for status in known[fault].honest}
    is_timeout = verdict.why.startswith("504") or verdict.why == "upstream_timeout"
    if is_timeout and "504" not in honest:
        return Verdict(STARVED, f"{verdict.why}, the provider's faults: {faults}", verdict.attempts)
    if not faults or (verdict.outcome == ERROR and call.target in ALONE and verdict.why[:3] not in honest):
        return Verdict(VIOLATION, f"it says {verdict.why}, the provider's faults: {faults}", verdict.attempts)
    return verdict


def _error(call: Call, heard: Heard) -> str:
    """What a refusal says. Raises Wrong."""
    if heard.status not in _STATUSES:
        raise Wrong(f"status {heard.status}")
    said = _json(heard.body)
    error = said.get("error")
    words = error.get("message") if isinstance(error, dict) else said.get("detail")
    if not isinstance(words, str) or not words:
        raise Wrong("an error without words")
    if isinstance(error, dict):
        _check_blame(error)
    return f"{heard.status} {error.get('code') or error.get('type') if isinstance(error, dict) else words}"


def _check_whole(call: Call, said: dict[str, Any]) -> None:
    usage = said.get("usage") or {}
    if call.kind == "embeddings":
        _same(said["data"][0]["embedding"], call.wanted.vector)
        if usage.get("prompt_tokens") != PROMPT_TOKENS:
            raise Wrong(f"the usage is {usage}")
        return
    _check_usage(call, usage)
    choice = said["choices"][0]
    _same(choice["message"]["content"] if call.kind == "chat" else choice["text"], call.wanted.text)
    if choice["finish_reason"] != "stop":
        raise Wrong(f"the finish_reason is {choice['finish_reason']}")


def _check_usage(call: Call, usage: dict[str, Any]) -> None:
    if (usage.get("prompt_tokens"), usage.get("completion_tokens")) != (PROMPT_TOKENS, call.wanted.words):
        raise Wrong(f"the usage is {usage}")


def _same(said: Any, wanted: Any) -> None:
    if said != wanted:
        raise Wrong(f"it says {str(said)[:80]!r}... of length {len(said)}, not {str(wanted)[:80]!r}... {len(wanted)}")


def _stream(call: Call, heard: Heard) -> str:
    """What the error says that a stream ended with; empty for a whole one. Raises Wrong."""
    chunks = _array(heard) if call.manner == "array" else _events(heard)
    error = chunks.pop() if chunks and "error" in chunks[-1] else None
    text = "".join(_text(call, choice) for chunk in chunks for choice in chunk.get("choices") or ())
    if error is not None:
        if not call.wanted.text.startswith(text):
            raise Wrong(f"before the error it says {text[-80:]!r}")
        return _error_words(error)
    _same(text, call.wanted.text)
    _check_usage(call, next((chunk["usage"] for chunk in chunks if chunk.get("usage")), {}))
    _check_chunks(chunks)
    return ""


def _check_chunks(chunks: list[dict[str, Any]]) -> None:
    """One id, one finish_reason, and no text after it."""
    if len(ids := {chunk.get("id") for chunk in chunks}) != 1:
        raise Wrong(f"the chunks have the ids {ids}")
    reasons = [
        choice["finish_reason"] for chunk in chunks for choice in chunk["choices"] if choice.get("finish_reason")
    ]
    if reasons != ["stop"]:
        raise Wrong(f"the finish_reasons are {reasons}")


def _error_words(said: dict[str, Any]) -> str:
    error = said["error"]
    if not isinstance(error, dict) or not isinstance(error.get("message"), str) or not error["message"]:
        raise Wrong(f"an error event without words: {said}")
    _check_blame(error)
    return f"{error.get('code') or error.get('type')}"


def _check_blame(error: dict[str, Any]) -> None:
    if error.get("code") == "internal_error":
        raise Wrong("the gateway met an error of its own")


def _text(call: Call, choice: dict[str, Any]) -> str:
    said = choice["text"] if call.kind == "completions" else (choice.get("delta") or {}).get("content")
    return said or ""


def _events(heard: Heard) -> list[dict[str, Any]]:
    """The events; [DONE] has to be the last one but after an error, which is the last itself."""
    if not heard.headers.get("content-type", "").startswith("text/event-stream"):
        raise Wrong(f"a stream with the content type {heard.headers.get('content-type')}")
    *events, rest = bytes(heard.body).split(b"\n\n")
    if rest:
        raise Wrong(f"the stream ends in the middle of an event: {rest[-80:]!r}")
    data = [event.removeprefix(b"data: ") for event in events if not event.startswith(b":")]
    is_done = data[-1:] == [b"[DONE]"]
    chunks = [_json(event) for event in (data[:-1] if is_done else data)]
    if any("error" in chunk for chunk in chunks[:-1]):
        raise Wrong("an error event that is not the last")
    if is_done == bool(chunks and "error" in chunks[-1]):
        raise Wrong("both an error and [DONE]" if is_done else "neither [DONE] nor an error at the end")
    return chunks


def _array(heard: Heard) -> list[dict[str, Any]]:
    try:
        chunks: list[dict[str, Any]] = json.loads(heard.body)
    except ValueError as error:
        raise Wrong(f"not JSON: {error}") from error
    if not isinstance(chunks, list) or any("error" in chunk for chunk in chunks[:-1]):
        raise Wrong("not an array of chunks whose last may be an error")
    return chunks


def _json(data: bytes | bytearray) -> dict[str, Any]:
    try:
        said = json.loads(data)
    except ValueError as error:
        raise Wrong(f"not JSON: {error}") from error
    if not isinstance(said, dict):
        raise Wrong("not a JSON object")
    return said
