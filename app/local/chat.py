"""Chat completions of the built-in model: text, a tool call, or a document that fits a schema."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import orjson

from app.local import prose
from app.local.answer import Answer, stream, whole
from app.local.choices import Choice, Limits, called, in_turns, limited, longest, usage
from app.local.documents import document
from app.local.messages import Conversation, conversation
from app.local.payload import JSON, flag, integer, stops, wants_stream_usage
from app.local.tools import forced_call
from app.local.variety import key

_calls = itertools.count()


def answer(payload: JSON) -> Answer:
    """The chat completion: whole, or a stream if the payload asks for one."""
    chat = conversation(payload)
    choices = _choices(payload, chat)
    used = usage(chat.tokens, choices)
    streamed = flag(payload, "stream")
    head = {
        "id": f"chatcmpl-local-{key(payload, time.time_ns(), next(_calls))}",
        "object": "chat.completion.chunk" if streamed else "chat.completion",
        "created": int(time.time()),
        "model": payload.get("model"),
        "system_fingerprint": "fp_local",
    }
    if streamed:
        return stream(_chunks(head, choices, used if wants_stream_usage(payload) else None))
    return whole({**head, "choices": [_entry(choice) for choice in choices], "usage": used}, longest(choices))


def _choices(payload: JSON, chat: Conversation) -> list[Choice]:
    """`n` choices, decided by the messages, the seed and the choice's index, and by nothing else."""
    number = integer(payload, "n", 1, 128) or 1
    most = integer(payload, "max_completion_tokens", 1) or integer(payload, "max_tokens", 1)
    limits = Limits(most, stops(payload))
    variety = key(payload["messages"], payload.get("seed"))
    if call := forced_call(payload, variety):
        arguments = orjson.dumps(call.arguments).decode()
        return [called(index, call.tool(index), arguments, limits) for index in range(number)]
    made = document(payload)
    if made is not None:
        return [limited(index, made, limits) for index in range(number)]
    return [limited(index, prose.reply(chat, variety, index), limits) for index in range(number)]


def _entry(choice: Choice) -> JSON:
    message: JSON = {"role": "assistant", "content": None if choice.tool else choice.text, "refusal": None}
    if choice.tool:
        function = {"name": choice.tool.name, "arguments": choice.text}
        message["tool_calls"] = [{"id": choice.tool.id, "type": "function", "function": function}]
    return {"index": choice.index, "message": message, "logprobs": None, "finish_reason": choice.finish_reason}


def _chunks(head: JSON, choices: list[Choice], used: JSON | None) -> Iterator[tuple[int, JSON]]:
    """(tokens so far, chunk): who speaks, token by token what, how each choice ends, and the usage."""
    extra = {"usage": None} if used else {}
    for choice in choices:
        yield 0, {**head, "choices": [_delta(choice, _first(choice))], **extra}
    for number, choice, token in in_turns(choices):
        yield number, {**head, "choices": [_delta(choice, _next(choice, token))], **extra}
    end = longest(choices)
    for choice in choices:
        yield end, {**head, "choices": [_delta(choice, {}, choice.finish_reason)], **extra}
    if used:
        yield end, {**head, "choices": [], "usage": used}


def _delta(choice: Choice, delta: JSON, finish_reason: str | None = None) -> JSON:
    return {"index": choice.index, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def _first(choice: Choice) -> JSON:
    """The first delta: the role and, for a tool call, its id and name, which come once."""
    if not choice.tool:
        return {"role": "assistant", "content": "", "refusal": None}
    function = {"name": choice.tool.name, "arguments": ""}
    call = {"index": 0, "id": choice.tool.id, "type": "function", "function": function}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def _next(choice: Choice, token: str) -> JSON:
    if not choice.tool:
        return {"content": token}
    return {"tool_calls": [{"index": 0, "function": {"arguments": token}}]}
