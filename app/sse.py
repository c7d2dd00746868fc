"""Server-sent events: bytes in, events out; events in, bytes out. No I/O.

Source: WHATWG HTML, section 9.2 "Server-sent events". Lines end with LF, CRLF or CR; a colon begins a comment; one
space after `data:` is optional and not part of the value; a blank line ends an event; a BOM may stand at the start.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import NamedTuple

from app.errors import Garbled

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""An event longer than this is not one: the provider lies, and we do not keep what it sends."""

DONE = b"data: [DONE]\n\n"
"""How a whole stream ends (OpenAI, "Streaming")."""

KEEP_ALIVE = b": keep-alive\n\n"
"""A comment: clients skip it, proxies see traffic."""


class Event(NamedTuple):
    """One event: its data (lines joined by LF, without the last) and its name, if it has one."""

    data: bytes
    name: bytes | None = None


class Decoder:
    """Bytes in whatever pieces -> events. Comments and events without data are skipped, as the standard says."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []  # of the event that has begun; joined only when its end is here
        self._size = 0
        self._tail = b""  # the last byte of _pieces: an end may lie across two reads
        self._begun = False

    def feed(self, data: bytes) -> list[Event]:
        """The events that end in `data`. Raises Garbled for an event that never ends."""
        if not self._begun:
            data = self._without_bom(data)
        if not self._pieces and data.endswith(b"\n\n") and data.find(b"\r") < 0:
            return _events(data)
        if not _has_blank_line(self._tail, data):
            self._keep(data)
            return []
        text, held = b"".join((*self._pieces, data)), b""
        self._drop()
        if text.find(b"\r") >= 0:  # `in` takes twice as long for bytes, since it tries a number first
            text, held = _unify_line_ends(text)
        end = text.rfind(b"\n\n") + 2
        if end < 2:  # it was the CR that is held back
            end = 0
        self._keep(text[end:] + held)
        return _events(text[:end]) if end else []

    def close(self) -> list[Event]:
        """What stands there unended when the stream is over: whether it is whole, only its reader can tell."""
        text, _ = _unify_line_ends(b"".join(self._pieces))
        self._drop()
        event = _parse(text)
        return [event] if event is not None else []

    def _keep(self, data: bytes) -> None:
        if not data:
            return
        self._pieces.append(data)
        self._size += len(data)
        self._tail = data[-1:]
        if self._size > MAX_EVENT_BYTES:
            raise _endless()

    def _drop(self) -> None:
        self._pieces, self._size, self._tail = [], 0, b""

    def _without_bom(self, data: bytes) -> bytes:
        """A BOM may itself arrive in pieces: hold back what may still become one."""
        data = b"".join((*self._pieces, data))
        self._drop()
        if len(data) < len(codecs.BOM_UTF8) and codecs.BOM_UTF8.startswith(data):
            self._pieces = [data] if data else []
            return b""
        self._begun = True
        return data.removeprefix(codecs.BOM_UTF8)


def encode(*events: bytes) -> bytes:
    """Events without names, as they go out. None holds a CR: neither JSON nor what a Decoder gave does."""
    text = b"\n\ndata: ".join(events)
    if text.count(b"\n") > 2 * (len(events) - 1):  # one of them has lines of its own
        text = b"\n\ndata: ".join([data.replace(b"\n", b"\ndata: ") for data in events])
    return b"data: " + text + b"\n\n"


def _endless() -> Garbled:
    return Garbled(f"the provider sent an event of more than {MAX_EVENT_BYTES} bytes")


def _has_blank_line(before: bytes, data: bytes) -> bool:
    """Whether one ends in `data`; `before` is the byte before it."""
    if data.find(b"\n\n") >= 0:
        return True
    data = before + data
    return data[:2] == b"\n\n" or (b"\r" in data and (b"\r\r" in data or b"\n\r" in data))


def _events(text: bytes) -> list[Event]:
    """The events of whole lines that end with a blank one. Raises Garbled for one that is too long."""
    if text[:6] == b"data: ":
        each = text[6:-2].split(b"\n\ndata: ")
        if text.count(b"\n") == 2 * len(each) and len(text) <= MAX_EVENT_BYTES:  # what nearly every stream looks like
            return [_new(Event, (data, None)) for data in each]
    elif text[:7] == b"event: ":
        named = [block.partition(b"\ndata: ") for block in text[7:-2].split(b"\n\nevent: ")]
        if text.count(b"\n") == 3 * len(named) and len(text) <= MAX_EVENT_BYTES and all(data for _, _, data in named):
            return [_new(Event, (data, name)) for name, _, data in named]  # Anthropic's: a name, and data of one line
    blocks = text[:-2].split(b"\n\n")
    if len(text) > MAX_EVENT_BYTES and any(len(block) > MAX_EVENT_BYTES for block in blocks):
        raise _endless()
    return [event for block in blocks if (event := _parse(block)) is not None]


_new: Callable[..., Event] = tuple.__new__
"""What Event(...) does, at a third of the cost."""


def _unify_line_ends(text: bytes) -> tuple[bytes, bytes]:
    """Every line end as LF; a CR at the very end is held back, since its LF may be in the next read."""
    held = b""
    if text.endswith(b"\r") and not text.endswith((b"\r\r", b"\n\r")):
        text, held = text[:-1], b"\r"
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n"), held


def _parse(block: bytes) -> Event | None:
    if block[:6] == b"data: " and b"\n" not in block:
        return Event(block[6:])
    return _parse_lines(block)


def _parse_lines(block: bytes) -> Event | None:
    data: list[bytes] = []
    name = None
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return Event(b"\n".join(data), name) if data else None
