"""gunicorn's gevent worker, which answers plain requests itself, and whose stop does not wait for idle clients."""

from __future__ import annotations

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gevent  # type: ignore[import-untyped]
from gevent import monkey
from gunicorn import util  # type: ignore[import-untyped]
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

from app.workers.refusing import RefusesInJson
from app.workers.serving import Serving, serves_plain
from app.workers.settled import SettledConfig

_LEFT = (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN, errno.EBADF)
"""What a socket says whose client has left."""
_LAST_CALL_SECONDS = 1.0
"""How long a connection that came in the moment of the stop may take to send its request."""


class Worker(SettledConfig, RefusesInJson, GeventWorker):  # type: ignore[misc]
    """gunicorn's own, at SIGTERM, waits for every open connection: behind nginx, for as long as nginx keeps them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: dict[Any, tuple[socket.socket, float]] = {}
        """The connections between two requests, by their greenlets, and when they began to wait (monotonic)."""
        self._serving: Serving | None = None

    def load_wsgi(self) -> None:
        """Have the application, and with it whoever answers plain requests."""
        super().load_wsgi()
        self._serving = Serving(self) if serves_plain(self.cfg) else None

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        """Serve a connection."""
        gevent.getcurrent().connection = client
        if self._serving:
            try:
                begun = self._serving.serve(client, listener.getsockname(), addr, self.timeout_ctx)
            except OSError as error:
                begun = b""
                if error.errno not in _LEFT:
                    self.log.exception("Socket error processing request.")
            if not begun:
                util.close(client)
                return
            client = _Begun(begun, client)
        super().handle(listener, client, addr)

    @contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """What is entered while a connection's next request is waited for: `notify` ends what lasts too long."""
        waiting = gevent.getcurrent()
        self._idle[waiting] = waiting.connection, time.monotonic()
        try:
            yield
        finally:
            del self._idle[waiting]

    def notify(self) -> None:
        """Each second: tell gunicorn that we live, and hang up on who has been silent for too long."""
        super().notify()
        since = time.monotonic() - (self.cfg.keepalive if self.alive else _LAST_CALL_SECONDS)
        self._hang_up([connection for connection, begun in self._idle.values() if begun < since])

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: end what is idle. A request that has arrived is still read; only what comes later is refused."""
        super().handle_exit(sig, frame)
        self._hang_up([connection for connection, _ in tuple(self._idle.values())])

    def _hang_up(self, connections: list[socket.socket]) -> None:
        for connection in connections:
            with suppress(OSError):  # the client may just have left
                _refuse_more(connection)


class _Begun:
    """A socket from which something has been read: it comes again."""

    def __init__(self, begun: bytes, rest: socket.socket) -> None:
        self._begun, self._rest = begun, rest

    def __getattr__(self, name: str) -> Any:
        return getattr(self._rest, name)

    def recv(self, size: int, *flags: int) -> bytes:
        begun, self._begun = self._begun[:size], self._begun[size:]
        return begun or self._rest.recv(size, *flags)


def _refuse_more(connection: socket.socket) -> None:
    """Let reads meet the end once they have had what is already here."""
    # By a socket that is not gevent's: gevent's own shutdown raises an error in the greenlet that reads.
    plain = monkey.get_original("socket", "socket")
    with plain(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RD)
