"""What the measured providers answer: a chat completion, streams of exactly 100 events, deltas to be sent slowly."""

from __future__ import annotations

import json
import struct
from typing import Any
from zlib import crc32

EVENTS = 100
"""Events of a stream: what begins it, the words, and what ends it; `[DONE]` is not counted."""
_USAGE = {"prompt_tokens": 13, "completion_tokens": 97, "total_tokens": 110}
_TOP = {
    "id": "chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT",
    "created": 1741569952,
    "model": "gpt-4o-mini-2024-07-18",
    "service_tier": "default",
    "system_fingerprint": "fp_44709d6fcb",
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
    return b"".join(deltas(EVENTS - 3))


def deltas(words: int) -> list[bytes]:
    """The events of a streamed answer of so many words: the role, the words, the finish reason, the usage, `[DONE]`."""
    said: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}]
    said += [{"content": f" word{number}"} for number in range(words)]
    choices: list[list[Any]] = [[_choice(delta, None)] for delta in said]
    choices += [[_choice({}, "stop")], []]
    chunks = [{**_TOP, "object": "chat.completion.chunk", "choices": of, "usage": None} for of in choices]
    chunks[-1]["usage"] = _USAGE
    return [b"data: %s\n\n" % event for event in [*map(_encoded, chunks), b"[DONE]"]]


def anthropic_stream() -> bytes:
    """The same answer as Anthropic streams it."""
    usage = {"input_tokens": 13, "output_tokens": 1}
    message = {"id": "msg_01", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5", "content": []}
    begun: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, "stop_reason": None, "stop_sequence": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    ]
    words: list[dict[str, Any]] = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": f" word{number}"}}
        for number in range(EVENTS - 5)
    ]
    ended: list[dict[str, Any]] = [
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 97}},
        {"type": "message_stop"},
    ]
    said = [*begun, *words, *ended]
    return b"".join(b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), _encoded(event)) for event in said)


def bedrock_stream() -> bytes:
    """The same answer as Bedrock's Converse streams it: frames of AWS's binary event stream."""
    words: list[tuple[str, dict[str, Any]]] = [
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": f" word{number}"}})
        for number in range(EVENTS - 4)
    ]
    usage = {"inputTokens": 13, "outputTokens": 97, "totalTokens": 110}
    ended: list[tuple[str, dict[str, Any]]] = [
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("messageStop", {"stopReason": "end_turn"}),
        ("metadata", {"usage": usage, "metrics": {"latencyMs": 210}}),
    ]
    said = [("messageStart", {"role": "assistant"}), *words, *ended]
    return b"".join(_frame(name, _encoded({**event, "p": "abcdefghijkl"})) for name, event in said)


def _frame(name: str, payload: bytes) -> bytes:
    """One message: a prelude with its checksum, headers (each a string: type 7), the payload, a checksum of it all."""
    said = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    headers = b"".join(
        struct.pack(">B", len(key)) + key.encode() + struct.pack(">BH", 7, len(value)) + value.encode()
        for key, value in said.items()
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def _choice(delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _encoded(obj: Any) -> bytes:
    return json.dumps(obj, separators=(",", ":")).encode()
