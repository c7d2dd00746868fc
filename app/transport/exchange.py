"""One request and its answer on a connection: bytes out, a C parser's callbacks in, `read1` for what has arrived."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from app.errors import Cut, Garbled, TimedOut, Unreachable
from app.transport.connection import Connection

READ_BYTES = 65_536
MAX_HEAD_BYTES = 65_536
"""An answer of which so much has come without its head being whole, or without a byte of its body, is refused."""
LARGE_BYTES = 65_536
"""A request's body from here on is sent with an eye on the answer: it may be refused before it is all sent."""
GLANCE_SECONDS = 0.25
"""How often an answer is looked for while the provider does not take more of a large body."""


class Stale(Exception):
    """A kept connection was closed by its server before it answered."""


class Outgoing(NamedTuple):
    """A request as bytes, and how long its parts may take."""

    head: bytes
    body: bytes
    deadline: float
    """When the whole exchange must be over: monotonic seconds."""
    send_wait: float
    """How long the provider may take nothing of the request: seconds."""
    head_wait: float
    """How long the head of the answer may take once the request is sent: seconds."""


class Exchange:
    """One request and its answer. Every wait ends at `deadline` (monotonic seconds) at the latest."""

    __slots__ = (
        "_closed", "_connection", "_deadline", "_done", "_excess", "_failure", "_head_done", "_keep", "_kept", "_lasts",
        "_over", "_overhead", "_parser", "_pieces", "_sent", "headers", "on_body", "status",
    )  # fmt: skip

    def __init__(self, connection: Connection, keep: Callable[[Connection], None], deadline: float) -> None:
        self._connection, self._keep, self._deadline = connection, keep, deadline
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append  # a callback, too: the parser's only one for each piece of a stream
        self._kept = 0  # how many of the pieces came before the excess
        self._parser = HttpResponseParser(self)
        self._failure: Garbled | None = None
        self._overhead = 0  # bytes since the beginning, or since the last of the body
        self._sent = self._head_done = self._done = self._over = self._excess = self._lasts = self._closed = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []

    # The parser's callbacks

    def on_message_begin(self) -> None:
        self._take_no_excess()
        if not self._head_done:
            self.headers.clear()  # those of a 1xx

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._head_done:  # else a trailer
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and not self._head_done:
            self.status, self._head_done = status, True

    def on_message_complete(self) -> None:
        self._done = self._over = self._head_done  # a 1xx is complete too, but is not the answer
        self._lasts = self._parser.should_keep_alive()  # only here: the parser forgets it

    # The exchange

    def ask(self, asked: Outgoing) -> None:
        """Send the request and read the head of its answer. Raises Stale, Unreachable, TimedOut or Garbled."""
        try:
            if len(asked.body) < LARGE_BYTES:
                self._connection.send_all(asked.head + asked.body, self._deadline)
                self._sent = True
            else:
                self._sent = self._send(asked.head, asked.send_wait) and self._send(asked.body, asked.send_wait)
        except TimeoutError:
            raise TimedOut("the provider did not take the request in time") from None
        except (OSError, Cut) as error:
            self._read_last_words(error, asked.head_wait)
        self._read_head(asked.head_wait)

    def _send(self, data: bytes, wait: float) -> bool:
        """Send without a copy; False if the provider began to answer instead of taking it."""
        rest, moved = memoryview(data), time.monotonic()
        while rest:
            until = time.monotonic() + min(wait, GLANCE_SECONDS)
            try:
                rest = rest[self._connection.send(rest, until) :]
                moved = time.monotonic()
                self._remaining()
            except TimeoutError:
                if self._is_answered():
                    return False
                if time.monotonic() - moved >= min(wait, self._remaining()):
                    raise
        return True

    def _is_answered(self) -> bool:
        try:
            self._receive(0)
        except TimeoutError:
            return False
        return self._head_done

    def _read_last_words(self, failure: Exception, wait: float) -> None:
        """A provider that hung up while it was sent the request may have answered before: that answer counts."""
        try:
            self._read_head(wait)
        except Unreachable:
            raise Unreachable(f"the provider broke off while it was sent the request: {failure}") from failure

    def _read_head(self, wait: float) -> None:
        """Read until the head of the answer is here, for at most `wait` seconds."""
        until = min(time.monotonic() + wait, self._deadline)
        try:
            while not self._head_done:
                self._receive(until)
        except TimeoutError:
            raise TimedOut(f"the provider did not answer within {wait:g} s") from None
        except (OSError, Cut) as error:
            if self._connection.reused and not self._overhead:
                raise Stale from error
            raise Unreachable(f"the provider closed the connection without an answer: {error}") from error

    def read1(self, wait: float) -> bytes:
        """What has arrived; see Body. Raises TimedOut when the call's total time is over."""
        pieces, until = self._pieces, 0.0
        while not pieces:
            if self._over:
                return self._end()
            until = until or time.monotonic() + wait
            if until > self._deadline:
                self._remaining()
                until = self._deadline
            try:
                self._receive(until)
            except TimeoutError:
                if until < self._deadline:
                    raise
                raise self._too_late() from None
        if len(pieces) == 1:
            return pieces.pop()
        data = b"".join(pieces)
        pieces.clear()
        return data

    def close(self) -> None:
        """Keep the connection if the whole answer came and both sides allow it; else hang up."""
        if self._closed:
            return
        self._over = self._closed = True
        del self._parser  # it refers to this object: without it, the last one to use this frees it at once
        if self._sent and self._done and self._lasts and not self._excess and not self._pieces:
            self._keep(self._connection)
        else:
            self._connection.close()

    def _end(self) -> bytes:
        """What comes when no more will: b"", or the failure that came after what has been read."""
        if self._closed:
            raise ValueError("the body is closed")
        if self._failure and not self._done:
            raise self._failure
        return b""

    def _receive(self, until: float) -> None:
        """Take what has come, or wait for it. Returns with nothing if that took less than it should: call again."""
        try:
            data = self._connection.receive(READ_BYTES, until)
            if data:
                self._parser.feed_data(data)
            else:
                self._ends()
        except TimeoutError:
            if time.monotonic() < until:
                return
            raise
        except (HttpParserError, HttpParserUpgrade) as error:
            self._fails(error)
        if self._excess:
            del self._pieces[self._kept :]
        if self._pieces:
            self._overhead = 0
            return
        self._overhead += len(data)
        if self._overhead > MAX_HEAD_BYTES and not self._done:
            raise Garbled(f"the provider sent {self._overhead} bytes of headers or framing, and no answer")

    def _ends(self) -> None:
        """The provider hung up. Raises Cut where that is not the answer's end."""
        if not self._head_done or _is_framed(self.headers):
            raise Cut("the provider's answer ended before it was whole")
        self._done = self._over = True

    def _fails(self, error: Exception) -> None:
        """What came is not HTTP. Raises Garbled where nothing came before it that counts."""
        self._failure, self._over = Garbled(f"the provider's answer is not HTTP: {error}"), True
        self._take_no_excess()
        if not self._head_done:
            raise self._failure from error

    def _take_no_excess(self) -> None:
        """What follows a whole answer, a second one to one request or no HTTP, is nobody's."""
        if self._done and not self._excess:
            self._excess, self._kept = True, len(self._pieces)

    def _remaining(self) -> float:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise self._too_late()
        return remaining

    def _too_late(self) -> TimedOut:
        return TimedOut("the provider's answer was not whole within its total time")


def _is_framed(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether a body's end is another than the connection's: RFC 9112, section 6.3."""
    framing = {lower: value for name, value in headers if (lower := name.lower()) in _FRAMING}
    coding = framing.get(b"transfer-encoding")
    return b"content-length" in framing if coding is None else coding.lower().rstrip().endswith(b"chunked")


_FRAMING = (b"content-length", b"transfer-encoding")
