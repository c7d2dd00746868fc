"""gunicorn's gevent worker, with one difference: connections that wait for a next request do not hold up a stop."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import gevent  # type: ignore[import-untyped]
from gevent import monkey
from gunicorn.workers.ggevent import GeventWorker  # type: ignore[import-untyped]

from app.workers.refusing import RefusesInJson
from app.workers.settled import SettledConfig

_LAST_CALL_SECONDS = 1.0
"""How long a connection that came in the moment of the stop may take to send its request."""


class Worker(SettledConfig, RefusesInJson, GeventWorker):  # type: ignore[misc]
    """gunicorn's own, at SIGTERM, waits for every open connection: behind nginx, for as long as nginx keeps them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: dict[Any, socket.socket] = {}
        """The connections between two requests, by their greenlets."""

    def handle(self, listener: Any, client: socket.socket, addr: Any) -> None:
        """Serve a connection."""
        gevent.getcurrent().connection = client
        super().handle(listener, client, addr)

    @contextmanager
    def timeout_ctx(self) -> Iterator[None]:
        """What gunicorn enters while it waits for a connection's next request."""
        waiting = gevent.getcurrent()
        self._idle[waiting] = waiting.connection
        seconds = self.cfg.keepalive if self.alive else _LAST_CALL_SECONDS
        try:
            with gevent.Timeout(seconds, False):
                yield
        finally:
            del self._idle[waiting]

    def handle_exit(self, sig: int, frame: Any) -> None:
        """SIGTERM: end what is idle. A request that has arrived is still read; only what comes later is refused."""
        super().handle_exit(sig, frame)
        for connection in tuple(self._idle.values()):
            with suppress(OSError):  # the client may just have left
                _refuse_more(connection)


def _refuse_more(connection: socket.socket) -> None:
    """Let reads meet the end once they have had what is already here."""
    # By a socket that is not gevent's: gevent's own shutdown raises an error in the greenlet that reads.
    plain = monkey.get_original("socket", "socket")
    with plain(fileno=os.dup(connection.fileno())) as same:
        same.shutdown(socket.SHUT_RD)
