"""Answers of providers: a body as it arrives, and how it is read to its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from app.call import Timeouts
from app.errors import Cut, Garbled, UpstreamError

MAX_ANSWER_BYTES = 128 * 1024 * 1024
"""A whole answer larger than this is refused: 2,048 embeddings of 3,072 numbers as text are half of it."""
MAX_ERROR_BYTES = 64 * 1024
"""Of an error's body this much is read: its words are at its beginning."""
MAX_ERROR_SECONDS = 5.0
"""An error's body is waited for this long: its status is known, and words are not worth more."""


class Body(Protocol):
    """What stands behind a Response's `raw`: an answer's body as it arrives."""

    def read1(self, wait: float) -> bytes:
        """What has arrived, after at most `wait` seconds; b"" at the end. TimeoutError: nothing yet, call again."""

    def close(self) -> None:
        """Hang up, unless the whole answer was read: then the connection is kept."""


class Resumed:
    """A Body whose first bytes were looked at: they come again."""

    def __init__(self, first: bytes, rest: Body) -> None:
        self._first, self._rest = first, rest

    def read1(self, wait: float) -> bytes:
        """See Body."""
        first, self._first = self._first, b""
        return first or self._rest.read1(wait)

    def close(self) -> None:
        """See Body."""
        self._rest.close()


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: its status, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def broken(error: OSError) -> Cut:
    """What a failure of the connection is to whoever reads its answer. A TimeoutError is something else."""
    return Cut(f"the connection to the provider broke off: {error}")


def read1(body: Body, wait: float) -> bytes:
    """`body.read1` with failures in our words. TimeoutError passes: only the caller knows what it means."""
    try:
        return body.read1(wait)
    except TimeoutError:
        raise
    except OSError as error:
        raise broken(error) from error


def read_all(body: Body, timeouts: Timeouts, limit: int, *, cut: bool) -> bytes:
    """A body to its end; Garbled over `limit` bytes. If it may be `cut`, its beginning, and no failure."""
    return _beginning(body, min(timeouts.total, MAX_ERROR_SECONDS), limit) if cut else _whole(body, timeouts, limit)


def _whole(body: Body, timeouts: Timeouts, limit: int) -> bytes:
    pieces, size = [], 0
    while data := read1(body, timeouts.total):
        pieces.append(data)
        size += len(data)
        if size > limit:
            raise Garbled(f"the provider's answer is longer than {limit} bytes")
    return b"".join(pieces)


def _beginning(body: Body, wait: float, limit: int) -> bytes:
    """At most `limit` bytes of what comes within `wait` seconds. A 429 whose words are cut short is still a 429."""
    until = time.monotonic() + wait
    begun = bytearray()
    with suppress(TimeoutError, UpstreamError):
        while len(begun) <= limit and (left := until - time.monotonic()) > 0 and (data := read1(body, left)):
            begun += data
    return bytes(begun[:limit])
