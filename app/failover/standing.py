"""How each endpoint stands in this worker process: its breaker, its retries' budget, its calls in flight."""

from __future__ import annotations

import logging
import time

from app.config import Endpoint
from app.errors import GatewayError, UpstreamError
from app.failover.breaker import Breaker, State
from app.failover.budget import Budget
from app.failover.in_flight import InFlight
from app.failover.retry import is_failure
from app.telemetry import metrics

log = logging.getLogger("weir.failover")


class Standing:
    """One endpoint's."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.breaker = Breaker()
        self.budget = Budget()
        self.in_flight = InFlight(f"endpoint '{name}' has")

    def admits(self, endpoint: Endpoint) -> bool:
        """Whether its breaker lets a call through."""
        return self.breaker.state is State.CLOSED or self.breaker.admits(endpoint.policy.breaker, time.monotonic())

    def enter(self, endpoint: Endpoint) -> Visit:
        """A call is made. Raises Busy."""
        self.in_flight.take(endpoint.policy.max_in_flight)
        return Visit(self, endpoint)

    def tell(self, before: State, why: str) -> None:
        """Log and count a change of the breaker's state."""
        now = self.breaker.state
        if now is before:
            return
        metrics.BREAKER.labels(self.name).set(list(State).index(now))
        level = logging.WARNING if now is State.OPEN else logging.INFO
        log.log(level, "endpoint '%s': the circuit is %s (was %s): %s", self.name, now.value, before.value, why)


class Visit:
    """One call of an endpoint. To be ended by whoever got it, whatever happened."""

    __slots__ = ("_ended", "_endpoint", "_entered", "_pending", "_standing", "probes")

    def __init__(self, standing: Standing, endpoint: Endpoint) -> None:
        self._standing, self._endpoint, self._ended = standing, endpoint, False
        self._entered = time.monotonic()
        before = standing.breaker.state
        self.probes = before is not State.CLOSED and standing.breaker.enter(endpoint.policy.breaker, self._entered)
        """Whether it is to find out if the endpoint is well again."""
        self._pending = self.probes
        standing.tell(before, "one call finds out")

    def begins(self) -> None:
        """Its stream has begun."""
        if self._pending:
            self._pending = False
            before = self._standing.breaker.state
            self._standing.breaker.begins(self._endpoint.policy.breaker, self._entered, time.monotonic())
            self._standing.tell(before, "it answers")

    def succeeds(self) -> None:
        """It was answered, to the end."""
        self._pending = False
        breaker = self._standing.breaker
        if breaker.failures or breaker.state is not State.CLOSED:
            before = breaker.state
            breaker.succeeds(self._entered)
            self._standing.tell(before, "it answers")

    def fails(self, error: GatewayError) -> None:
        """It ended with an error: a failure of the provider's, an answer all the same, or nothing that it said."""
        if not isinstance(error, UpstreamError):
            return
        if not is_failure(error):
            self.succeeds()
            return
        self._pending = False
        breaker = self._standing.breaker
        before = breaker.state
        breaker.fails(self._endpoint.policy.breaker, self._entered, time.monotonic())
        self._standing.tell(before, f"{breaker.failures} failures in a row, the last: {error.kind}")

    def ends(self) -> None:
        """It is over, well or not. A second time says nothing."""
        if self._ended:
            return
        self._ended = True
        self._standing.in_flight.give()
        if self._pending:
            before = self._standing.breaker.state
            self._standing.breaker.abandon(self._entered)
            self._standing.tell(before, "the call that was to find out ended without an answer")


class Standings:
    """Every endpoint's, by its name and address: one that is configured anew is not what its name was before."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Standing] = {}

    def of(self, endpoint: Endpoint) -> Standing:
        """An endpoint's."""
        key = (endpoint.name, endpoint.url)
        standing = self._known.get(key)
        if standing is None:
            self._forget(endpoint.name)
            standing = self._known.setdefault(key, Standing(endpoint.name))
            metrics.BREAKER.labels(endpoint.name).set(0)
        return standing

    def _forget(self, name: str) -> None:
        """Forget who had the name before, unless calls are out: a file may be changed for years."""
        for key, standing in list(self._known.items()):
            if key[0] == name and not standing.in_flight.count:
                self._known.pop(key, None)
