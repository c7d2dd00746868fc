"""A stream as the client reads it: server-sent events, or a JSON array for clients that cannot read events."""

from __future__ import annotations

from typing import Any, Protocol

import orjson

from app import sse


class Frames(Protocol):
    """How one stream is written."""

    content_type: str

    def batch(self, chunks: list[bytes]) -> bytes:
        """What some chunks are on the wire; none stand for a silence. b"": nothing yet."""

    def end(self, error: bytes | None) -> bytes:
        """What comes last: after an error, or where there is none."""


class Events:
    """Server-sent events. A whole stream ends with [DONE]; one that fails ends with an error event and without it."""

    content_type = "text/event-stream; charset=utf-8"

    batch = staticmethod(sse.encode)
    """See Frames."""

    def end(self, error: bytes | None) -> bytes:
        """See Frames."""
        return sse.DONE if error is None else sse.encode([error])


class Array:
    """A JSON array of the chunks, each with a non-empty `choices`, as they come; an error is its last element.

    MLflow's client reads a stream's answer as one JSON document, and its users `chunk["choices"][0]` of each element.
    What an event without choices holds (usage, Azure's filter results) goes into the chunk before it, or the first.
    """

    content_type = "application/json"

    def __init__(self) -> None:
        self._before = b"["
        self._held: dict[str, Any] = {}  # what may still be added to the element that comes next

    def batch(self, chunks: list[bytes]) -> bytes:
        """See Frames."""
        if not chunks:
            return b" "  # white space keeps the connection alive as a comment does
        text = b""
        for chunk in map(orjson.loads, chunks):
            if self._held.get("choices") and chunk.get("choices"):
                text += self._element(orjson.dumps(self._held))
                self._held = chunk
            else:
                self._held = _joined(self._held, chunk)
        return text

    def end(self, error: bytes | None) -> bytes:
        """See Frames."""
        last = self._element(orjson.dumps(self._held)) if self._held.get("choices") else b""
        if error is not None:
            last += self._element(error)
        return last + (b"]" if self._before == b"," else b"[]")

    def _element(self, text: bytes) -> bytes:
        before, self._before = self._before, b","
        return before + text


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two elements as one: what the one with choices says counts, unless it says nothing."""
    chunk, extra = (one, other) if one.get("choices") else (other, one)
    return {**chunk, **{key: value for key, value in extra.items() if chunk.get(key) is None}}
