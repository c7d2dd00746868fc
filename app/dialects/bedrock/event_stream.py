"""AWS's binary event stream (application/vnd.amazon.eventstream): bytes in, events out. No I/O.

A frame is a prelude (its length, its headers' length, a CRC of both), headers, a payload and a CRC of the whole.
Source: https://docs.aws.amazon.com/AmazonS3/latest/API/RESTSelectObjectAppendix.html, "Message structure".
"""

from __future__ import annotations

import struct
from typing import Any
from zlib import crc32

import orjson

from app.dialects import JSON
from app.dialects.bedrock.refusal import status_of
from app.errors import Cut, Garbled

MAX_FRAME_BYTES = 8 * 1024 * 1024
"""A frame longer than this is not one: the provider lies, and we do not keep what it sends."""

_PRELUDE = struct.Struct(">III")


class Decoder:
    """Bytes in whatever pieces they come -> events, each the payload under its own name: `{"messageStop": {...}}`."""

    def __init__(self) -> None:
        from botocore.eventstream import EventStreamBuffer  # of the extra weir[bedrock]

        self._frames: Any = EventStreamBuffer()
        self._pending = bytearray()
        self._broken: Garbled | None = None

    def feed(self, data: bytes) -> list[bytes]:
        """The events that end in `data`. Raises Garbled at the next call after the last event that could be read."""
        if self._broken:
            raise self._broken
        self._pending += data
        events: list[bytes] = []
        try:
            while frame := self._frame():
                events.append(self._event(frame))
        except Garbled as error:
            self._broken = error
            if not events:
                raise
        return events

    def close(self) -> list[bytes]:
        """Nothing: a frame is whole or it is none. Raises Cut for one that is not, Garbled for what was held back."""
        if self._broken:
            raise self._broken
        if self._pending:
            raise Cut("the provider broke off an event of its stream")
        return []

    def _frame(self) -> bytes | None:
        """The next whole frame. Its prelude is checked as soon as it is here: a wrong length is not waited for."""
        if len(self._pending) < _PRELUDE.size:
            return None
        size, _, checksum = _PRELUDE.unpack_from(self._pending)
        if crc32(self._pending[:8]) != checksum:
            raise Garbled("an event of the provider's stream has a wrong checksum")
        if size < _PRELUDE.size + 4:
            raise Garbled("an event of the provider's stream is shorter than an event can be")
        if size > MAX_FRAME_BYTES:
            raise Garbled(f"the provider sent an event of more than {MAX_FRAME_BYTES} bytes")
        if len(self._pending) < size:
            return None
        frame = bytes(self._pending[:size])
        del self._pending[:size]
        return frame

    def _event(self, frame: bytes) -> bytes:
        try:
            self._frames.add_data(frame)
            message = next(self._frames)
            return _event(message.headers, message.payload)
        except Exception as error:  # botocore's parser errors, and struct's, key and index errors over lying lengths
            raise Garbled(f"an event of the provider's stream cannot be read: {error!r}") from error


def _event(headers: JSON, payload: bytes) -> bytes:
    kind = headers[":message-type"]
    if kind == "event":
        name, said = headers[":event-type"], payload or b"{}"
        if not isinstance(orjson.loads(said), dict):
            raise TypeError("the payload should be a JSON object")
        return b"{" + orjson.dumps(name) + b":" + said + b"}"
    if kind == "exception":
        return _error(headers[":exception-type"], orjson.loads(payload or b"{}"))
    return _error(headers[":error-code"], {"message": headers.get(":error-message")})


def _error(name: str, said: JSON) -> bytes:
    """An exception as an `error` object. A model's own status and words (originalStatusCode) stay in it."""
    words = said.get("message") or said.get("Message") or said.get("originalMessage") or name
    error = {**said, "type": name, "message": words, "status_code": status_of(name)}
    return orjson.dumps({"error": error})
