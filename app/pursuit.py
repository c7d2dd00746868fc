"""One invocation pursued from attempt to attempt, until somebody answers or nobody is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from app.config import Endpoint
from app.dialects import JSON
from app.errors import GatewayError
from app.failover import Attempt, Attempts, Standings, Targets, Visit
from app.request import Request
from app.telemetry import Invocation

Answer = TypeVar("Answer")
Ask = Callable[[Request, Attempt, Visit], Answer]
"""Makes one attempt. What it returns has ended the visit, or will; where it raises, that is done for it."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a client asks, and whom."""

    targets: Targets
    payload: JSON = field(repr=False)
    raw: bytes = field(repr=False)
    """The payload as the client wrote it."""
    first: Request
    """For the first target."""


class Pursuit:
    """One invocation's."""

    def __init__(
        self, question: Question, standings: Standings, invocation: Invocation, prepare: Callable[[Endpoint], Request]
    ) -> None:
        """`prepare` makes the request for another target than the first. It raises GatewayError where it cannot."""
        self.attempts = Attempts(question.targets, standings)
        self.invocation = invocation
        self._prepare = prepare
        self._requests = {question.first.endpoint.name: question.first}

    def begin(self, ask: Ask[Answer]) -> Answer:
        """The answer of whoever gives one first. Raises the error of the first target that was asked."""
        self.invocation.upstream_begins()
        return self._go_on(self.attempts.first(), ask)

    def after(self, error: GatewayError, attempt: Attempt, ask: Ask[Answer]) -> Answer | None:
        """The answer of the next attempt that has one, after a stream broke off; None: there may be no other."""
        following = self.attempts.after(error, attempt, begun=True)
        return None if following is None else self._go_on(following, ask)

    def _go_on(self, attempt: Attempt, ask: Ask[Answer]) -> Answer:
        while True:
            if attempt.wait:
                time.sleep(attempt.wait)
            try:
                return self._try(attempt, ask)
            except GatewayError as error:
                following = self.attempts.after(error, attempt)
                if following is None:
                    raise self._final(error) from error.__cause__
            attempt = following

    def _try(self, attempt: Attempt, ask: Ask[Answer]) -> Answer:
        request = self._request(attempt)
        visit = self.attempts.enter(attempt)
        self.invocation.attempt_begins(attempt.target, self.attempts.count)
        try:
            return ask(request, attempt, visit)
        except GatewayError as error:
            visit.fails(error)
            visit.ends()
            self.invocation.attempt_fails(error)
            raise
        except BaseException:
            visit.ends()
            raise

    def _request(self, attempt: Attempt) -> Request:
        request = self._requests.get(attempt.target.name)
        if request is None:
            request = self._requests[attempt.target.name] = self._prepare(attempt.target)
        return request.hurried() if attempt.is_backed else request

    def _final(self, last: GatewayError) -> GatewayError:
        """What the caller is told. Where more than one call was allowed, its SDK need not multiply them."""
        error = self.attempts.error or last
        self.invocation.endpoint = self.attempts.asked_first
        told = {name: value for name, value in error.headers.items() if name.lower() != "x-should-retry"}
        if self.attempts.count and self.attempts.may_be_several:
            error.headers = {**told, "X-Should-Retry": "false"}
        error.headers = {**error.headers, "X-Gateway-Attempts": str(self.attempts.count)}
        return error
