"""How much is going on at once: counted, and refused above a limit. Nothing is queued."""

from __future__ import annotations

import threading
from collections import deque

from app.errors import Busy


class InFlight:
    """A count that threads and greenlets share, in this worker process."""

    def __init__(self, what: str) -> None:
        """`what` is in flight: the beginning of a sentence that says that there is too much of it."""
        self._held: deque[None] = deque()  # to append and to pop is one step each, for threads too
        self._what, self._lock = what, threading.Lock()

    @property
    def count(self) -> int:
        """How much it is now."""
        return len(self._held)

    def take(self, most: int | None) -> None:
        """One more begins. Raises Busy above `most`; None: as many as come."""
        if most is None:
            self._held.append(None)
            return
        with self._lock:
            if len(self._held) >= most:
                raise Busy(f"{self._what} {most} calls in flight, which is all it may have; come back in a moment")
            self._held.append(None)

    def give(self) -> None:
        """One has ended."""
        self._held.pop()
