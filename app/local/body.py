"""The body of an answer as it arrives: each piece when it is due, as from a socket with a timeout."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from app.local.answer import Piece

READ = 65536
"""Bytes after which one read stops collecting."""


class Clock(Protocol):
    """What `time` has: seconds that only rise, and a sleep that lets others run (under gevent, and between threads)."""

    def monotonic(self) -> float: ...

    def sleep(self, seconds: float, /) -> None: ...


class Body:
    """Pieces, of which those that are due can be read. Holds no thread: a reader sleeps until the next is due."""

    def __init__(self, pieces: Iterator[Piece], due: Callable[[int], float], clock: Clock) -> None:
        self._pieces = pieces
        self._due = due
        self._clock = clock
        self._began = clock.monotonic()
        self._broken: ConnectionResetError | None = None
        self._next: Piece | None = None
        self._advance()

    def read1(self, wait: float) -> bytes:
        """What has arrived, after at most `wait` seconds; b"" at the end.

        Raises TimeoutError if nothing came in that time (it may be called again), ConnectionResetError if it was cut.
        """
        if self._next is None:
            return self._end()
        missing = self._due(self._next.tokens) - (self._clock.monotonic() - self._began)
        if missing > 0:
            self._clock.sleep(min(missing, wait))
        if missing > wait:
            raise TimeoutError(f"nothing arrived within {wait:g} s")
        return self._collect(max(missing, 0.0))

    def close(self) -> None:
        """Nothing more will be read."""
        self._next = None
        self._broken = None
        self._pieces = iter(())

    def _end(self) -> bytes:
        if self._broken:
            raise self._broken
        return b""

    def _collect(self, slept: float) -> bytes:
        """The next piece, and those that are due by now. A sleep may end a little early: what it was for is due."""
        assert self._next is not None
        parts, size = [self._next.data], len(self._next.data)
        now = max(self._clock.monotonic() - self._began, self._due(self._next.tokens) if slept else 0.0)
        self._advance()
        while self._next and size < READ and self._due(self._next.tokens) <= now:
            parts.append(self._next.data)
            size += len(self._next.data)
            self._advance()
        return b"".join(parts)

    def _advance(self) -> None:
        try:
            self._next = next((piece for piece in self._pieces if piece.data), None)
        except ConnectionResetError as cut:
            self._next, self._broken = None, cut
