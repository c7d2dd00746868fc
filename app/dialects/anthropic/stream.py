"""Anthropic's stream events -> OpenAI's chunks."""

from __future__ import annotations

import orjson

from app.dialects import JSON, shapes
from app.dialects import refusal as refusals
from app.dialects.anthropic.content import NAME
from app.dialects.anthropic.response import finish_reason, kept_blocks, named, provider_fields, string, usage
from app.dialects.conversation import argument_string
from app.dialects.fields import without_nones
from app.errors import Garbled, Refused

_STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""Source: Anthropic, "Errors"."""

_CUT_SHORT = ("max_tokens", "model_context_window_exceeded")
"""Ends at which a tool's arguments may be half of them."""

_SAID = {"text_delta": ("content", "text"), "thinking_delta": ("reasoning_content", "thinking")}
"""A delta's type: what it adds to of OpenAI's, and under which key it stands."""

_IN_PIECES = ("text", "thinking", "signature")
"""What of a block comes in several deltas; the rest, such as a compaction's summary, comes in one."""


class _Answer:
    """An answer as far as it has come: the blocks as a whole answer would have them."""

    def __init__(self) -> None:
        self.finished = self._is_counted = False
        self._begun = False
        self._head: JSON = {"id": None, "object": "chat.completion.chunk", "model": None}
        self._blocks: dict[int, JSON] = {}
        self._grown: dict[tuple[int, str], list[str]] = {}  # a block's index and key: what deltas have added there
        self._inputs: dict[int, list[str]] = {}  # of the blocks that are not closed: JSON in pieces, if they take any
        self._calls: dict[int, int] = {}  # the client's tools: a block's index -> a tool call's
        self._halves = False  # the input of a tool was no JSON
        self._counted: JSON = {}
        self._kept: JSON = {}  # what the message says beside its content

    def go_on(self, event: JSON) -> list[JSON]:
        """The chunks of one event. One of a kind that we do not know, a ping among them, says nothing."""
        kind = string(event["type"])
        if kind == "content_block_delta":
            return [self._chunk(delta) for delta in self._delta(event["index"], event["delta"])]
        if kind == "content_block_start":
            return [self._chunk(delta) for delta in self._open(event["index"], event["content_block"])]
        if kind == "content_block_stop":
            return [self._chunk(delta) for delta in self._close(event["index"])]
        if kind == "error":
            raise _refused(event)
        if kind == "message_start":
            return self._begin(event["message"])
        if kind == "message_delta":
            return self._end(event)
        return self._stop() if kind == "message_stop" else []

    def _begin(self, message: JSON) -> list[JSON]:
        for key in ("id", "model"):
            self._head[key] = shapes.text(message.get(key)) or None
        self._kept = dict(message)
        self._count(message.get("usage"))
        begun, self._begun = self._begun, True
        return (
            [] if begun else [self._chunk(delta) for delta in ({"role": "assistant", "content": ""}, *self._before())]
        )

    def _before(self) -> list[JSON]:
        """Blocks that stand in the start already: an answer that goes on after a tool that ran at Anthropic."""
        there = enumerate(shapes.mappings(self._kept.pop("content", None)))
        return [delta for index, block in there for delta in (*self._open(index, block), *self._close(index))]

    def _stop(self) -> list[JSON]:
        """The usage; before it the end, if it stood in the start."""
        ends = [] if self.finished else self._end({"delta": {"stop_reason": self._kept.get("stop_reason")}})
        return [*ends, *self.last()]

    def last(self) -> list[JSON]:
        """The usage of an answer that has ended, once: also where no message_stop follows."""
        if self._is_counted or not self.finished:
            return []
        self._is_counted = True
        return [{**self._head, "choices": [], "usage": usage(self._counted)}]

    def _open(self, index: int, block: JSON) -> list[JSON]:
        """The first delta of a block: a tool's id and name; or text, which may stand in the start already."""
        if not self._begun:
            raise ValueError("a message_start should come before the first block")
        kind = string(block["type"])
        self._blocks[index], self._inputs[index] = dict(block), []
        if kind == "tool_use":
            call = self._calls[index] = len(self._calls)
            arguments = argument_string(shapes.mapping(block["input"])) if block.get("input") else ""
            function = {"name": named(block), "arguments": arguments}
            return [_tool(call, {"id": named(block, "id"), "type": "function", "function": function})]
        if kind == "text":
            return _told("content", block["text"])
        if kind == "fallback":  # from here on another model answers
            self._head["model"] = string(block["to"]["model"])
        return _told("reasoning_content", block["thinking"]) if kind == "thinking" else []

    def _delta(self, index: int, delta: JSON) -> list[JSON]:
        block, kind = self._blocks[index], string(delta["type"])
        if kind == "input_json_delta":
            return self._input(index, string(delta["partial_json"]))
        if kind == "citations_delta":
            block["citations"] = [*(block.get("citations") or []), delta["citation"]]
            return []
        for key, value in delta.items():
            if key in _IN_PIECES:
                self._grown.setdefault((index, key), []).append(string(value))
            elif key != "type":
                block[key] = value
        said = _SAID.get(kind)
        return _told(said[0], delta[said[1]]) if said else []

    def _input(self, index: int, piece: str) -> list[JSON]:
        """A piece of a tool's input. A tool that ran at Anthropic is no business of the client's."""
        self._inputs[index].append(piece)
        mine = piece and index in self._calls
        return [_tool(self._calls[index], {"function": {"arguments": piece}})] if mine else []

    def _close(self, index: int) -> list[JSON]:
        """The input of a tool's block, which came in pieces, becomes the object that it is; no pieces, no arguments."""
        block, pieces = self._blocks[index], "".join(self._inputs.pop(index))
        if pieces:
            try:
                block["input"] = {**orjson.loads(pieces)}
            except orjson.JSONDecodeError:
                self._halves = True
        if pieces or block.get("input") or index not in self._calls:
            return []
        return [_tool(self._calls[index], {"function": {"arguments": "{}"}})]

    def _end(self, event: JSON) -> list[JSON]:
        """The end, with the blocks to bring back in a second turn; usage comes after it. There may be several."""
        delta = event["delta"]
        self._count(event.get("usage"))
        self._kept |= without_nones({**event, **delta, "delta": None})
        if self.finished or delta.get("stop_reason") is None:
            return []
        last = [self._chunk(piece) for index in sorted(self._inputs) for piece in self._close(index)]
        reason = finish_reason(delta["stop_reason"])
        if self._halves and delta["stop_reason"] not in _CUT_SHORT:
            raise Garbled(f"{NAME}'s answer is not what its format says: the input of a tool is no JSON")
        self.finished = True
        kept = {} if self._halves else kept_blocks([self._whole(index) for index in sorted(self._blocks)])
        return [*last, self._chunk(kept, reason, provider_fields(self._kept))]

    def _whole(self, index: int) -> JSON:
        """A block with what deltas have added to it."""
        block = self._blocks[index]
        grown = {key: self._grown[index, key] for key in _IN_PIECES if (index, key) in self._grown}
        return {**block, **{key: shapes.text(block.get(key)) + "".join(more) for key, more in grown.items()}}

    def _count(self, said: JSON | None) -> None:
        """Tools that ran at Anthropic raise the counts at the end; a smaller number there is a partial one."""
        for key, value in shapes.mapping(said).items():
            old = self._counted.get(key)
            if value is not None:
                numbers = isinstance(value, int) and isinstance(old, int)
                self._counted[key] = max(value, old) if numbers else value
        usage(self._counted)  # what it is made of has to be numbers

    def _chunk(self, delta: JSON, finish: str | None = None, more: JSON | None = None) -> JSON:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        chunk = {**self._head, "choices": [choice]}
        return {**chunk, **more} if more else chunk


def _tool(index: int, call: JSON) -> JSON:
    return {"tool_calls": [{"index": index, **call}]}


def _told(key: str, text: str) -> list[JSON]:
    """A delta of text, if there is any."""
    return [{key: text}] if string(text) else []


def _refused(event: JSON) -> Refused:
    said = refusals.of(event)
    return Refused(_STATUSES.get(said.type or "", 500), said.message, type=said.type, code=said.code, extra=said.extra)


stream = shapes.read(NAME, _Answer)
"""Anthropic's events as chunks."""
