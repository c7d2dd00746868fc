"""What a well provider answers: a text that only one question has, so that a short or another's answer is found out."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

_PROMPT = re.compile(rb"say (\d+) in (\d+) words")
_TOP = {"id": "chatcmpl-soak", "created": 1741569952, "model": "soak-1"}
PROMPT_TOKENS = 7


@dataclass(frozen=True)
class Wanted:
    """The answer to one question."""

    number: int
    """No other question of the soak has it."""
    words: int

    @property
    def prompt(self) -> str:
        """What is asked; both providers read it, in whatever dialect it comes."""
        return f"say {self.number} in {self.words} words"

    def said(self) -> list[str]:
        """The words, each a token."""
        return [f" {self.number}:{word}" for word in range(self.words)]

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.said())

    @property
    def vector(self) -> list[float]:
        """The embedding."""
        return [float(self.number), float(self.words), 0.5]


def asked(body: bytes) -> Wanted:
    """What a request's body asks for. Raises ValueError."""
    if found := _PROMPT.search(body):
        return Wanted(int(found[1]), int(found[2]))
    raise ValueError("the body asks for nothing")


def whole(kind: str, wanted: Wanted) -> bytes:
    """The answer at once. `kind` is the last part of the path: completions, chat/completions, embeddings, messages."""
    if kind == "embeddings":
        data = [{"object": "embedding", "index": 0, "embedding": wanted.vector}]
        usage = {"prompt_tokens": PROMPT_TOKENS, "total_tokens": PROMPT_TOKENS}
        return _encoded({"object": "list", "data": data, "model": "soak-1", "usage": usage})
    if kind == "messages":
        content = [{"type": "text", "text": wanted.text}]
        usage = {"input_tokens": PROMPT_TOKENS, "output_tokens": wanted.words}
        return _encoded({**_message(), "content": content, "stop_reason": "end_turn", "usage": usage})
    if kind == "completions":
        choice = {"index": 0, "text": wanted.text, "logprobs": None, "finish_reason": "stop"}
        return _encoded({**_TOP, "object": "text_completion", "choices": [choice], "usage": _usage(wanted)})
    message = {"role": "assistant", "content": wanted.text, "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return _encoded({**_TOP, "object": "chat.completion", "choices": [choice], "usage": _usage(wanted)})


def events(kind: str, wanted: Wanted) -> list[bytes]:
    """The answer as server-sent events; the last one says that it is over."""
    if kind == "messages":
        return [
            b"event: %s\ndata: %s\n\n" % (said["type"].encode(), _encoded(said)) for said in _anthropic_events(wanted)
        ]
    is_chat = kind == "chat/completions"
    top = {**_TOP, "object": "chat.completion.chunk" if is_chat else "text_completion"}
    choices = [_choice(is_chat, word, None) for word in wanted.said()]
    if is_chat:
        choices.insert(0, {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None})
    chunks: list[dict[str, Any]] = [{**top, "choices": [choice]} for choice in choices]
    chunks += [{**top, "choices": [_choice(is_chat, "", "stop")]}, {**top, "choices": [], "usage": _usage(wanted)}]
    return [b"data: %s\n\n" % said for said in [*map(_encoded, chunks), b"[DONE]"]]


def _anthropic_events(wanted: Wanted) -> list[dict[str, Any]]:
    usage = {"input_tokens": PROMPT_TOKENS, "output_tokens": 1}
    message = {**_message(), "content": [], "stop_reason": None, "usage": usage}
    words = [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": word}}
        for word in wanted.said()
    ]
    return [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *words,
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": wanted.words}},
        {"type": "message_stop"},
    ]


def _message() -> dict[str, Any]:
    return {"id": "msg_soak", "type": "message", "role": "assistant", "model": "soak-1", "stop_sequence": None}


def _choice(is_chat: bool, text: str, finish_reason: str | None) -> dict[str, Any]:
    said = {"delta": {"content": text} if text else {}} if is_chat else {"text": text}
    return {"index": 0, **said, "logprobs": None, "finish_reason": finish_reason}


def _usage(wanted: Wanted) -> dict[str, int]:
    total = PROMPT_TOKENS + wanted.words
    return {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": wanted.words, "total_tokens": total}


def _encoded(obj: Any) -> bytes:
    return json.dumps(obj, separators=(",", ":")).encode()
