"""A stream as the client reads it: server-sent events, or a JSON array for clients that cannot read events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import orjson

from app import sse
from app.errors import GatewayError

Write = Callable[[Iterable[list[bytes]], Callable[[GatewayError], bytes]], Iterator[bytes]]
"""(batches of chunks, how an error is written) -> what goes out. An empty batch stands for a silence."""


def events(batches: Iterable[list[bytes]], write_error: Callable[[GatewayError], bytes]) -> Iterator[bytes]:
    """Server-sent events. A whole stream ends with [DONE]; one that fails ends with an error event and without it."""
    try:
        for batch in batches:
            yield b"".join(map(sse.encode, batch)) if batch else sse.KEEP_ALIVE
        yield sse.DONE
    except GatewayError as error:
        yield sse.encode(write_error(error))


def array(batches: Iterable[list[bytes]], write_error: Callable[[GatewayError], bytes]) -> Iterator[bytes]:
    """A JSON array of the chunks, each with a non-empty `choices`, as they come; an error is its last element.

    MLflow's client reads a stream's answer as one JSON document, and its users read `chunk["choices"][0]` of each element.
    What an event without choices holds (usage, Azure's filter results) goes into the chunk before it, or the first one.
    """
    held: dict[str, Any] = {}  # the element that may still be added to
    before = b"["
    try:
        for batch in batches:
            written = b""
            for chunk in map(orjson.loads, batch):
                if held.get("choices") and chunk.get("choices"):
                    written += before + orjson.dumps(held)
                    held, before = chunk, b","
                else:
                    held = _joined(held, chunk)
            yield written or b" "  # white space between elements keeps the connection alive as a comment does
        last = held
        end = b""
    except GatewayError as error:
        last = held
        end = write_error(error)
    elements = [orjson.dumps(last)] if last.get("choices") else []
    elements += [end] if end else []
    yield (before if elements or before == b"[" else b"") + b",".join(elements) + b"]"


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two elements as one: what the one with choices says counts, unless it says nothing."""
    chunk, extra = (one, other) if one.get("choices") else (other, one)
    return {**chunk, **{key: value for key, value in extra.items() if chunk.get(key) is None}}


EVENTS: tuple[Write, str] = (events, "text/event-stream")
ARRAY: tuple[Write, str] = (array, "application/json")
"""How a stream is written, and its content type."""
