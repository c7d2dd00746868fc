"""Server-sent events: bytes in, events out; events in, bytes out. No I/O.

Source: WHATWG HTML, section 9.2 "Server-sent events". Lines end with LF, CRLF or CR; a colon begins a comment; one
space after `data:` is optional and not part of the value; a blank line ends an event; a BOM may stand at the start.
"""

from __future__ import annotations

import codecs
from collections.abc import Sequence

from app.errors import Garbled

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""An event longer than this is not one: the provider lies, and we do not keep what it sends."""

DONE = b"data: [DONE]\n\n"
"""How a whole stream ends (OpenAI, "Streaming")."""

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment: clients skip it, proxies see traffic."""


class Failure(bytes):
    """The data of an event whose name is `error`. No other name says what the data does not."""


class Decoder:
    """Bytes in whatever pieces -> events, each its data: lines joined by LF, without the last.

    Comments and events without data are skipped, as the standard says.
    """

    __slots__ = ("_begun", "_size", "_tail", "pieces")

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        """Of the event that has begun: joined only when its end is here."""
        self._size = 0
        self._tail = b""  # the last byte of the pieces: an end may lie across two reads
        self._begun = False

    def feed(self, data: bytes) -> list[bytes]:
        """The events that end in `data`. Raises Garbled for an event that never ends."""
        if not self._begun:
            data = self._without_bom(data)
        if not self.pieces and data[-2:] == b"\n\n" and data.find(b"\r") < 0:
            return _events(data)
        if not _has_blank_line(self._tail, data):
            self._keep(data)
            return []
        text, held = b"".join((*self.pieces, data)), b""
        self._drop()
        if text.find(b"\r") >= 0:  # `in` takes twice as long for bytes, since it tries a number first
            text, held = _unify_line_ends(text)
        end = text.rfind(b"\n\n") + 2
        if end < 2:  # it was the CR that is held back
            end = 0
        self._keep(text[end:] + held)
        return _events(text[:end]) if end else []

    def close(self) -> list[bytes]:
        """What stands there unended when the stream is over: whether it is whole, only its reader can tell."""
        text, _ = _unify_line_ends(b"".join(self.pieces))
        self._drop()
        event = _parse(text)
        return [event] if event is not None else []

    def _keep(self, data: bytes) -> None:
        if not data:
            return
        self.pieces.append(data)
        self._size += len(data)
        self._tail = data[-1:]
        if self._size > MAX_EVENT_BYTES:
            raise _endless()

    def _drop(self) -> None:
        self.pieces, self._size, self._tail = [], 0, b""

    def _without_bom(self, data: bytes) -> bytes:
        """A BOM may itself arrive in pieces: hold back what may still become one."""
        data = b"".join((*self.pieces, data))
        self._drop()
        if len(data) < len(codecs.BOM_UTF8) and codecs.BOM_UTF8.startswith(data):
            self.pieces = [data] if data else []
            return b""
        self._begun = True
        return data.removeprefix(codecs.BOM_UTF8)


def encode(events: Sequence[bytes]) -> bytes:
    """Events without names, as they go out; of none, a comment. They hold no CR: neither JSON nor a Decoder has any."""
    if not events:
        return KEEP_ALIVE
    if b"".join(events).find(b"\n") >= 0:  # one of them has lines of its own
        events = [data.replace(b"\n", b"\ndata: ") for data in events]
    return b"data: " + b"\n\ndata: ".join(events) + b"\n\n"


def _endless() -> Garbled:
    return Garbled(f"the provider sent an event of more than {MAX_EVENT_BYTES} bytes")


def _has_blank_line(before: bytes, data: bytes) -> bool:
    """Whether one ends in `data`; `before` is the byte before it."""
    if data.find(b"\n\n") >= 0:
        return True
    data = before + data
    return data[:2] == b"\n\n" or (b"\r" in data and (b"\r\r" in data or b"\n\r" in data))


def _events(text: bytes) -> list[bytes]:
    """The events of whole lines that end with a blank one. Raises Garbled for one that is too long."""
    if text[:6] == b"data: ":
        each = text[6:-2].split(b"\n\ndata: ")
        if b"".join(each).find(b"\n") < 0 and len(text) <= MAX_EVENT_BYTES:  # what nearly every stream looks like
            return each
    elif text[:7] == b"event: ":
        named = [block.partition(b"\ndata: ") for block in text[7:-2].split(b"\n\nevent: ")]
        if text.count(b"\n") == 3 * len(named) and len(text) <= MAX_EVENT_BYTES and all(data for _, _, data in named):
            return [_event(data, name) for name, _, data in named]  # Anthropic's: a name, and data of one line
    blocks = text[:-2].split(b"\n\n")
    if len(text) > MAX_EVENT_BYTES and any(len(block) > MAX_EVENT_BYTES for block in blocks):
        raise _endless()
    return [event for block in blocks if (event := _parse(block)) is not None]


def _event(data: bytes, name: bytes) -> bytes:
    return Failure(data) if name == b"error" else data


def _unify_line_ends(text: bytes) -> tuple[bytes, bytes]:
    """Every line end as LF; a CR at the very end is held back, since its LF may be in the next read."""
    held = b""
    if text.endswith(b"\r") and not text.endswith((b"\r\r", b"\n\r")):
        text, held = text[:-1], b"\r"
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), held


def _parse(block: bytes) -> bytes | None:
    if block[:6] == b"data: " and b"\n" not in block:
        return block[6:]
    return _parse_lines(block)


def _parse_lines(block: bytes) -> bytes | None:
    data: list[bytes] = []
    name = b""
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return _event(b"\n".join(data), name) if data else None
