"""A provider's stream being read: events in, chunks for the client out, and whether its end is an end."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress

from app.chunks import chunks_of
from app.errors import Cut, Garbled, GatewayError, TimedOut, UpstreamError
from app.request import Request
from app.sse import Event
from app.telemetry import Invocation
from app.transport import Body, broken

_DRAIN_SECONDS = 0.05
"""How long the end of an HTTP message is waited for after the last event, so that its connection can be kept."""


class Stream:
    """An answer in pieces: iterate for batches of chunks (JSON bytes each); an empty batch is a silence.

    A batch is what one read brought: nothing is held back. To be closed by whoever got it, read to its end or not.
    """

    headers: Mapping[str, str] = {}
    """The provider's headers that the client may see."""

    def __init__(self, request: Request, body: Body, invocation: Invocation, keep_alive: float, asked: float) -> None:
        """`keep_alive`: seconds of silence that make an empty batch; `asked`: when the call began (monotonic)."""
        self._endpoint, self._timeouts = request.endpoint, request.timeouts
        self._body, self._invocation, self._keep_alive = body, invocation, keep_alive
        self._chunks = chunks_of(request.endpoint, request.payload, invocation)
        self._heard = asked  # when the provider said something that counts
        self._begun = self._over = False
        self.is_over = False
        """Whether [DONE] has come: no more is waited for."""
        self._first: list[bytes] = []
        self._rest = self._batches()

    def begin(self) -> None:
        """Wait for the first event. Raises UpstreamError where there will be none."""
        self._first = next(self._rest)

    def __iter__(self) -> Iterator[list[bytes]]:
        yield self._first
        yield from self._rest

    def close(self) -> None:
        """Keep the connection if the stream is over, else hang up."""
        self._rest.close()
        if self._over:
            self._drain()
        self._body.close()

    def _batches(self) -> Generator[list[bytes], None, None]:
        spoke = time.monotonic()
        try:
            for events in self._events():
                chunks: list[bytes] = []
                error: GatewayError | None = None
                try:
                    self.is_over = self._chunks.take(events, chunks)
                except GatewayError as caught:
                    error = caught  # after the chunks before it
                if chunks and not self._begun:
                    self._begins()
                if chunks or (self._begun and time.monotonic() - spoke >= self._keep_alive):
                    yield chunks
                    spoke = time.monotonic()
                if error:
                    raise error
                if self.is_over:
                    break
            if chunks := self._last():
                yield chunks
            self._over = True
        except UpstreamError as error:
            error.silent = error.silent or time.monotonic() - self._heard >= self._timeouts.idle / 2
            raise
        finally:
            self._invocation.upstream_ends()

    def _events(self) -> Iterator[list[Event]]:
        """What the provider says, read by read; none for a silence. Comments do not count as the first token."""
        decoder, read1 = self._endpoint.translator.decoder(), self._body.read1
        while True:
            limit = self._timeouts.idle if self._begun else self._timeouts.first_token
            left = self._heard + limit - time.monotonic()
            if left <= 0:
                raise TimedOut(self._silence(limit))
            try:
                data = read1(min(left, self._keep_alive) if self._begun else left)
            except TimeoutError:
                yield []
                continue
            except OSError as error:
                raise broken(error) from error
            if not data:
                break
            yield decoder.feed(data)
            if self._begun:
                self._heard = time.monotonic()  # only now: how long a client takes to read is not the provider's
        yield decoder.close()

    def _silence(self, seconds: float) -> str:
        what = "nothing more" if self._begun else "no first token"
        return f"{self._endpoint.provider.name} sent {what} within {seconds:g} s"

    def _last(self) -> list[bytes]:
        """The chunks that only the end brings. Raises Garbled and Cut for an end that is none."""
        chunks: list[bytes] = []
        try:
            chunks = self._chunks.end(done=self.is_over)
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
