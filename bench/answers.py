"""What the measured providers answer: a chat completion, and a stream of exactly 100 events and `[DONE]`."""

from __future__ import annotations

import json
from typing import Any

EVENTS = 100
"""Events of a stream: the role, the words, the finish reason and the usage."""
_USAGE = {"prompt_tokens": 13, "completion_tokens": 97, "total_tokens": 110}
_TOP = {
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    "created": 1741569952,
    "model": "gpt-4o-mini-2024-07-18",
    "service_tier": "default",
    "system_fingerprint": "fp_44709d6fcb",
}

QUESTION: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Hello, how are you?"},
    ],
    "temperature": 0.7,
    "max_tokens": 150,
}


def completion() -> bytes:
    """A whole answer, as JSON."""
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "Hello! How can I assist you today?",
        "refusal": None,
        "annotations": [],
    }
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _encoded({**_TOP, "object": "chat.completion", "choices": [choice], "usage": _USAGE})


def stream() -> bytes:
    """A streamed answer, as server-sent events."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{"content": f" word{number}"} for number in range(EVENTS - 3)]
    choices: list[list[Any]] = [[_choice(delta, None)] for delta in deltas]
    choices += [[_choice({}, "stop")], []]
    chunks = [{**_TOP, "object": "chat.completion.chunk", "choices": of, "usage": None} for of in choices]
    chunks[-1]["usage"] = _USAGE
    return b"".join(b"data: %s\n\n" % event for event in [*map(_encoded, chunks), b"[DONE]"])


def _choice(delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _encoded(obj: Any) -> bytes:
    return json.dumps(obj, separators=(",", ":")).encode()
