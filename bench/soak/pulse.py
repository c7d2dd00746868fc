"""Whether the machine let a process run: a beat that comes late tells of timeouts that are nobody's fault."""

from __future__ import annotations

import asyncio
import time

_EVERY_SECONDS = 0.05
LATE_SECONDS = 0.2
_REACH_SECONDS = 5.0
"""How long after a pause calls may still suffer from what it held up."""

Beat = tuple[float, float]
"""When a late beat came (monotonic seconds, the same clock for all processes), and by how much it was late."""


class Pulse:
    """One process's."""

    def __init__(self) -> None:
        self.late: list[Beat] = []

    async def beat(self) -> None:
        """For as long as the task lives."""
        while True:
            due = time.monotonic() + _EVERY_SECONDS
            await asyncio.sleep(_EVERY_SECONDS)
            now = time.monotonic()
            if now - due >= LATE_SECONDS:
                self.late.append((now, now - due))


def starved(late: list[Beat], began: float, ended: float) -> bool:
    """Whether a pause may have made a call between these moments late."""
    return any(began - _REACH_SECONDS <= at <= ended + late_by for at, late_by in late)
