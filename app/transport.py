"""The only module that calls providers over the network: `send` for a whole answer, `stream` for one that comes in pieces.

Under requests' face (adapters mounted by URL scheme, PreparedRequest in, Response out) stand plain sockets and a C parser,
because what a gateway needs of a session (a kept connection) is a small part of what one costs. Connections are kept per
origin and process, one exchange at a time; under gevent the sockets are cooperative, under threads they block their own.
"""

from __future__ import annotations

import socket
import ssl
import time
import zlib
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

import requests
from httptools import HttpParserError, HttpResponseParser
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import should_bypass_proxies

from app.call import Call, Timeouts
from app.errors import Cut, Garbled, TimedOut, Unreachable

READ_BYTES = 65_536
MAX_HEAD_BYTES = 65_536
MAX_ANSWER_BYTES = 128 * 1024 * 1024
"""A whole answer larger than this is refused: 2,048 embeddings of 3,072 numbers as text are half of it."""
MAX_ERROR_BYTES = 64 * 1024
"""Of an error's body this much is read: its words are at its beginning."""
MAX_IDLE_SECONDS = 55.0
"""A kept connection older than this is not trusted: load balancers close theirs at 60."""
MAX_IDLE_CONNECTIONS = 256
"""Kept per origin."""


class Body(Protocol):
    """What stands behind a Response's `raw`: an answer's body as it arrives."""

    def read1(self, wait: float) -> bytes:
        """What has arrived, after at most `wait` seconds; b"" at the end. TimeoutError: nothing yet, call again."""

    def close(self) -> None:
        """Hang up, unless the whole answer was read: then the connection is kept."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: its status, headers and body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    """Adapters by URL scheme, as a requests.Session mounts them, without the session."""

    def __init__(self, adapters: Mapping[str, BaseAdapter]) -> None:
        self._adapters = dict(adapters)

    def send(self, call: Call) -> Answer:
        """One call, one whole answer. Raises Unreachable, TimedOut, Cut or Garbled."""
        response = self.open(call)
        try:
            limit = MAX_ANSWER_BYTES if response.status_code < 400 else MAX_ERROR_BYTES
            body = read_all(response.raw, call.timeouts, limit, cut=response.status_code >= 400)
        finally:
            response.raw.close()
        return Answer(response.status_code, response.headers, body)

    def open(self, call: Call) -> requests.Response:
        """Send a call and read the head of its answer; `raw` is a Body, and the caller closes it."""
        request = requests.PreparedRequest()
        request.method, request.url, request.body = call.method, call.url, call.body
        request.headers = call.headers  # type: ignore[assignment]  # a plain mapping: nobody looks them up here
        adapter = self._adapters[call.url.partition(":")[0]]
        try:
            return adapter.send(request, stream=True, timeout=call.timeouts)  # type: ignore[arg-type]
        except ConnectionError as error:
            raise Unreachable(f"the connection to the provider failed: {error}") from error

    def close(self) -> None:
        """Close every kept connection."""
        for adapter in self._adapters.values():
            adapter.close()


def read_all(body: Body, timeouts: Timeouts, limit: int, *, cut: bool) -> bytes:
    """A body to its end. Over `limit` bytes: what was read so far if it may be `cut`, else Garbled."""
    pieces, size = [], 0
    while data := read1(body, timeouts.total):
        pieces.append(data)
        size += len(data)
        if size > limit:
            if cut:
                break
            raise Garbled(f"the provider's answer is longer than {limit} bytes")
    return b"".join(pieces)


def read1(body: Body, wait: float) -> bytes:
    """`body.read1` with the provider's failures in our words. TimeoutError passes: only the caller knows what it means."""
    try:
        return body.read1(wait)
    except TimeoutError:
        raise
    except OSError as error:
        raise Cut(f"the connection to the provider broke off: {error}") from error


# --- sockets -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom a connection leads to, and through which proxy."""

    scheme: str
    host: str
    port: int
    proxy: str | None = None


class Connection:
    """A socket to an origin, and when it was last used (monotonic seconds)."""

    __slots__ = ("origin", "reused", "sock", "used")

    def __init__(self, origin: Origin, sock: socket.socket) -> None:
        self.origin, self.sock = origin, sock
        self.used = 0.0
        self.reused = False

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self.sock.close()


class SocketAdapter(BaseAdapter):
    """requests' transport adapter over kept sockets and a C parser."""

    def __init__(
        self,
        *,
        ca_bundle: str | None = None,
        proxy_for: Callable[[SplitResult], str | None] = lambda url: None,
    ) -> None:
        super().__init__()
        self._ca_bundle = ca_bundle
        self._proxy_for = proxy_for
        self._idle: dict[Origin, deque[Connection]] = {}
        self._tls: ssl.SSLContext | None = None
        self._sessions: dict[Origin, ssl.SSLSession] = {}

    def send(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        stream: bool = True,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """One exchange up to the head of its answer; `timeout` is a Timeouts.

        A kept connection that its server closes before it answers is replaced once, unseen: RFC 9112, section 9.3.1.
        """
        timeouts: Timeouts = timeout or Timeouts()
        deadline = time.monotonic() + timeouts.total
        url = urlsplit(request.url or "")
        origin = self._origin(url)
        head = _head(request, url, origin)
        connection = self._kept(origin)
        if connection is not None:
            with suppress(_Stale):
                return self._exchange(connection, head, request, timeouts, deadline)
        connection = self._connect(origin, min(timeouts.connect, timeouts.total))
        return self._exchange(connection, head, request, timeouts, deadline)

    def close(self) -> None:
        """Close every kept connection."""
        while self._idle:
            _, connections = self._idle.popitem()
            for connection in connections:
                connection.close()

    def _origin(self, url: SplitResult) -> Origin:
        port = url.port or (443 if url.scheme == "https" else 80)
        return Origin(url.scheme, url.hostname or "", port, self._proxy_for(url))

    def _kept(self, origin: Origin) -> Connection | None:
        kept = self._idle.get(origin)
        now = time.monotonic()
        while kept:
            with suppress(IndexError):  # another thread may have taken the last one
                connection = kept.pop()
                if now - connection.used < MAX_IDLE_SECONDS:
                    connection.reused = True
                    return connection
                connection.close()
        return None

    def keep(self, connection: Connection) -> None:
        """Take back a connection whose exchange is over and whole."""
        connection.used = time.monotonic()
        if isinstance(connection.sock, ssl.SSLSocket) and connection.sock.session:
            self._sessions[connection.origin] = connection.sock.session
        kept = self._idle.setdefault(connection.origin, deque())
        kept.append(connection)
        if len(kept) > MAX_IDLE_CONNECTIONS:
            with suppress(IndexError):
                kept.popleft().close()

    def _exchange(
        self, connection: Connection, head: bytes, request: requests.PreparedRequest, timeouts: Timeouts, deadline: float
    ) -> requests.Response:
        exchange = Exchange(connection, self.keep, deadline)
        try:
            exchange.write(head, request.body or b"", timeouts.idle)  # type: ignore[arg-type]
            exchange.read_head()
        except BaseException:
            connection.close()
            raise
        response = requests.Response()
        response.status_code = exchange.status
        response.headers = CaseInsensitiveDict(exchange.headers)
        response.raw = exchange if "content-encoding" not in response.headers else Unpacked(exchange, response.headers)
        response.url, response.request = request.url or "", request
        return response

    def _connect(self, origin: Origin, wait: float) -> Connection:
        peer = urlsplit(origin.proxy) if origin.proxy else None
        host, port = (peer.hostname or "", peer.port or 8080) if peer else (origin.host, origin.port)
        deadline = time.monotonic() + wait
        try:
            sock = socket.create_connection((host, port), wait)
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(max(0.001, deadline - time.monotonic()))
                if peer and origin.scheme == "https":
                    _open_tunnel(sock, origin, peer)
                if origin.scheme == "https":
                    sock = self._encrypt(sock, origin)
            except BaseException:
                sock.close()
                raise
        except TimeoutError:
            raise TimedOut(f"{host}:{port} did not accept a connection within {wait:g} s") from None
        except ssl.SSLError as error:
            raise Unreachable(f"no TLS connection to {host}:{port}: {error.reason or error}") from error
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"no connection to {host}:{port}: {error}") from error
        return Connection(origin, sock)

    def _encrypt(self, sock: socket.socket, origin: Origin) -> ssl.SSLSocket:
        if self._tls is None:
            self._tls = ssl.create_default_context(cafile=self._ca_bundle or requests.certs.where())
            self._tls.set_alpn_protocols(["http/1.1"])
        return self._tls.wrap_socket(sock, server_hostname=origin.host, session=self._sessions.get(origin))


class _Stale(Exception):
    """A kept connection was closed by its server before it answered."""


class Exchange:
    """One request and its answer on a connection: the parser's callbacks in, `read1` out."""

    def __init__(self, connection: Connection, keep: Callable[[Connection], None], deadline: float) -> None:
        self.connection, self._keep, self._deadline = connection, keep, deadline
        self._sock = connection.sock
        self._parser = HttpResponseParser(self)
        self._pieces: list[bytes] = []
        self._head_bytes = 0
        self._head_done = self._done = self._excess = self._until_eof = False
        self._status_words = b""
        self.status = 0
        self.headers: list[tuple[str, str]] = []

    # The parser's callbacks

    def on_message_begin(self) -> None:
        self._excess = self._done  # a second answer to one request: its bytes are nobody's
        self.headers, self._head_bytes = [], 0

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MAX_HEAD_BYTES:
            raise Garbled(f"the provider's headers are longer than {MAX_HEAD_BYTES} bytes")
        self.headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status >= 200:
            self._head_done = True
            names = {name.lower() for name, _ in self.headers}
            self._until_eof = self.status not in (204, 304) and not names & {"content-length", "transfer-encoding"}

    def on_body(self, data: bytes) -> None:
        if not self._excess:
            self._pieces.append(data)

    def on_message_complete(self) -> None:
        self._done = self._head_done  # a 1xx is complete too, but is not the answer

    # The exchange

    def write(self, head: bytes, body: bytes, wait: float) -> None:
        """Send the request. A provider that stops reading may have answered already: that answer counts."""
        try:
            self._sock.settimeout(min(wait, self._remaining()))
            if len(body) < READ_BYTES:
                self._sock.sendall(head + body)
            else:
                self._sock.sendall(head)
                self._sock.sendall(body)
        except TimeoutError:
            raise TimedOut(f"the provider did not take the request within {wait:g} s") from None
        except OSError as error:
            if self.connection.reused:
                raise _Stale from error
            try:
                self.read_head()
            except Unreachable:
                raise Unreachable(f"the provider broke off while it was sent the request: {error}") from error

    def read_head(self) -> None:
        """Read until the head of the answer is here."""
        received = 0
        while not self._head_done:
            try:
                received += self._receive(self._remaining())
            except TimeoutError:
                raise self._too_late() from None
            except (OSError, Cut) as error:
                if self.connection.reused and not received:
                    raise _Stale from error
                raise Unreachable(f"the provider closed the connection without an answer: {error}") from error
            if received > MAX_HEAD_BYTES and not self._head_done:
                raise Garbled(f"the provider's headers are longer than {MAX_HEAD_BYTES} bytes")

    def read1(self, wait: float) -> bytes:
        """What has arrived; see Body. Raises TimedOut when the call's total time is over."""
        while not self._pieces:
            if self._done:
                return b""
            remaining = self._remaining()
            try:
                self._receive(min(wait, remaining))
            except TimeoutError:
                if wait < remaining:
                    raise
                raise self._too_late() from None
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces = []
        return data

    def close(self) -> None:
        """Keep the connection if the whole answer came and both sides allow it; else hang up."""
        connection = self.connection
        if connection.sock is None:
            return
        clean = self._done and not self._excess and not self._until_eof
        if clean and not self._pieces and self._parser.should_keep_alive():
            self._keep(connection)
        else:
            connection.close()
        self.connection = _CLOSED

    def _receive(self, wait: float) -> int:
        self._sock.settimeout(wait)
        data = self._sock.recv(READ_BYTES)
        if data:
            try:
                self._parser.feed_data(data)
            except HttpParserError as error:
                self._raise_callback(error)
        elif self._until_eof and self._head_done:
            self._done = True
        else:
            raise Cut("the provider's answer ended before it was whole")
        return len(data)

    def _raise_callback(self, error: HttpParserError) -> None:
        if isinstance(error.__context__, Garbled):
            raise error.__context__ from None
        if self._done:  # the answer was whole; what follows it is nobody's, and the connection is not kept
            self._excess = True
            return
        raise Garbled(f"the provider's answer is not HTTP: {error}") from error

    def _remaining(self) -> float:
        remaining = self._deadline - time.monotonic()
        if remaining <= 0:
            raise self._too_late()
        return remaining

    def _too_late(self) -> TimedOut:
        return TimedOut("the provider's answer was not whole within its total time")


_CLOSED: Any = type("Closed", (), {"sock": None})()


class Unpacked:
    """A body that came compressed though nobody asked for it (some proxies do): gzip and deflate."""

    def __init__(self, body: Exchange, headers: Mapping[str, str]) -> None:
        encoding = headers["content-encoding"].strip().lower()
        if encoding not in ("gzip", "x-gzip", "deflate", "identity"):
            body.close()
            raise Garbled(f"the provider's answer has a content encoding that nobody asked for: {encoding}")
        self._body = body
        self._unpack = None if encoding == "identity" else zlib.decompressobj(zlib.MAX_WBITS | 32)
        self._rest = b""

    def read1(self, wait: float) -> bytes:
        """See Body. At most a megabyte at a time: what unpacks without end is met by the caller's limits."""
        if self._unpack is None:
            return self._body.read1(wait)
        while True:
            packed = self._rest or self._body.read1(wait)
            if not packed:
                if not self._unpack.eof and not (last := self._unpack.flush()):
                    raise Cut("the provider's compressed answer ended before it was whole")
                return b"" if self._unpack.eof else last
            try:
                data = self._unpack.decompress(packed, 1024 * 1024)
            except zlib.error as error:
                raise Garbled(f"the provider's answer does not unpack: {error}") from error
            self._rest = self._unpack.unconsumed_tail
            if data:
                return data

    def close(self) -> None:
        """See Body."""
        self._body.close()


def _head(request: requests.PreparedRequest, url: SplitResult, origin: Origin) -> bytes:
    """The request line and headers. A value that would end its line early is refused: nothing may smuggle a header in."""
    target = url.path or "/"
    if url.query:
        target = f"{target}?{url.query}"
    lines = []
    if origin.proxy and origin.scheme == "http":
        target = f"http://{url.netloc}{target}"
        lines += _proxy_authorization(urlsplit(origin.proxy))
    lines += [f"{name}: {value}" for name, value in request.headers.items()]
    head = "\r\n".join(
        (f"{request.method} {target} HTTP/1.1", f"Host: {url.netloc.rpartition('@')[2]}", *lines,
         f"Content-Length: {len(request.body or b'')}", "", "")
    )  # fmt: skip
    if head.count("\n") != len(lines) + 4 or head.count("\r") != len(lines) + 4:
        raise Unreachable("a header of the request holds a line break")
    try:
        return head.encode("latin-1")
    except UnicodeEncodeError as error:
        raise Unreachable("a header of the request holds a character that HTTP cannot carry") from error


def _open_tunnel(sock: socket.socket, origin: Origin, proxy: SplitResult) -> None:
    """Ask a proxy for a tunnel (RFC 9110, section 9.3.6). Raises OSError if it will not."""
    host = f"{origin.host}:{origin.port}"
    lines = [f"CONNECT {host} HTTP/1.1", f"Host: {host}", *_proxy_authorization(proxy), "", ""]
    sock.sendall("\r\n".join(lines).encode("latin-1"))
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = sock.recv(1)  # no more than the head: what follows is the origin's
        if not data or len(answer) > MAX_HEAD_BYTES:
            raise OSError("the proxy's answer is not HTTP")
        answer += data
    status = answer.split(b" ", 2)[1:2]
    if status != [b"200"]:
        raise OSError(f"the proxy refused: {answer.splitlines()[0].decode('latin-1')}")


def _proxy_authorization(proxy: SplitResult) -> Iterator[str]:
    if proxy.username:
        credentials = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        yield f"Proxy-Authorization: Basic {b64encode(credentials.encode()).decode()}"


def proxy_chooser(
    http_proxy: str | None, https_proxy: str | None, no_proxy: str | None
) -> Callable[[SplitResult], str | None]:
    """Which proxy leads to a URL: the scheme's own, unless `no_proxy` names its host."""
    if not http_proxy and not https_proxy:
        return lambda url: None

    def choose(url: SplitResult) -> str | None:
        proxy = https_proxy if url.scheme == "https" else http_proxy
        return None if not proxy or should_bypass_proxies(url.geturl(), no_proxy) else proxy

    return choose
