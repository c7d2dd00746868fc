"""A provider's stream being read: events in, chunks for the client out, and whether its end is an end."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from itertools import chain

from app.chunks import Decorate, chunks_of
from app.errors import Cut, Garbled, GatewayError, TimedOut, UpstreamError
from app.request import Request
from app.telemetry import Invocation
from app.transport import Body, broken

_DRAIN_SECONDS = 0.05
"""How long the end of an HTTP message is waited for after the last event, so that its connection can be kept."""


class Stream:
    """An answer in pieces: iterate for batches of chunks (JSON bytes each); an empty batch is a silence.

    A batch is what one read brought: nothing is held back. To be closed by whoever got it, read to its end or not.
    """

    # Slots here and in what else each delta passes through: memory that is not near by is what a delta costs most.
    __slots__ = (
        "_begun", "_body", "_chunks", "_done", "_endpoint", "_first", "_invocation", "_keep_alive", "_over",
        "_rest", "_timeouts", "headers",
    )  # fmt: skip

    def __init__(
        self, request: Request, body: Body, invocation: Invocation, decorate: Decorate, keep_alive: float, asked: float
    ) -> None:
        """`keep_alive`: seconds of silence that make an empty batch; `asked`: when the call began (monotonic)."""
        self._endpoint, self._timeouts = request.endpoint, request.timeouts
        self._body, self._invocation, self._keep_alive = body, invocation, keep_alive
        self._chunks = chunks_of(request.endpoint, request.payload, invocation, decorate)
        self.headers: Mapping[str, str] = {}
        """The provider's headers that the client may see."""
        self._begun = self._done = self._over = False
        self._first: list[bytes] = []
        self._rest = self._batches(asked)

    def begin(self) -> None:
        """Wait for the first event. Raises UpstreamError where there will be none."""
        self._first = next(self._rest)

    def __iter__(self) -> Iterator[list[bytes]]:
        return chain((self._first,), self._rest)

    def close(self) -> None:
        """Keep the connection if the stream is over, else hang up."""
        self._rest.close()
        if self._over:
            self._drain()
        self._body.close()

    def _batches(self, asked: float) -> Generator[list[bytes], None, None]:
        """Read by read, in one function: each that a delta passes through costs as much as to parse it."""
        read1, take = self._body.read1, self._chunks.take
        limit, most = self._timeouts.first_token, math.inf  # seconds: of a silence, of one wait
        heard, spoke = asked, time.monotonic()  # when the provider said something that counts; when we did
        left = heard + limit - spoke
        try:
            while True:
                if left <= 0:
                    raise TimedOut(self._silence(limit))
                data: bytes | None = None
                chunks: list[bytes] = []
                error: GatewayError | None = None
                try:
                    data = read1(left if left < most else most)
                    self._done = take(data, chunks)
                except TimeoutError:
                    pass  # a silence
                except OSError as failure:
                    raise broken(failure) from failure
                except GatewayError as caught:
                    error = caught  # after the chunks before it
                if self._done:
                    self._invocation.upstream_ends()  # what is still to come is here already
                if chunks:
                    if not self._begun:
                        self._begins()
                        limit, most = self._timeouts.idle, self._keep_alive
                    yield chunks
                    # Only now: how long a client takes to read is not the provider's silence.
                    heard, left = (spoke := time.monotonic()), limit
                else:
                    if self._begun and time.monotonic() - spoke >= most:
                        yield []
                        spoke = time.monotonic()
                    now = time.monotonic()
                    heard = now if data and self._begun else heard  # a comment counts, but not as the first token
                    left = heard + limit - now
                if error:
                    raise error
                if self._done or data == b"":
                    break
            if chunks := self._last():
                yield chunks
            self._over = True
        except UpstreamError as failed:
            failed.silent = failed.silent or time.monotonic() - heard >= self._timeouts.idle / 2
            raise
        finally:
            self._invocation.upstream_ends()

    def _silence(self, seconds: float) -> str:
        what = "nothing more" if self._begun else "no first token"
        return f"{self._endpoint.provider.name} sent {what} within {seconds:g} s"

    def _last(self) -> list[bytes]:
        """The chunks that only the end brings. Raises Garbled and Cut for an end that is none."""
        chunks: list[bytes] = []
        try:
            chunks = self._chunks.end(done=self._done)
        except Cut:
            if self._begun:
                raise
        if chunks and not self._begun:
            self._begins()
        if not self._begun:
            raise Garbled(f"{self._endpoint.provider.name} ended the stream without an answer")
        return chunks

    def _begins(self) -> None:
        self._begun = True
        self._invocation.first_token_is_here()

    def _drain(self) -> None:
        """Read what ends the message, so that the connection can be kept; more than that is not waited for."""
        with suppress(TimeoutError, OSError, GatewayError):
            for _ in range(2):
                if not self._body.read1(_DRAIN_SECONDS):
                    return
