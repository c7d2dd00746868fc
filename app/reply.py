"""Answers for the client: whole, or in pieces."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

from app.config import Endpoint
from app.errors import GatewayError, UpstreamError
from app.failover import Attempt, Differs, Rest, Sent, Visit
from app.pursuit import Ask, Pursuit
from app.stream import Stream
from app.telemetry import metrics

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer: JSON bytes, and the headers that go with it."""

    endpoint: Endpoint
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream that has begun, and the attempt that it is."""

    stream: Stream
    attempt: Attempt
    visit: Visit

    def close(self) -> None:
        """Hang up, or keep the connection if it is over."""
        self.stream.close()
        self.visit.ends()


class StreamReply:
    """An answer in pieces: iterate for batches of chunks (JSON bytes each); an empty batch is a silence.

    It is one attempt's or, where that breaks off, goes on in another that said the same up to there. To be closed by
    whoever got it, read to its end or not.
    """

    def __init__(self, pursuit: Pursuit, ask: Ask[Opened], keep_alive: float) -> None:
        """Begin it: the first event is here. Raises GatewayError. `keep_alive`: seconds; see Stream."""
        self._pursuit, self._ask, self._keep_alive = pursuit, ask, keep_alive
        self._opened = pursuit.begin(ask)
        self.endpoint = self._begun_by = self._opened.attempt.target
        """Who answers at present."""
        self._sent = Sent() if self._may_resume() else None
        self._all = self._read()

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that go with it, as they were at its beginning."""
        return self._opened.stream.headers

    def close(self) -> None:
        """It is over, or nobody reads it any more: hang up."""
        self._all.close()  # first: an attempt that is still being made becomes the present one
        self._opened.close()

    def __iter__(self) -> Iterator[list[bytes]]:
        return self._all

    def _read(self) -> Generator[list[bytes], None, None]:
        rest: Rest | None = None
        broke: UpstreamError | None = None  # what the caller is told if nothing comes after it
        while True:
            try:
                yield from self._batches(rest)
                break
            except UpstreamError as error:
                broke = broke or error
                rest = yield from self._go_on(error, broke)
            except Differs as difference:
                assert broke is not None  # nothing is compared before
                self._tell("differs")
                self._pursuit.invocation.attempt_fails(UpstreamError(str(difference), code="upstream_differs"))
                raise self._final(broke) from difference
        self._opened.visit.succeeds()
        if rest:
            self._tell("resumed")

    def _may_resume(self) -> bool:
        resumes = self.endpoint.policy.resumes
        return self._pursuit.attempts.may_be_several if resumes is None else resumes

    def _batches(self, rest: Rest | None) -> Iterator[list[bytes]]:
        """The present attempt's; only what is new, where it is not the first. Raises Differs."""
        return iter(self._opened.stream) if self._sent is None else self._noted(self._sent, rest)

    def _noted(self, sent: Sent, rest: Rest | None) -> Iterator[list[bytes]]:
        spoke = time.monotonic()
        for batch in self._opened.stream:
            new = rest.take(batch) if rest else batch
            sent.add(new)
            if new or not batch or time.monotonic() - spoke >= self._keep_alive:
                yield new
                spoke = time.monotonic()
        if rest and not rest.agrees:
            raise Differs("it ends before it has said all that was sent")

    def _go_on(self, error: UpstreamError, broke: UpstreamError) -> Generator[list[bytes], None, Rest]:
        """Open another attempt; what it is to be compared with. Raises `broke` where there is none."""
        self._opened.visit.fails(error)
        self._opened.close()
        self._pursuit.invocation.attempt_fails(error)
        if self._sent is None:
            raise self._final(broke)
        try:
            rest = self._sent.rest()
            is_opened = yield from _meanwhile(lambda: self._open(error), self._keep_alive)
        except (Differs, GatewayError) as last:
            self._tell("failed")
            raise self._final(broke) from last
        if not is_opened:
            raise self._final(broke)
        return rest

    def _open(self, error: UpstreamError) -> bool:
        """Make the attempt after this error; whether there may be one. Raises GatewayError where nobody answers."""
        opened = self._pursuit.after(error, self._opened.attempt, self._ask)
        self._opened = opened or self._opened
        self.endpoint = self._opened.attempt.target
        return opened is not None

    def _final(self, broke: UpstreamError) -> UpstreamError:
        """What the caller is told, and the log: the error of whoever said what the caller has."""
        self._pursuit.invocation.endpoint = self._begun_by
        return broke

    def _tell(self, outcome: str) -> None:
        metrics.RESUMED.labels(self.endpoint.name, outcome).inc()


def _meanwhile(call: Callable[[], Result], keep_alive: float) -> Generator[list[bytes], None, Result]:
    """What a call returns or raises, made beside: the client hears an empty batch in each silence meanwhile."""
    with ThreadPoolExecutor(1) as beside:
        made = beside.submit(call)
        while not wait([made], keep_alive).done:
            yield []
    return made.result()
