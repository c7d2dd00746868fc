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
            yield sse.encode(*batch) if batch else sse.KEEP_ALIVE
        yield sse.DONE
    except GatewayError as error:
        yield sse.encode(write_error(error))


def array(batches: Iterable[list[bytes]], write_error: Callable[[GatewayError], bytes]) -> Iterator[bytes]:
    """A JSON array of the chunks, each with a non-empty `choices`, as they come; an error is its last element.

    MLflow's client reads a stream's answer as one JSON document, and its users `chunk["choices"][0]` of each element.
    What an event without choices holds (usage, Azure's filter results) goes into the chunk before it, or the first.
    """
    before = b"["
    for element in _elements(batches, write_error):
        yield before + element if element else b" "  # white space keeps the connection alive as a comment does
        before = b"," if element else before
    yield b"]" if before == b"," else b"[]"


def _elements(batches: Iterable[list[bytes]], write_error: Callable[[GatewayError], bytes]) -> Iterator[bytes]:
    """The array's elements; b"" for a silence."""
    held: dict[str, Any] = {}  # what may still be added to the element that comes next
    failed = b""
    try:
        for batch in batches:
            if not batch:
                yield b""
            for chunk in map(orjson.loads, batch):
                if held.get("choices") and chunk.get("choices"):
                    yield orjson.dumps(held)
                    held = chunk
                else:
                    held = _joined(held, chunk)
    except GatewayError as error:
        failed = write_error(error)
    if held.get("choices"):
        yield orjson.dumps(held)
    if failed:
        yield failed


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Two elements as one: what the one with choices says counts, unless it says nothing."""
    chunk, extra = (one, other) if one.get("choices") else (other, one)
    return {**chunk, **{key: value for key, value in extra.items() if chunk.get(key) is None}}


Writer = tuple[Write, str]
"""How a stream is written, and its content type."""

EVENTS: Writer = (events, "text/event-stream; charset=utf-8")
ARRAY: Writer = (array, "application/json")
