"""A scripted provider on loopback: real sockets, HTTP/1.1, every byte and every hang-up decided by the test.

::

    with Upstream(json_reply(chat_completion("Hi"))) as upstream:
        ...call upstream.api_base...
        assert upstream.requests[0].json["model"] == "gpt-4o-mini"
"""

from __future__ import annotations

import socket
import ssl
import struct
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from tests.replies import *  # noqa: F403 - a test imports all it needs from here
from tests.replies import Hang, Pause, Reply, Request, Reset, Step, Wait, chat_completion, json_reply

PATIENCE = 10.0
"""Seconds after which waiting for something that should have happened fails the test."""
GLANCE = 0.005
"""Seconds between two looks at an event while a step waits; the look is a read, so a hang-up wakes it at once."""


Script = Reply | Iterable[Reply] | Callable[[Request], Reply]
"""One reply for all, replies in order (the last one again and again), or a function that decides."""


class _Over(Exception):
    """The connection has nothing more to say."""


class _Connection:
    """One accepted connection: reads requests, takes the steps of replies, and watches for the client's hang-up."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.idle = False
        self._buffer = bytearray()
        self._started = 0.0

    def request(self) -> Request:
        """The next request; _Over or OSError when there is none."""
        self._started = time.monotonic() if self._buffer else 0.0
        first, *lines = self._until(b"\r\n\r\n").decode("latin-1").rstrip().split("\r\n")
        self.idle = False
        method, target, _ = first.split(" ")
        headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
        body = self._body({name.lower(): value.lower() for name, value in headers})
        return Request(method, target, headers, body, self.number, self._started, time.monotonic())

    def _body(self, headers: dict[str, str]) -> bytes:
        if headers.get("expect") == "100-continue":
            self.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding") != "chunked":
            return self._take(int(headers.get("content-length", 0)))
        body = b""
        while size := int(self._until(b"\r\n"), 16):
            body += self._take(size)
            self._until(b"\r\n")
        self._until(b"\r\n")
        return body

    def _until(self, end: bytes) -> bytes:
        while (at := self._buffer.find(end)) < 0:
            self._read()
        return self._take(at + len(end))

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._read()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _read(self, timeout: float | None = None) -> None:
        self.sock.settimeout(timeout)
        data = self.sock.recv(65536)
        if not data:
            raise ConnectionResetError("the client left")
        self._started = self._started or time.monotonic()
        self._buffer += data

    def answer(self, request: Request, reply: Reply) -> None:
        """Take the reply's steps; _Over when the connection ends with them, OSError when the client left before."""
        try:
            for step in reply.wire():
                self._step(step, request)
        except OSError:
            request.client_left.set()
            raise
        if not reply.keeps_alive or request.headers.get("connection") == "close":
            raise _Over
        self.idle = True

    def _step(self, step: Step, request: Request) -> None:
        if isinstance(step, bytes):
            self.sock.settimeout(None)
            request.sent.append(time.monotonic())
            self.sock.sendall(step)
        elif isinstance(step, Pause):
            self._watch(threading.Event(), time.monotonic() + step.seconds)
        elif isinstance(step, (Wait, Hang)):
            self._watch(step.event if isinstance(step, Wait) else threading.Event())
        else:
            if isinstance(step, Reset):
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            raise _Over

    def _watch(self, event: threading.Event, until: float | None = None) -> None:
        """Wait for the event or the time, reading meanwhile: an end of the client's side says that it left."""
        while not event.is_set() and (until is None or time.monotonic() < until):
            with suppress(TimeoutError):
                self._read(GLANCE if until is None else max(until - time.monotonic(), 1e-6))

    def shutdown(self) -> None:
        """End the connection from another thread; a read that waits returns."""
        with suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)


class Upstream:
    """A context manager: listens on a free port of 127.0.0.1, and records and answers what comes."""

    def __init__(self, replies: Script | None = None, *, tls: bool = False) -> None:
        self.requests: list[Request] = []
        """Every request, in the order in which they were whole."""
        self.connections = 0
        """How many connections were accepted so far."""
        self.replies = json_reply(chat_completion()) if replies is None else replies
        self.ca_file: Path | None = None
        """The certificate authority to trust if this speaks TLS; it vouches for 127.0.0.1 and localhost."""
        self._changed = threading.Condition()
        self._open: set[_Connection] = set()
        self._failures: list[Exception] = []
        self._threads: list[threading.Thread] = []
        self._directory = tempfile.TemporaryDirectory() if tls else None
        self._tls = self._certified(Path(self._directory.name)) if self._directory else None
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = int(self._listener.getsockname()[1])

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def api_base(self) -> str:
        """The base URL as the settings of an OpenAI-type provider want it."""
        return f"{self.url}/v1"

    @property
    def replies(self) -> Any:
        """The script: a function, or the replies still to come; it may be set at any time."""
        return self._replies

    @replies.setter
    def replies(self, script: Script) -> None:
        self._replies = script if callable(script) else deque([script] if isinstance(script, Reply) else script)

    def wait_for_requests(self, count: int) -> list[Request]:
        """The requests, once there are at least `count` of them; AssertionError if they do not come."""
        self._wait(lambda: len(self.requests) >= count, f"{count} requests")
        return self.requests

    def wait_for_open(self, count: int) -> None:
        """Wait until exactly `count` connections are open; AssertionError if that does not come."""
        self._wait(lambda: len(self._open) == count, f"{count} open connections")

    def drop_idle(self, at_least: int = 1) -> int:
        """Close the kept connections that are between requests, and say how many; waits for `at_least` of them."""
        self._wait(lambda: len(self._idle()) >= at_least, f"{at_least} idle connections")
        with self._changed:
            dropped = self._idle()
            for connection in dropped:
                connection.shutdown()
        self._wait(lambda: not self._open & set(dropped), "the end of the dropped connections")
        return len(dropped)

    def _idle(self) -> list[_Connection]:
        return [connection for connection in self._open if connection.idle]

    def _wait(self, condition: Callable[[], bool], what: str) -> None:
        with self._changed:
            assert self._changed.wait_for(condition, PATIENCE), f"waited {PATIENCE} s in vain for {what}"

    def __enter__(self) -> Upstream:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._threads[0].join(PATIENCE)
        self._listener.close()
        with self._changed:
            for connection in self._open:
                connection.shutdown()
        for thread in self._threads:
            thread.join(PATIENCE)
        if self._directory:
            self._directory.cleanup()
        if self._failures and kind is None:
            raise self._failures[0]

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True, name="upstream")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._changed:
                    self.connections += 1
                    connection = _Connection(sock, self.connections)
                    self._open.add(connection)
                self._start(self._serve, connection)

    def _serve(self, connection: _Connection) -> None:
        try:
            if self._tls:
                connection.sock = self._tls.wrap_socket(connection.sock, server_side=True)
            while True:
                self._exchange(connection)
        except (_Over, OSError):
            pass
        except Exception as failure:
            self._failures.append(failure)  # a broken script must fail its test, not pass for a broken provider
        finally:
            connection.sock.close()
            with self._changed:
                self._open.discard(connection)
                self._changed.notify_all()

    def _exchange(self, connection: _Connection) -> None:
        request = connection.request()
        with self._changed:
            self.requests.append(request)
            script: Any = self._replies
            reply = None if callable(script) else script.popleft() if len(script) > 1 else script[0]
            self._changed.notify_all()
        try:
            connection.answer(request, reply or script(request))
        finally:
            request.answered.set()
            with self._changed:
                self._changed.notify_all()

    def _certified(self, directory: Path) -> ssl.SSLContext:
        import trustme  # only tests of TLS need it

        authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        authority.cert_pem.write_to_path(str(self.ca_file))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        return context


def closed_port() -> int:
    """A port of 127.0.0.1 on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])
