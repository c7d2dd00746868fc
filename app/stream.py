"""A provider's stream being read: events in, chunks for the client out, and whether its end is an end."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from typing import Any

import orjson

from app.config import Endpoint
from app.dialects import JSON, openai
from app.errors import Cut, Garbled, GatewayError, TimedOut
from app.refusals import refused_under_200
from app.sse import Decoder, Event
from app.telemetry import Invocation
from app.transport import Body, read1

_DRAIN_SECONDS = 0.05
"""How long the end of an HTTP message is waited for after the last event, so that its connection can be kept."""


class Stream:
    """An answer in pieces: iterate for batches of chunks (JSON bytes each); an empty batch is a silence.

    A batch is what one read brought: nothing is held back. To be closed by whoever got it, read to its end or not.
    """

    headers: Mapping[str, str] = {}
    """The provider's headers that the client may see."""

    def __init__(
        self, endpoint: Endpoint, payload: JSON, body: Body, invocation: Invocation, keep_alive: float
    ) -> None:
        """`keep_alive`: seconds of silence that make an empty batch."""
        self._endpoint, self._body, self._invocation, self._keep_alive = endpoint, body, invocation, keep_alive
        self._wants_usage = openai.asks_usage(payload) or not endpoint.asks_usage
        self._expected = payload.get("n") or 1
        self._ended: dict[int, bool] = {}  # choice by index: whether its finish_reason is here
        self._begun = self._done = self._over = False
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
                chunks, error = self._chunks(events)
                if chunks or (self._begun and time.monotonic() - spoke >= self._keep_alive):
                    yield chunks
                    spoke = time.monotonic()
                if error:
                    raise error
                if self._done:
                    break
            self._check_whole()
            self._over = True
        finally:
            self._invocation.upstream_ends()

    def _events(self) -> Iterator[list[Event]]:
        decoder = Decoder()
        for data in self._reads():
            yield decoder.feed(data) if data else []
        yield decoder.close()

    def _reads(self) -> Iterator[bytes]:
        """What the provider sends, as it comes; b"" for a silence. Comments do not count as the first token."""
        timeouts = self._endpoint.timeouts
        heard = self._invocation.upstream_started
        while True:
            limit = timeouts.idle if self._begun else timeouts.first_token
            left = heard + limit - time.monotonic()
            if left <= 0:
                raise TimedOut(self._silence(limit))
            try:
                data = read1(self._body, min(left, self._keep_alive) if self._begun else left)
            except TimeoutError:
                yield b""
                continue
            if not data:
                return
            yield data
            if self._begun:
                heard = time.monotonic()

    def _silence(self, seconds: float) -> str:
        what = "nothing more" if self._begun else "no first token"
        return f"{self._endpoint.provider.name} sent {what} within {seconds:g} s"

    def _chunks(self, events: list[Event]) -> tuple[list[bytes], GatewayError | None]:
        """The chunks for the client in some events, up to the first that is an error, and that error."""
        chunks: list[bytes] = []
        for event in events:
            try:
                chunk = self._chunk(event)
            except GatewayError as error:
                return chunks, error
            if chunk is not None:
                chunks.append(chunk)
            if self._done:
                break
        if chunks and not self._begun:
            self._begun = True
            self._invocation.first_token_is_here()
        return chunks, None

    def _chunk(self, event: Event) -> bytes | None:
        """An event's data as the client may have it. Parsed, to see its usage, its error, or that it is garbage."""
        data = event.data
        if data.startswith(b"[DONE]"):
            self._done = True
            return None
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            chunk = None
        if not isinstance(chunk, dict):
            self._invocation.dropped_events += 1
            return None
        if chunk.get("error") or event.name == b"error":
            raise refused_under_200(self._endpoint, data)
        choices = chunk.get("choices")
        if usage := chunk.get("usage"):
            self._invocation.count(usage)
            if not choices and not self._wants_usage:
                return None
        if choices:
            self._note_ends(choices)
        return data

    def _note_ends(self, choices: Any) -> None:
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict):
                index = choice.get("index", 0)
                if choice.get("finish_reason"):
                    self._ended[index] = True
                else:
                    self._ended.setdefault(index, False)

    def _check_whole(self) -> None:
        """A stream ends with [DONE] or, with providers that do not send it, when every choice has its finish_reason."""
        if not self._begun:
            raise Garbled(f"{self._endpoint.provider.name} ended the stream without an answer")
        finished = len(self._ended) >= self._expected and all(self._ended.values())
        if not self._done and not finished:
            raise Cut(f"{self._endpoint.provider.name} broke off the stream before it was whole")

    def _drain(self) -> None:
        """Read what ends the message, so that the connection can be kept; more than that is not waited for."""
        with suppress(TimeoutError, OSError, GatewayError):
            for _ in range(2):
                if not self._body.read1(_DRAIN_SECONDS):
                    return
