"""A body that came compressed though nobody asked for it (some proxies do that): unpacked piece by piece."""

from __future__ import annotations

import time
import zlib
from typing import Any

from app.errors import Cut, Garbled
from app.transport.body import Body

PIECE_BYTES = 1024 * 1024
"""At most so much comes out at a time: what unpacks without end is met by the reader's own limits."""
_GZIP = b"\x1f\x8b"
_HEADED = zlib.MAX_WBITS | 32  # gzip's header or zlib's, whichever comes
_BARE = -zlib.MAX_WBITS


def unpacked(body: Body, coding: str) -> Body:
    """The body without its content coding; for one that nobody here can undo, a body that says so when it is read."""
    coding = coding.strip().lower()
    if coding in ("", "identity"):
        return body
    return Unpacked(body, coding) if coding in ("gzip", "x-gzip", "deflate") else Unreadable(body, coding)


class Unpacked:
    """A gzip body, of one member or more, or a deflate body, with zlib's header (as it should be) or without."""

    def __init__(self, body: Body, coding: str) -> None:
        self._body, self._may_be_bare = body, coding == "deflate"
        self._inflate: Any = None  # None: before a member begins
        self._packed = b""  # what is here and not yet unpacked
        self._full = False  # there may be more in the member than was taken out
        self._whole = False  # a member has ended

    def read1(self, wait: float) -> bytes:
        """See Body."""
        until = time.monotonic() + wait
        while not (data := self._unpack()):
            packed = self._body.read1(max(until - time.monotonic(), 0))
            if not packed:
                return self._end()
            self._packed += packed
        return data

    def close(self) -> None:
        """See Body."""
        self._body.close()

    def _unpack(self) -> bytes:
        """What can be had from what is here; b"" if more is needed."""
        while self._full or (self._packed and (self._inflate or self._begin())):
            try:
                data = bytes(self._inflate.decompress(self._packed, PIECE_BYTES))
            except zlib.error as error:
                raise Garbled(f"the provider's answer does not unpack: {error}") from error
            self._full = len(data) == PIECE_BYTES
            self._packed = self._inflate.unconsumed_tail
            if self._inflate.eof:
                self._packed, self._inflate, self._full, self._whole = self._inflate.unused_data, None, False, True
            if data:
                return data
        return b""

    def _begin(self) -> bool:
        """Begin a member, by its first two bytes. What follows the last one and is none is padding."""
        start = self._packed[:2]
        if len(start) < 2:
            return False
        if self._whole and start != _GZIP:
            self._packed = b""
            return False
        has_header = start[0] & 15 == 8 and int.from_bytes(start, "big") % 31 == 0
        self._inflate = zlib.decompressobj(_BARE if self._may_be_bare and not has_header else _HEADED)
        return True

    def _end(self) -> bytes:
        if self._inflate or (self._packed and not self._whole):
            raise Cut("the provider's compressed answer ended before it was whole")
        return b""


class Unreadable:
    """A body in a content coding that nobody asked for and nobody here can undo."""

    def __init__(self, body: Body, coding: str) -> None:
        self._body, self._coding = body, coding

    def read1(self, wait: float) -> bytes:
        """Raises Garbled."""
        raise Garbled(f"the provider's answer has a content encoding that nobody asked for: {self._coding}")

    def close(self) -> None:
        """See Body."""
        self._body.close()
