"""Cohere's stream of a chat -> OpenAI's chunks."""

from __future__ import annotations

from typing import Any

from app.dialects import JSON, shapes
from app.dialects import refusal as refusals
from app.dialects.cohere.response import NAME, about, arguments, finish_reason, kept, logprobs, usage
from app.errors import Refused


class _Answer:
    """An answer as far as it has come."""

    def __init__(self) -> None:
        self.finished = False
        self._head: JSON = {}
        self._blocks: dict[int, JSON] = {}
        self._calls: dict[int, _Call] = {}
        self._plan = ""
        self._citations: list[JSON] = []

    def go_on(self, event: JSON) -> list[JSON]:
        """The chunks of one event. An event of a kind that we do not know says nothing."""
        kind = event.get("type")
        if kind is None or event.get("error"):
            raise _refused(event)
        if kind == "message-start":
            return [self._begin(event)]
        if kind == "message-end":
            return self._end(shapes.mapping(event["delta"]))
        message = shapes.mapping(shapes.mapping(event.get("delta")).get("message"))
        if kind in ("content-start", "content-delta"):
            return self._content(event["index"], message["content"], event.get("logprobs"))
        if kind == "tool-plan-delta":
            self._plan += shapes.text(message["tool_plan"])
        elif kind == "citation-start":
            self._citations += shapes.mappings([message["citations"]])
        elif kind in ("tool-call-start", "tool-call-delta", "tool-call-end"):
            return [
                self._chunk({"tool_calls": [delta]})
                for delta in self._tool(kind, event["index"], message.get("tool_calls"))
            ]
        return []

    def last(self) -> list[JSON]:
        """None: the usage stands in the end."""
        return []

    def _begin(self, event: JSON) -> JSON:
        made = shapes.text(event.get("id")) or shapes.made_id("chatcmpl", event)
        self._head = {"id": made, "object": "chat.completion.chunk", "model": None}
        return self._chunk({"role": "assistant", "content": ""})

    def _content(self, index: int, said: JSON, likely: Any) -> list[JSON]:
        """A piece of a text or of a thought; the start of one may hold some already."""
        kind = shapes.text(said.get("type")) or ("thinking" if "thinking" in said else "text")
        if kind not in ("text", "thinking"):
            self._blocks.setdefault(index, {}).update(said)
            return []
        block, piece = self._blocks.setdefault(index, {"type": kind}), shapes.text(said.get(kind))
        block[kind] = block.get(kind, "") + piece
        if not piece:
            return []
        chunk = self._chunk({"content" if kind == "text" else "reasoning_content": piece})
        chunk["choices"][0]["logprobs"] = logprobs([likely]) if likely else None
        return [chunk]

    def _tool(self, kind: str, index: int, said: Any) -> list[JSON]:
        if kind == "tool-call-start":
            call = self._calls[index] = _Call(len(self._calls), said)
            return [call.opening(), *call.goes_on(said["function"].get("arguments"))]
        if kind == "tool-call-delta":
            return self._calls[index].goes_on(said["function"].get("arguments"))
        return self._calls[index].ends()

    def _end(self, delta: JSON) -> list[JSON]:
        reason = finish_reason(delta, bool(self._calls))
        left = [closing for call in self._calls.values() for closing in call.ends()]
        chunks = [self._chunk({"tool_calls": [closing]}) for closing in left]
        content = [self._blocks[index] for index in sorted(self._blocks)]
        message = kept(content, {"tool_plan": self._plan, "citations": self._citations}, bool(self._calls))
        chunks.append({**self._chunk(message, reason), **about(delta)})
        if counted := usage(delta.get("usage")):
            chunks.append({**self._head, "choices": [], "usage": counted})
        self.finished = True
        return chunks

    def _chunk(self, delta: JSON, finish: str | None = None) -> JSON:
        if not self._head:
            raise TypeError("a stream should begin with a message-start")
        return {**self._head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}]}


class _Call:
    """One tool call as far as it has come. Its arguments are held back while they could still become `null`."""

    def __init__(self, index: int, said: JSON) -> None:
        self._index = index
        self._id, self._name = shapes.text(said["id"]), shapes.text(said["function"]["name"])
        if not self._id or not self._name:
            raise TypeError("a tool call should have an id and a name")
        self._held: str | None = ""

    def opening(self) -> JSON:
        """The first delta."""
        function = {"name": self._name, "arguments": ""}
        return {"index": self._index, "id": self._id, "type": "function", "function": function}

    def goes_on(self, piece: Any) -> list[JSON]:
        """The delta of a piece of the arguments."""
        text = shapes.text(piece)
        if self._held is not None:
            self._held += text
            if "null".startswith(self._held.strip()):
                return []
            text, self._held = self._held, None
        return [self._delta(text)] if text else []

    def ends(self) -> list[JSON]:
        """What was held back, once; nothing is an empty object."""
        held, self._held = self._held, None
        return [] if held is None else [self._delta(arguments(held))]

    def _delta(self, text: str) -> JSON:
        return {"index": self._index, "function": {"arguments": text}}


def _refused(event: JSON) -> Refused:
    said = refusals.of(event)
    return Refused(refusals.status_of(event), said.message, type=said.type, code=said.code, extra=said.extra)


stream = shapes.read(NAME, _Answer)
"""Cohere's events as chunks."""
