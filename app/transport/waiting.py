"""A socket used up to a moment: in a thread by the system's timeout, in greenlets by an alarm clock for all of them."""

from __future__ import annotations

import math
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

_LEAST_SECONDS = 0.001
"""A timeout of 0 would make a socket non-blocking."""
LONG_SECONDS = 5.0
"""From here on a greenlet's wait may take a tenth longer than it should."""
_TICK_SECONDS = LONG_SECONDS / 20

Argument = TypeVar("Argument")
Result = TypeVar("Result")


def waiting(sock: socket.socket) -> Waiting:
    """How a socket is waited for: gevent's own in greenlets, any other in threads."""
    return GreenWaiting(sock) if type(sock).__module__.startswith("gevent.") else Waiting(sock)


class Waiting:
    """A socket whose uses last until a moment: monotonic seconds. Raises TimeoutError, perhaps 1 % too early."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._seconds = 0.0

    def receive(self, size: int, until: float) -> bytes:
        """What has come, at most `size` bytes; b"" at the end."""
        self._set(until - time.monotonic())
        return self.sock.recv(size)

    def send(self, data: bytes | memoryview, until: float) -> int:
        """Send what goes now; how much that was: bytes."""
        self._set(until - time.monotonic())
        return self.sock.send(data)

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self.sock.close()

    def _set(self, seconds: float) -> None:
        """Let a use take this long, more or less: 1 % is not worth a system call."""
        seconds = max(seconds, _LEAST_SECONDS)
        if abs(seconds - self._seconds) > 0.01 * seconds:
            self.sock.settimeout(seconds)
            self._seconds = seconds


class GreenWaiting(Waiting):
    """The same in a greenlet, where a timeout of gevent's costs as much as the read that it is for."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        import gevent  # type: ignore[import-untyped]  # it is here: the socket is one of its own

        self._me, self._hub = gevent.getcurrent, gevent.get_hub()
        self._alarms = alarms_of(self._hub)
        self._readable = self._hub.loop.io(sock.fileno(), 1)
        self._is_drained = True

    def receive(self, size: int, until: float) -> bytes:
        """See Waiting."""
        is_long = until - time.monotonic() >= LONG_SECONDS
        data = self._use(self._receive, size, until) if is_long else super().receive(size, until)
        self._is_drained = len(data) < size and not (isinstance(self.sock, ssl.SSLSocket) and self.sock.pending())
        return data

    def send(self, data: bytes | memoryview, until: float) -> int:
        """See Waiting."""
        is_long = until - time.monotonic() >= LONG_SECONDS
        return self._use(self.sock.send, data, until) if is_long else super().send(data, until)

    def close(self) -> None:
        """See Waiting."""
        self._readable.close()
        super().close()

    def _receive(self, size: int) -> bytes:
        if self._is_drained:  # to ask and be told that nothing is here costs as much as to wait
            self._hub.wait(self._readable)
        return self.sock.recv(size)

    def _use(self, use: Callable[[Argument], Result], argument: Argument, until: float) -> Result:
        if self._seconds != math.inf:
            self.sock.settimeout(None)
            self._seconds = math.inf
        me, sleepers = self._me(), self._alarms.at(until)
        sleepers.add(me)
        try:
            return use(argument)
        finally:
            sleepers.discard(me)


class Alarms:
    """Who is to be woken by a TimeoutError, and when, to the tick: one timer for all greenlets of a thread."""

    def __init__(self, hub: Any) -> None:
        self._timer = hub.loop.timer(_TICK_SECONDS, _TICK_SECONDS)
        self._due: dict[int, set[Any]] = {}  # greenlets by the tick at which they have waited enough
        self._last = 0

    def at(self, until: float) -> set[Any]:
        """Those to be woken at a moment: who waits adds itself, and takes itself out when it waits no more."""
        tick = math.ceil(until / _TICK_SECONDS)
        sleepers = self._due.get(tick)
        if sleepers is None:
            sleepers = self._due[tick] = set()
            if not self._timer.active:
                self._timer.start(self._ring, update=True)
        return sleepers

    def _ring(self) -> None:
        now = time.monotonic() / _TICK_SECONDS
        for tick in [tick for tick, sleepers in self._due.items() if tick <= now or not sleepers]:
            sleepers = self._due.pop(tick)
            while sleepers:
                sleepers.pop().throw(TimeoutError("timed out"))
        if not self._due:
            self._timer.stop()


_ALARMS: WeakKeyDictionary[Any, Alarms] = WeakKeyDictionary()


def alarms_of(hub: Any) -> Alarms:
    """A thread's."""
    found = _ALARMS.get(hub)
    if found is None:
        found = _ALARMS[hub] = Alarms(hub)
    return found
