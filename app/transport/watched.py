"""urllib3's connections with what a gateway needs of them: waits that end, caps, and our words for failures.

http.client waits for each piece anew, takes heads without end, an end of the connection for the end of a head, and any
1xx but 100 for the answer. Errors of ours pass through urllib3 and requests as they are: neither knows them.
"""

from __future__ import annotations

import http.client
import io
import os
import socket
import ssl
import threading
import time
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, NamedTuple

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HeaderParsingError, HTTPError
from urllib3.util.response import assert_header_parsing

from app.errors import Garbled, GatewayError, TimedOut, Unreachable
from app.transport.connection import words_of
from app.transport.exchange import MAX_HEAD_BYTES, Stale

READ_BYTES = 16_384
"""At most so much of a body is read at once."""
_MAX_WORDS = 200


class Waits(NamedTuple):
    """How long the parts of a call may take, and how old a connection may be for it."""

    deadline: float
    """When the whole exchange must be over: monotonic seconds."""
    send: float
    """How long the provider may take nothing of the request: seconds."""
    head: float
    """How long the head of the answer may take once the request is sent: seconds."""
    oldest: float
    """A kept connection on which nothing has come since then is not used: monotonic seconds."""


WAITS: ContextVar[Waits] = ContextVar("WAITS")
"""Those of the call that is being sent: urllib3 tells a connection one timeout at a time."""


class Wire(io.RawIOBase):
    """What comes over a socket, until `until` (monotonic seconds) and no more than MAX_HEAD_BYTES beside a body."""

    def __init__(self, raw: io.RawIOBase, sock: socket.socket, until: float) -> None:
        super().__init__()
        self._raw, self._sock, self._lock = raw, sock, threading.Lock()
        self.until = until
        self.received = 0
        """Bytes since the beginning, or since the last piece of a body was read."""
        self.heard = time.monotonic()
        self.ended = False
        """Whether the connection has ended or broken."""
        self.over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        """See RawIOBase. Raises TimeoutError after `until`, Garbled for too much."""
        if self.over:
            return None
        left = self.until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        try:
            self._sock.settimeout(left)
            count = self._raw.readinto(buffer) or 0
        except TimeoutError:
            raise
        except OSError:
            self.ended = True
            raise
        self.heard = time.monotonic()
        self.ended = not count
        self.received += count
        if self.received > MAX_HEAD_BYTES + READ_BYTES:
            raise Garbled(f"the provider sent {self.received} bytes of headers or framing, and no answer")
        return count

    def hang_up(self) -> None:
        """End the connection, unless it is another's by now; a read that waits in another thread ends."""
        with self._lock, suppress(OSError):
            if not self.closed:
                socket.socket.shutdown(self._sock, socket.SHUT_RDWR)  # SSLSocket's own would pull TLS from under it

    def close(self) -> None:
        """See RawIOBase."""
        with self._lock:
            super().close()
            self._raw.close()


class _File(io.BufferedReader):
    """What http.client reads from. A connection on which more came than the answer is not to be used again."""

    raw: Wire

    def close(self) -> None:
        if not self.closed:
            self.raw.over = True  # from here on a look is not a read
            if self.peek(1):
                self.raw.hang_up()
        super().close()


class _Answer(http.client.HTTPResponse):
    """An answer whose head is one: whole, and with one length at most."""

    def __init__(self, sock: socket.socket, until: float, **options: Any) -> None:
        super().__init__(sock, **options)
        self.wire = Wire(self.fp.detach(), sock, until)
        self.fp = _File(self.wire)

    def begin(self, **options: Any) -> None:
        """Read the head. Raises Garbled, ConnectionError, and as http.client does."""
        super().begin(**options)
        while 101 < self.status < 200:
            self.headers = None  # type: ignore[assignment]  # what http.client knows the beginning by
            super().begin(**options)
        if self.wire.ended:
            raise ConnectionResetError("the connection ended within the head")
        assert_header_parsing(self.headers)
        lengths = {length.strip() for length in self.headers.get_all("content-length", [])}
        if self.status == 101 or len(lengths) > 1 or (lengths and (self.chunked or not lengths.pop().isdecimal())):
            raise Garbled("the provider's answer is not HTTP: its end cannot be told")


class _Watched(HTTPConnection):
    """What both kinds of connection have in common."""

    answer: _Answer
    """The last one."""
    _reused = False
    _pid = 0

    def response_class(self, sock: socket.socket, **options: Any) -> _Answer:  # type: ignore[override]
        """http.client calls this to read from a socket: `timeout` is for all of a head here, not for each piece."""
        until = min(time.monotonic() + float(self.timeout or 0), WAITS.get().deadline)
        self.answer = _Answer(sock, until, **options)
        return self.answer

    @property
    def is_connected(self) -> bool:
        """Whether this may be used again: urllib3 asks it of each connection that waited."""
        return (
            self.sock is not None
            and self._pid == os.getpid()
            and self.answer.wire.heard > WAITS.get().oldest
            and super().is_connected
        )

    def connect(self) -> None:
        """Raises TimedOut or Unreachable."""
        self._reused, self._pid = False, os.getpid()
        try:
            super().connect()
        except Exception as error:
            raise self._no_connection(error) from error

    def _no_connection(self, error: Exception) -> GatewayError:
        cause = error.__cause__ if isinstance(error, HTTPError) and error.__cause__ else error
        if isinstance(cause, TimeoutError):
            return TimedOut(f"{self.host}:{self.port} did not accept a connection within {self.timeout:g} s")
        if isinstance(cause, ssl.SSLError):
            whom = f"{self._tunnel_host or self.host}:{self._tunnel_port or self.port}"
            return Unreachable(f"no TLS connection to {whom}: {words_of(cause)}")
        not_http = isinstance(cause, http.client.HTTPException)
        words = "the proxy's answer to CONNECT is not HTTP" if not_http else words_of(cause)
        return Unreachable(f"no connection to {self.host}:{self.port}: {words[:_MAX_WORDS]}")

    def send(self, data: Any) -> None:
        """Send, for as long as the other side takes something. Raises TimedOut.

        Of a connection that breaks meanwhile urllib3 reads the last words: there may be an answer.
        """
        if self.sock is None:
            self.connect()
        waits, rest = WAITS.get(), memoryview(data)
        try:
            while rest:
                left = min(waits.send, waits.deadline - time.monotonic())
                self.sock.settimeout(max(left, 0.001))
                rest = rest[self.sock.send(rest) :]
                if left <= 0:
                    raise TimeoutError
        except TimeoutError:
            raise TimedOut("the provider did not take the request in time") from None

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3's own
        """The head of the answer. Raises Stale, Unreachable, TimedOut or Garbled."""
        reused, self._reused = self._reused, True
        try:
            return super().getresponse()
        except TimeoutError:
            raise TimedOut(f"the provider did not answer within {WAITS.get().head:g} s") from None
        except OSError as error:  # no answer at all is one, too
            if reused and not self.answer.wire.received:
                raise Stale from error
            raise Unreachable(f"the provider closed the connection without an answer: {error}") from error
        except (http.client.HTTPException, HeaderParsingError) as error:
            raise Garbled(f"the provider's answer is not HTTP: {str(error)[:_MAX_WORDS]}") from error


class _Plain(_Watched):
    pass


class _Secure(_Watched, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _Secure


POOLS = {"http": _PlainPool, "https": _SecurePool}
"""Pools of such connections, by the scheme of what they lead to."""
