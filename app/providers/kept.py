"""What is made when it is first needed, and again when it is stale: credentials, tokens."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Kept(Generic[T]):
    """A value for all threads: one of them makes it, and those that come meanwhile wait for that one."""

    def __init__(self, make: Callable[[], T], is_fresh: Callable[[T], bool] = lambda value: True) -> None:
        self._make, self._is_fresh = make, is_fresh
        self._lock = threading.Lock()
        self._values: list[T] = []

    def __call__(self) -> T:
        """The value. Raises what making it raises."""
        if not self._has_fresh():
            with self._lock:
                if not self._has_fresh():
                    self._values = [self._make()]
        return self._values[0]

    def _has_fresh(self) -> bool:
        return bool(self._values) and self._is_fresh(self._values[0])
