"""How the transport's tests call, and servers that do what the scripted provider cannot: not read, not shake hands."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from app.call import Call, Timeouts
from app.transport import ADAPTERS, Body, Transport
from tests.upstream import PATIENCE

Script = Callable[[socket.socket], None]
"""What a server does with a connection; it is closed afterwards."""
Making = partial[Transport]
"""What `make_transport` does, over the adapter that is tested."""

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def make_transport(name: str = "sockets", max_answer_bytes: int | None = None, **options: Any) -> Transport:
    """A transport over the adapter of that name; `options` are the adapter's."""
    adapter = ADAPTERS[name](**options)
    limit = {} if max_answer_bytes is None else {"max_answer_bytes": max_answer_bytes}
    return Transport({"http": adapter, "https": adapter}, **limit)


def call(url: str, body: bytes = b"{}", headers: dict[str, str] | None = None, **timeouts: float) -> Call:
    """A call; timeouts in seconds, ten by default."""
    waits = {"connect": PATIENCE, "first_token": PATIENCE, "idle": PATIENCE, "total": PATIENCE, **timeouts}
    return Call(url, headers or {}, body, Timeouts(**waits))


def drained(body: Body) -> bytes:
    """A body to its end."""
    return b"".join(iter(lambda: body.read1(PATIENCE), b""))


def read_request(sock: socket.socket) -> bytes:
    """What the client sends until the end of a request's head, and of its body if that is small."""
    data = b""
    while not _is_read(data) and (more := sock.recv(65536)):
        data += more
    return data


def _is_read(data: bytes) -> bool:
    head, end, body = data.partition(b"\r\n\r\n")
    size = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
    return bool(end) and (size > 65536 or len(body) >= size)


@contextmanager
def serving(script: Script, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    """A server that runs `script` for every connection, in a thread each; the value is its port.

    A connection that breaks, or a handshake that fails, ends its script and nothing else.
    """
    threads: list[threading.Thread] = []
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    open_now: set[socket.socket] = set()

    def serve(sock: socket.socket) -> None:
        with suppress(OSError), sock:
            if tls:
                sock = tls.wrap_socket(sock, server_side=True)
            with sock:
                open_now.add(sock)
                script(sock)

    def accept() -> None:
        with suppress(OSError):
            while True:
                sock, _ = listener.accept()
                threads.append(threading.Thread(target=serve, args=(sock,), daemon=True))
                threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        accepting.join(PATIENCE)
        listener.close()
        for sock in list(open_now):
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(PATIENCE)


def until_the_client_leaves(sock: socket.socket) -> None:
    """Read, and say nothing."""
    while sock.recv(65536):
        pass


def answering(sock: socket.socket) -> None:
    """Answer each request until the client leaves."""
    while read_request(sock):
        sock.sendall(OK)
