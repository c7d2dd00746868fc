"""ConverseStream's events -> OpenAI's chunks."""

from __future__ import annotations

from typing import Any

import orjson

from app.dialects import JSON, shapes
from app.dialects import refusal as refusals
from app.dialects.bedrock.response import (
    NAME,
    finish_reason,
    invoked_model,
    is_clients,
    kept_blocks,
    provider_fields,
    string,
    usage,
)
from app.errors import Garbled, Refused

_HEAD: JSON = {"id": None, "object": "chat.completion.chunk", "model": None}

_CUT_SHORT = ("max_tokens", "model_context_window_exceeded")
"""Ends at which a tool's arguments may be half of them."""


class _Answer:
    """What was said so far: the blocks as a whole answer would have them, and which are the client's tools."""

    def __init__(self) -> None:
        self.finished = False
        self._begun = False
        self._blocks: dict[int, JSON] = {}
        self._arguments: dict[int, str] = {}  # of the tools in _blocks that still take some
        self._tools: dict[int, int] = {}  # the client's: a block's index -> a tool call's
        self._halves = False
        self._counted: JSON | None = None  # a metadata event that came before its time

    def go_on(self, event: JSON) -> list[JSON]:
        """The chunks that one event is. Raises Refused, and Garbled for a shape that the format does not have."""
        if "error" in event:
            raise _refused(event)
        (name, said), *_ = event.items()
        if name == "metadata":
            return self._metadata(said)
        if name == "messageStop":
            return [*self._role(), *self._stop(said)]
        return [*self._role(), *(_chunk(delta) for delta in self._deltas(name, said))]

    def last(self) -> list[JSON]:
        """None: the usage has an event of its own."""
        return []

    def _deltas(self, name: str, said: JSON) -> list[JSON]:
        if name == "contentBlockStart":
            return self._opening(said)
        if name == "contentBlockDelta":
            return self._delta(said)
        return self._closing(said["contentBlockIndex"]) if name == "contentBlockStop" else []

    def _role(self) -> list[JSON]:
        begun, self._begun = self._begun, True
        return [] if begun else [_chunk({"role": "assistant", "content": ""})]

    def _opening(self, said: JSON) -> list[JSON]:
        """The start of a block. Text and thought have none: they begin with their first delta."""
        index, start = said["contentBlockIndex"], said["start"]
        self._blocks[index] = {name: dict(value) for name, value in start.items()}
        if "toolUse" not in start:
            return []
        use = start["toolUse"]
        self._arguments[index] = ""
        if not is_clients(use):
            return []
        self._blocks[index]["toolUse"].pop("type", None)
        call = self._tools[index] = len(self._tools)
        function = {"name": string(use["name"]), "arguments": ""}
        return [_tool(call, {"id": string(use["toolUseId"]), "type": "function", "function": function})]

    def _delta(self, said: JSON) -> list[JSON]:
        index, delta = said["contentBlockIndex"], {**said["delta"]}
        block = self._blocks.setdefault(index, {})
        if "text" in delta:
            block["text"] = block.get("text", "") + string(delta["text"])
            return [{"content": delta["text"]}] if delta["text"] else []
        if "reasoningContent" in delta:
            return _thought(block.setdefault("reasoningContent", {}), delta["reasoningContent"])
        if "toolUse" in delta:
            piece = string(delta["toolUse"]["input"])
            self._arguments[index] += piece
            return (
                [_tool(self._tools[index], {"function": {"arguments": piece}})]
                if piece and index in self._tools
                else []
            )
        _keep(block, delta)
        return []

    def _closing(self, index: int) -> list[JSON]:
        """A tool's input, which came in pieces, becomes the object that it is; no pieces are no arguments."""
        block = self._blocks.get(index) or {}
        if citations := block.pop("_citations", None):
            self._blocks[index] = {
                "citationsContent": {"content": [{"text": block.get("text", "")}], "citations": citations}
            }
        pieces = self._arguments.pop(index, None)
        if pieces is None:
            return []
        try:
            block["toolUse"]["input"] = {**orjson.loads(pieces or "{}")}
        except orjson.JSONDecodeError:
            self._halves = True
        return (
            [] if pieces or index not in self._tools else [_tool(self._tools[index], {"function": {"arguments": "{}"}})]
        )

    def _stop(self, said: JSON) -> list[JSON]:
        last = [_chunk(delta) for index in sorted(self._blocks) for delta in self._closing(index)]
        reason = finish_reason(said["stopReason"])
        if self._halves and said["stopReason"] not in _CUT_SHORT:
            raise Garbled(f"{NAME}'s answer is not what its format says: the arguments of a tool's call are no JSON")
        blocks = [self._blocks[index] for index in sorted(self._blocks)]
        kept = {} if self._halves else kept_blocks(blocks)
        self.finished = True
        finish = _chunk(kept, reason, provider_fields(said))
        return [*last, finish, *(self._metadata(self._counted) if self._counted else [])]

    def _metadata(self, said: JSON) -> list[JSON]:
        """The usage, which comes last; kept until then if it is early."""
        if not self.finished:
            self._counted = said
            return []
        rest = {key: value for key, value in said.items() if key != "usage"}
        head = {**_HEAD, "model": invoked_model(said)}
        return [{**head, "choices": [], "usage": usage(said["usage"]), **provider_fields(rest)}]


def _chunk(delta: JSON, finish: str | None = None, more: JSON | None = None) -> JSON:
    choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
    return {**_HEAD, "choices": [choice], **(more or {})}


def _tool(index: int, call: JSON) -> JSON:
    return {"tool_calls": [{"index": index, **call}]}


def _thought(block: JSON, delta: JSON) -> list[JSON]:
    """A piece of thought, of its signature, or of a thought that is not shown (base64, whole in one piece)."""
    if "redactedContent" in delta:
        block["redactedContent"] = string(delta["redactedContent"])
        return []
    thought = block.setdefault("reasoningText", {"text": ""})
    for key in ("text", "signature"):
        if key in delta:
            thought[key] = thought.get(key, "") + string(delta[key])
    return [{"reasoning_content": delta["text"]}] if delta.get("text") else []


def _keep(block: JSON, delta: JSON) -> None:
    """What has no place in OpenAI's shape: citations, the result of a tool that ran at Bedrock, an image."""
    if "citation" in delta:
        block.setdefault("_citations", []).append(delta["citation"])
    if "toolResult" in delta:
        block["toolResult"].setdefault("content", []).extend(delta["toolResult"])
    if "image" in delta:
        block["image"].update(delta["image"])


def _refused(event: JSON) -> Refused:
    said: Any = refusals.of(event)
    extra = {key: value for key, value in said.extra.items() if key != "status_code"}
    return Refused(refusals.status_of(event), said.message, type=said.type, code=said.code, extra=extra)


stream = shapes.read(NAME, _Answer)
"""Bedrock's events (`{"messageStop": {...}}`) as chunks."""
