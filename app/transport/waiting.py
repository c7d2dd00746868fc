"""A socket used up to a moment: in a thread by the system's timeout, in greenlets by an alarm clock for all of them."""

from __future__ import annotations

import math
import socket
import ssl
import sys
import time
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

_LEAST_SECONDS = 0.001
"""A timeout of 0 would make a socket non-blocking."""
LONG_SECONDS = 5.0
"""From here on a greenlet's wait may take a tenth longer than it should."""
_TICKS = 4
"""A second: so exact is the clock that wakes them."""


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
        self._at = alarms_of(self._hub).at
        self._readable = self._hub.loop.io(sock.fileno(), 1)
        self._is_tls = isinstance(sock, ssl.SSLSocket)
        self._is_drained = True

    def receive(self, size: int, until: float) -> bytes:
        """See Waiting."""
        if until - time.monotonic() < LONG_SECONDS:
            data = super().receive(size, until)
        else:
            if self._seconds != math.inf:
                self._have_no_timeout()
            me, sleepers = self._me(), self._at(until)
            sleepers.add(me)
            try:
                if self._is_drained:  # to ask and be told that nothing is here costs as much as to wait
                    self._hub.wait(self._readable)
                data = self.sock.recv(size)
            finally:
                sleepers.discard(me)
        self._is_drained = len(data) < size and not (self._is_tls and self.sock.pending())  # type: ignore[attr-defined]
        return data

    def send(self, data: bytes | memoryview, until: float) -> int:
        """See Waiting."""
        if until - time.monotonic() < LONG_SECONDS:
            return super().send(data, until)
        if self._seconds != math.inf:
            self._have_no_timeout()
        me, sleepers = self._me(), self._at(until)
        sleepers.add(me)
        try:
            return self.sock.send(data)
        finally:
            sleepers.discard(me)

    def close(self) -> None:
        """See Waiting."""
        self._readable.close()
        super().close()

    def _have_no_timeout(self) -> None:
        self.sock.settimeout(None)
        self._seconds = math.inf


class Alarms:
    """Who is to be woken by a TimeoutError, and when, to the tick: one timer for all greenlets of a thread."""

    def __init__(self, hub: Any) -> None:
        self._hub = hub
        self._timer = hub.loop.timer(1 / _TICKS, 1 / _TICKS)
        self.due: dict[int, set[Any]] = {}
        """Greenlets by the tick at which they have waited enough."""

    def at(self, until: float) -> set[Any]:
        """Those to be woken at a moment: who waits adds itself, and takes itself out when it waits no more."""
        tick = int(until * _TICKS) + 1
        sleepers = self.due.get(tick)
        if sleepers is None:
            sleepers = self.due[tick] = set()
            if not self._timer.active:
                self._timer.start(self._ring, update=True)
        return sleepers

    def _ring(self) -> None:
        now = time.monotonic() * _TICKS
        for tick in [tick for tick, sleepers in self.due.items() if tick <= now or not sleepers]:
            sleepers = self.due.pop(tick)
            while sleepers:
                self._wake(sleepers.pop())
        if not self.due:
            self._timer.stop()

    def _wake(self, sleeper: Any) -> None:
        try:
            sleeper.throw(TimeoutError("timed out"))
        except BaseException:  # a bare greenlet's, who lets it pass: no reason to let the others sleep on
            self._hub.handle_error(sleeper, *sys.exc_info())


_ALARMS: WeakKeyDictionary[Any, Alarms] = WeakKeyDictionary()


def alarms_of(hub: Any) -> Alarms:
    """A thread's."""
    found = _ALARMS.get(hub)
    if found is None:
        found = _ALARMS[hub] = Alarms(hub)
    return found
