"""An answer on its way to the client: its head goes out with the first piece of its body."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from email.utils import formatdate
from functools import lru_cache, partial
from typing import Any

_BODILESS = ("1", "204", "304")
"""How the statuses begin that have no body: RFC 9110, section 6.4.1."""
_OURS = {"connection", "keep-alive", "transfer-encoding", "upgrade"}
"""Headers of a connection are not the application's: PEP 3333, "Other HTTP Features"."""
_LENGTHLESS = {*_OURS, "content-length"}
"""Where the status is 1xx or 204, nor is a length: RFC 9110, section 8.6."""


class Answer:
    """One answer to an HTTP/1.1 request. What cannot be sent raises OSError."""

    __slots__ = ("_held", "_is_chunked", "_left", "_sock", "_write", "begun", "keeps")

    def __init__(self, sock: Any, *, keeps: bool) -> None:
        """`keeps` says whether the connection may be used again."""
        self._sock, self.keeps = sock, keeps
        self._write = partial(os.write, sock.fileno())  # nearly always all goes at once: gevent is asked for the rest
        self._held = b""  # what goes out with the next piece: at first, the head
        self._left: int | None = None  # bytes of a body whose length is known
        self._is_chunked = False
        self.begun = False
        """Whether something has been sent."""

    def start(self, status: str, headers: Sequence[tuple[str, str]], failure: Any = None) -> Callable[[bytes], None]:
        """WSGI's start_response: PEP 3333."""
        if failure and self.begun:
            raise failure[1].with_traceback(failure[2])
        length = next((value for name, value in headers if name.lower() == "content-length"), None)
        self._left = 0 if status.startswith(_BODILESS) else None if length is None else int(length)
        self._is_chunked = self._left is None
        unsaid = _LENGTHLESS if status.startswith(("1", "204")) else _OURS
        lines = [f"HTTP/1.1 {status}", "Server: gunicorn", f"Date: {_date(int(time.time()))}"]
        lines += [f"{name}: {value}" for name, value in headers if name.lower() not in unsaid]
        lines.append("Connection: keep-alive" if self.keeps else "Connection: close")
        if self._is_chunked:
            lines.append("Transfer-Encoding: chunked")
        head = "\r\n".join(lines)
        if head.count("\n") >= len(lines) or head.count("\r") >= len(lines) or "\0" in head:
            raise ValueError("a header of the answer holds a line break or a null character")
        self._held = f"{head}\r\n\r\n".encode("latin-1")
        return self.write

    def write(self, data: bytes, waits: bool = False) -> None:
        """Send a piece of the body; one that `waits` goes out with the next. An empty one is none."""
        if not data:
            return
        data = _size(len(data)) + data + b"\r\n" if self._is_chunked else self._of_known_length(data)
        if waits:
            self._held += data
        else:
            self._send(data)

    def end(self) -> None:
        """The body is whole. One that is shorter than it was said to be ends the connection."""
        if self._is_chunked:
            self._send(b"0\r\n\r\n")
        elif self._held or not self.begun:
            self._send(self._of_known_length(b""))
        self.keeps = self.keeps and not self._left

    def _of_known_length(self, data: bytes) -> bytes:
        if self._left is None:
            raise RuntimeError("the application has not begun its answer")
        data = data[: self._left]
        self._left -= len(data)
        return data

    def _send(self, data: bytes) -> None:
        if self._held:
            data, self._held, self.begun = self._held + data, b"", True
        try:
            sent = self._write(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._sock.sendall(memoryview(data)[sent:])


@lru_cache(maxsize=4096)
def _size(length: int) -> bytes:
    """What a chunk begins with: RFC 9112, section 7.1."""
    return b"%x\r\n" % length


@lru_cache(maxsize=1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
