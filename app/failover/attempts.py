"""The attempts of one invocation: who is asked, who is asked next, and what the caller is told when nobody answers."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.config import Endpoint
from app.errors import GatewayError, Refused, UpstreamError
from app.failover.breaker import State
from app.failover.plan import Targets
from app.failover.retry import Uniform, Verdict, is_context_length, pause, verdict
from app.failover.standing import Standings, Visit


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call of possibly several."""

    target: Endpoint
    is_backed: bool
    """Whether another target stands ready."""
    wait: float = 0.0
    """Seconds before it."""


class Attempts:
    """Decides whom to ask, and remembers. Who uses it waits, calls, and says what came of it.

    ::

        attempt = attempts.first()
        while True:
            try:
                return ask(attempt, attempts.enter(attempt))
            except GatewayError as error:
                attempt = attempts.after(error, attempt)     # None: raise attempts.error
                sleep(attempt.wait)
    """

    def __init__(
        self, targets: Targets, standings: Standings,
        clock: Callable[[], float] = time.monotonic, uniform: Uniform = random.uniform,
    ) -> None:  # fmt: skip
        self._standings, self._clock, self._uniform = standings, clock, uniform
        ready = [target for target in targets if standings.of(target).admits(target)]
        self._queue, self._ready = deque(targets), len(ready)
        if len(ready) < len(targets):  # one that rests is better than nobody
            names = {target.name for target in ready}
            self._queue = deque(ready + [target for target in targets if target.name not in names])
        self._named = targets[0]
        self.asked_first = self._queue[0]
        """The target whose error is the caller's."""
        self._retries = 0  # of the present target
        self._too_small: int | None = None  # tokens: the largest context that was
        self.count = 0
        """Calls made so far."""
        self.error: GatewayError | None = None
        """What the caller is told: the last error of the first target that was asked, not a later one's noise."""

    @property
    def may_be_several(self) -> bool:
        """Whether one failure is not the end."""
        return self.count > 1 or bool(self._queue) or self.asked_first.policy.retries.attempts > 0

    def first(self) -> Attempt:
        """The one to begin with."""
        attempt = self._next()
        assert attempt is not None
        return attempt

    def enter(self, attempt: Attempt) -> Visit:
        """The attempt is made now. Raises Busy."""
        standing = self._standings.of(attempt.target)
        visit = standing.enter(attempt.target)
        self.count += 1
        if not self._retries and attempt.target.policy.retries.attempts:
            standing.budget.call(self._clock())
        return visit

    def after(self, error: GatewayError, attempt: Attempt, *, begun: bool = False) -> Attempt | None:
        """The one after an attempt that failed; None: there is none. `begun`: its stream had, and broke off."""
        is_first = attempt.target is self.asked_first
        if is_first:
            self._keep(error)
        means = verdict(error, attempt.target.policy)
        if means is Verdict.NOWHERE and is_first:
            return None
        if is_context_length(error):
            self._too_small = max(self._too_small or 0, attempt.target.policy.context or 0)
        refuses_midway = begun and isinstance(error, Refused) and self._ready > 0
        if means is Verdict.AGAIN and not refuses_midway:
            wait = self._wait(error, attempt.target)
            if wait is not None:
                self._retries += 1
                return replace(attempt, wait=wait)
        return self._next()

    def _keep(self, error: GatewayError) -> None:
        """Keep the first target's error. That it could not be asked (again) says less than what it said."""
        if self.error is None or not self.count or isinstance(error, UpstreamError):
            self.error = error
        if not self.count and self._queue and self.asked_first is not self._named:
            self.asked_first = self._queue[0]  # nobody asked for who should only have stood in

    def _next(self) -> Attempt | None:
        while self._queue:
            target = self._queue.popleft()
            self._ready -= 1
            if not self._is_too_small(target):
                self._retries = 0
                return Attempt(target, is_backed=self._ready > 0)
        return None

    def _is_too_small(self, target: Endpoint) -> bool:
        """Whether its context is known to be no larger than one that was too small."""
        return bool(self._too_small and target.policy.context and target.policy.context <= self._too_small)

    def _wait(self, error: GatewayError, target: Endpoint) -> float | None:
        """Seconds until the target may be asked again; None: not at all. One that rests is asked for want of others."""
        retries = target.policy.retries
        rests = self._ready > 0 and self._standings.of(target).breaker.state is not State.CLOSED
        if rests or self._retries >= retries.attempts:
            return None
        wait = pause(error, self._retries, retries, self._uniform)
        if wait is None or not self._standings.of(target).budget.spend(retries.budget, self._clock()):
            return None
        return wait
