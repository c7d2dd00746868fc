"""Requests as nearly all of them are, read at once. What is not plain is gunicorn's to read, or to refuse.

Plain is what cannot be read in two ways: HTTP/1.1, a path, headers with neither underscores nor repetitions, a body
with a Content-Length or none. Source: RFC 9112, sections 2 to 6.
"""

from __future__ import annotations

import io
import re
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

READ_BYTES = 65_536
_READ_MOST = 1_048_576

_HEAD = re.compile(
    rb"(GET|POST) (/(?!/)[!\"$-~]*) HTTP/1\.1\r\n"  # a target without fragment, authority or anything not ASCII
    rb"((?:[!#$%&'*+\-.^`|~0-9A-Za-z]+:[\t -~\x80-\xff]*\r\n)+)\r\n"
)
_NOT_PLAIN = frozenset({"HTTP_TRANSFER_ENCODING", "HTTP_EXPECT", "HTTP_UPGRADE", "HTTP_TRAILER"})
_KEEPS = {"keep-alive": True, "close": False}
_LENGTH = re.compile(r"[0-9]{1,15}", re.ASCII)


class Head(NamedTuple):
    """A request without its body."""

    environ: dict[str, Any]
    """What WSGI says of it (PEP 3333): method, target and headers."""
    length: int
    """Of its body: bytes."""
    size: int
    """Its own: bytes."""
    keeps: bool
    """Whether the client means to use the connection again."""


def read_head(data: bytes, longest: int, most: int) -> Head | None:
    """The head with which `data` begins; None if it is not plain, not whole, or beyond the limits.

    `longest` is in bytes and holds for all of it, `most` is a number of headers.
    """
    found = _HEAD.match(data)
    if found is None or found.end() > longest:
        return None
    lines = found[3].decode("latin-1").split("\r\n")
    lines.pop()
    environ: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(":")
        environ[_variable(name)] = value.strip(" \t")
    keeps = _KEEPS.get(environ.get("HTTP_CONNECTION", "keep-alive").lower())
    length = environ.get("CONTENT_LENGTH", "0")
    is_ambiguous = len(environ) != len(lines) or not _NOT_PLAIN.isdisjoint(environ)
    if len(lines) > most or is_ambiguous or keeps is None or not _LENGTH.fullmatch(length):
        return None
    target = found[2].decode("ascii")
    path, _, environ["QUERY_STRING"] = target.partition("?")
    environ["REQUEST_METHOD"], environ["RAW_URI"] = found[1].decode("ascii"), target
    environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in path else path
    return Head(environ, int(length), found.end(), keeps)


@lru_cache(maxsize=1024)
def _variable(name: str) -> str:
    """What a header is called in WSGI's environment."""
    name = name.upper().replace("-", "_")
    return name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"


class Rest(io.RawIOBase):
    """What of a body of known length has not been read yet, from its socket."""

    def __init__(self, sock: Any, begun: bytes, length: int) -> None:
        """`begun` has come already."""
        super().__init__()
        self._sock, self._begun = sock, begun
        self.left = length
        """Bytes that nobody has read."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """As a raw stream does; the client's end comes too early where `left` is not 0."""
        wanted = min(len(buffer), self.left, _READ_MOST)
        if self._begun:
            count = min(wanted, len(self._begun))
            buffer[:count], self._begun = self._begun[:count], self._begun[count:]
        else:
            count = self._sock.recv_into(memoryview(buffer)[:wanted]) if wanted else 0
        self.left -= count
        return count
