"""A socket used up to a moment: in a thread by the system's timeout, in greenlets by an alarm clock for all of them."""

from __future__ import annotations

import math
import os
import socket
import ssl
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

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

    __slots__ = ("_seconds", "sock")

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

    __slots__ = (
        "__weakref__", "_alarms", "_give", "_hub", "_is_drained", "_is_tls", "_me", "_readable", "_take", "sleeper",
        "until",
    )  # fmt: skip

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        import gevent  # type: ignore[import-untyped]  # it is here: the socket is one of its own

        self._me, self._hub = gevent.getcurrent, gevent.get_hub()
        self._readable = self._hub.loop.io(sock.fileno(), 1)
        self._is_tls = isinstance(sock, ssl.SSLSocket)
        # Not by gevent's own methods: they try, wait and try again, each in Python, and a wait is ours already.
        self._take: Callable[[int], bytes] = sock.recv if self._is_tls else partial(os.read, sock.fileno())
        self._give: Callable[[Any], int] = sock.send if self._is_tls else partial(os.write, sock.fileno())
        self._is_drained = True
        self.sleeper: Any = None
        """The greenlet that waits, while one does."""
        self.until = 0.0
        """Up to when: monotonic seconds."""
        self._alarms = alarms_of(self._hub)
        self._alarms.watched.add(self)

    def receive(self, size: int, until: float) -> bytes:
        """See Waiting."""
        if (until < self._alarms.soon or self._seconds != math.inf) and not self._has_an_alarm(until):
            data = super().receive(size, until)
        else:
            self.until, self.sleeper = until, self._me()
            try:
                if self._is_drained:  # to ask and be told that nothing is here costs as much as to wait
                    self._readable.start(self.sleeper.switch)
                    try:
                        self._hub.switch()
                    finally:
                        self._readable.stop()
                data = self._take(size)
            except BlockingIOError:
                self._is_drained = True
                return self.receive(size, until)
            finally:
                self.sleeper = None
        self._is_drained = len(data) < size and not (self._is_tls and self.sock.pending())  # type: ignore[attr-defined]
        return data

    def send(self, data: bytes | memoryview, until: float) -> int:
        """See Waiting."""
        if not self._has_an_alarm(until):
            return super().send(data, until)
        self.until, self.sleeper = until, self._me()
        try:
            return self._give(data)
        except BlockingIOError:
            return self.sock.send(data)
        finally:
            self.sleeper = None

    def close(self) -> None:
        """See Waiting."""
        # They know that they are closed; the number may soon be another file's.
        self._take, self._give = self.sock.recv, self.sock.send
        self._readable.close()
        super().close()

    def _has_an_alarm(self, until: float) -> bool:
        """Have one for a long wait, in the place of a timeout; False for a short one."""
        if until - time.monotonic() < LONG_SECONDS:
            return False
        if self._seconds != math.inf:
            self.sock.settimeout(None)
            self._seconds = math.inf
        self._alarms.tick()
        return True


class Alarms:
    """Wakes by a TimeoutError who has waited enough, to the tick: one timer for all greenlets of a thread."""

    def __init__(self, hub: Any) -> None:
        self._hub = hub
        self._timer = hub.loop.timer(1 / _TICKS, 1 / _TICKS)
        self.watched: WeakSet[GreenWaiting] = WeakSet()
        """The sockets that somebody may wait for."""
        self.soon = math.inf
        """Before this a wait may be a short one: monotonic seconds, known while the clock ticks."""

    def tick(self) -> None:
        """Somebody waits: from now on, and until nobody does."""
        if self.soon == math.inf:
            self.soon = time.monotonic() + LONG_SECONDS + 1 / _TICKS
            self._timer.start(self._ring, update=True)

    def _ring(self) -> None:
        now, waits = time.monotonic(), [one for one in self.watched if one.sleeper is not None]
        self.soon = now + LONG_SECONDS + 1 / _TICKS
        for one in waits:
            sleeper = one.sleeper  # None: what one before it did has woken it
            if sleeper is not None and one.until <= now:
                self._wake(sleeper)
        if not waits:
            self._timer.stop()
            self.soon = math.inf

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
