"""How much is going on at once: counted, and refused above a limit. Nothing is queued."""

from __future__ import annotations

import threading

from app.errors import Busy


class InFlight:
    """A count that threads and greenlets share, in this worker process."""

    def __init__(self, what: str) -> None:
        """`what` is in flight: the beginning of a sentence that says that there is too much of it."""
        self.count = 0
        self._what, self._lock = what, threading.Lock()

    def take(self, most: int | None) -> None:
        """One more begins. Raises Busy above `most`; None: as many as come."""
        with self._lock:
            if most is not None and self.count >= most:
                raise Busy(f"{self._what} {most} calls in flight, which is all it may have; come back in a moment")
            self.count += 1

    def give(self) -> None:
        """One has ended."""
        with self._lock:
            self.count -= 1
