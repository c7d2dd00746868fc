"""A stream as the client reads it: server-sent events, or a JSON array for clients that cannot read events."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import orjson

from app import sse
from app.errors import GatewayError

Frames = Callable[[Iterable[list[bytes]], Callable[[GatewayError], bytes]], Iterator[bytes]]
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
    What a chunk without choices holds (usage, Azure's filter results) goes into the chunk before it, or the first after it.
    """
    opening = b"["
    held: dict[str, object] = {}
    try:
        for batch in batches:
            written = b""
            for data in batch:
                chunk = orjson.loads(data)
                if chunk.get("choices"):
                    if "choices" in held:
                        written += opening + orjson.dumps(held)
                        opening, held = b",", {}
                    held = {**held, **chunk}
                else:
                    held = {**chunk, **{key: value for key, value in held.items() if value is not None}}
            yield written or b" "
        yield opening + orjson.dumps(held) + b"]"
    except GatewayError as error:
        if "choices" in held:
            yield opening + orjson.dumps(held)
            opening = b","
        yield opening + write_error(error) + b"]"
