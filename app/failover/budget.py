"""How much retries may add to an endpoint's load: a share of its calls, and a few in any case. Pure."""

from __future__ import annotations

SECONDS = 10
"""The window that is counted."""
FLOOR = 10
"""Retries in a window that are always allowed: a quiet gateway retries too."""


class Budget:
    """One endpoint's calls and retries of the last seconds, counted by the second."""

    def __init__(self) -> None:
        self._calls, self._retries = [0] * SECONDS, [0] * SECONDS
        self._second = 0

    def call(self, now: float) -> None:
        """Count a first call."""
        self._calls[self._slot(now)] += 1

    def spend(self, share: float, now: float) -> bool:
        """Count a retry, if there may be one more; whether there may."""
        slot = self._slot(now)
        if sum(self._retries) + 1 > max(FLOOR, share * sum(self._calls)):
            return False
        self._retries[slot] += 1
        return True

    def _slot(self, now: float) -> int:
        """The present second's place; those that have passed since the last count are emptied."""
        second = int(now)
        for past in range(max(self._second + 1, second - SECONDS + 1), second + 1):
            self._calls[past % SECONDS] = self._retries[past % SECONDS] = 0
        self._second = max(second, self._second)
        return second % SECONDS
