"""A client whose connection is served in this process: a stand-in for gunicorn's worker, and what was answered."""

from __future__ import annotations

import json
import logging
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

from gunicorn.config import Config

from app.workers.serving import Serving

PATIENCE = 10.0
CLIENT, SERVER = ("127.0.0.1", 1234), ("127.0.0.1", 5000)

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
Waiting = Callable[[], AbstractContextManager[Any]]


class Worker:
    """What `Serving` needs of gunicorn's worker."""

    def __init__(self, app: App, max_requests: int = sys.maxsize, **settings: Any) -> None:
        self.cfg, self.wsgi, self.max_requests = config(**settings), app, max_requests
        self.nr, self.alive, self.log = 0, True, logging.getLogger("gunicorn.error")


def config(**settings: Any) -> Config:
    cfg = Config()
    for name, value in {"forwarded_allow_ips": "127.0.0.1", **settings}.items():
        cfg.set(name, value)
    return cfg


class Connection:
    """A client whose connection is being served."""

    def __init__(self, worker: Worker, client: Any, waiting: Waiting, kind: int, pool: ThreadPoolExecutor) -> None:
        self._served, self.sock = socket.socketpair(socket.AF_UNIX, kind)
        for sock in (self._served, self.sock):
            sock.settimeout(PATIENCE)
        self._worker, self._ends = worker, (SERVER, client)
        self.result: Future[bytes] = pool.submit(self._serve, waiting)
        """What `serve` gave back, or raised."""

    def _serve(self, waiting: Waiting) -> bytes:
        with self._served:
            return Serving(self._worker).serve(self._served, *self._ends, waiting)

    def until(self, end: bytes) -> bytes:
        """What comes, up to and with `end`."""
        got = b""
        while not got.endswith(end):
            got += self.sock.recv(1)
            assert got
        return got

    def ended(self, *data: bytes) -> tuple[bytes, bytes]:
        """Send, and say no more: all that comes, and what `serve` gives back."""
        for piece in data:
            self.sock.sendall(piece)
        self.sock.shutdown(socket.SHUT_WR)
        pieces = []
        with suppress(ConnectionResetError):  # it was closed before all that we sent was read
            while piece := self.sock.recv(65_536):
                pieces.append(piece)
        return b"".join(pieces), self.result.result(PATIENCE)


@contextmanager
def connected(
    worker: Worker, client: Any = CLIENT, waiting: Waiting = nullcontext, kind: int = socket.SOCK_STREAM
) -> Iterator[Connection]:
    with ThreadPoolExecutor(1) as pool:
        connection = Connection(worker, client, waiting, kind, pool)
        with connection.sock:
            yield connection


def talk(worker: Worker, *data: bytes, client: Any = CLIENT) -> tuple[list[bytes], bytes]:
    """The bodies that answer `data`, and what was not answered."""
    with connected(worker, client) as connection:
        got, left = connection.ended(*data)
    return [body for _, body in answers(got)], left


def answers(data: bytes) -> list[tuple[bytes, bytes]]:
    """Heads and bodies of answers that all have a Content-Length."""
    found = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        assert len(data) >= length
        found.append((head, data[:length]))
        data = data[length:]
    return found


def saying(say: Callable[[dict[str, Any]], Any]) -> App:
    """An application that answers with what `say` makes of the request."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        said = say(environ)
        body: bytes = said if isinstance(said, bytes) else json.dumps(said).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    return app


PATHS = saying(lambda environ: environ["PATH_INFO"].encode())


def echo(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read()
    return b"%b %b" % (environ["PATH_INFO"].encode(), body)


def request(path: bytes, *lines: bytes, body: bytes | None = None) -> bytes:
    sent = (b"Host: x", *lines) if body is None else (b"Host: x", *lines, b"Content-Length: %d" % len(body))
    line = (b"GET " if body is None else b"POST ") + path + b" HTTP/1.1"
    return b"\r\n".join((line, *sent, b"", b"")) + (body or b"")
