"""A circuit breaker: an endpoint that failed time and again rests, until one call finds out that it is well. Pure.

closed --(failures in a row, within the window)--> open --(probe_after has passed: one call)--> half-open
half-open --(it answers)--> closed, --(it fails)--> open
"""

from __future__ import annotations

import threading
from enum import Enum

from app.config import BreakerLimits


class State(Enum):
    """What a breaker is."""

    CLOSED = "closed"
    """Calls go through."""
    HALF_OPEN = "half_open"
    """One call is out, to find out."""
    OPEN = "open"
    """Calls go elsewhere, where there is an elsewhere."""


class Breaker:
    """One endpoint's. Times are monotonic seconds, given by who calls."""

    def __init__(self) -> None:
        self.state = State.CLOSED
        self.opened = 0.0
        """When it opened last."""
        self._failures: list[float] = []
        self._lock = threading.Lock()

    @property
    def failures(self) -> int:
        """Failures in a row so far."""
        return len(self._failures)

    def admits(self, limits: BreakerLimits, now: float) -> bool:
        """Whether a call may go through, be it as the probe."""
        return self.state is State.CLOSED or self._is_probe_due(limits, now)

    def enter(self, limits: BreakerLimits, now: float) -> bool:
        """A call goes through; whether it is the probe."""
        if self.state is State.CLOSED:
            return False
        with self._lock:
            if not self._is_probe_due(limits, now):
                return False
            self.state = State.HALF_OPEN
            return True

    def begins(self, limits: BreakerLimits, entered: float, now: float) -> None:
        """A probe's stream has begun: the endpoint speaks, but one more failure opens the circuit again."""
        if self.state is State.HALF_OPEN and entered >= self.opened:
            self.state, self._failures = State.CLOSED, [now] * (limits.failures - 1)

    def succeeds(self, entered: float) -> None:
        """A call that entered then was answered. One from before the circuit opened says nothing about now."""
        if entered >= self.opened:
            self.state = State.CLOSED
            self._failures.clear()

    def fails(self, limits: BreakerLimits, entered: float, now: float) -> None:
        """A call that entered then failed now. Those that hung when the circuit opened fail long after it closed."""
        with self._lock:
            if entered < self.opened:
                return
            if self.state is State.HALF_OPEN:
                self._open(now)
            elif self.state is State.CLOSED:
                self._failures = [at for at in self._failures if now - at <= limits.window] + [now]
                if len(self._failures) >= limits.failures:
                    self._open(now)

    def abandon(self, entered: float) -> None:
        """The probe that entered then ended without an answer either way: the next call is one."""
        if self.state is State.HALF_OPEN and entered >= self.opened:
            self.state = State.OPEN

    def _is_probe_due(self, limits: BreakerLimits, now: float) -> bool:
        return self.state is State.OPEN and now - self.opened >= limits.probe_after

    def _open(self, now: float) -> None:
        self.state, self.opened = State.OPEN, now
