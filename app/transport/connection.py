"""Connections: how one is made (TCP, proxy, TLS), and the pool of those that wait for their next exchange."""

from __future__ import annotations

import fcntl
import os
import socket
import ssl
import termios
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from app.errors import ConfigError, TimedOut, Unreachable
from app.transport.proxy import open_tunnel
from app.transport.waiting import waiting

MAX_IDLE_SECONDS = 55.0
"""A kept connection older than this is not trusted: load balancers close theirs at 60."""
MAX_IDLE_CONNECTIONS = 256
"""Kept per origin."""
KEEPALIVE_SECONDS = 45
"""A model may think for minutes: so often the system tells what stands in between (NAT) that the connection lives."""
SOCKET_OPTIONS = (
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), KEEPALIVE_SECONDS)
        for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL")
        if hasattr(socket, name)  # Linux
    ),
)
"""(level, option, value) of every connection."""
_NOTHING = b"\0" * 4

Address = IPv4Address | IPv6Address


class Origin(NamedTuple):
    """Whom a connection leads to, and through which proxy."""

    scheme: str
    host: str
    port: int
    proxy: str | None = None


class Connection:
    """A socket to an origin, and when it was last used (monotonic seconds)."""

    __slots__ = ("_waiting", "origin", "receive", "reused", "send", "sock", "used")

    def __init__(self, origin: Origin, sock: socket.socket) -> None:
        self.origin, self.sock = origin, sock
        self.used = 0.0
        self.reused = False
        self._waiting = waiting(sock)
        self.receive, self.send = self._waiting.receive, self._waiting.send

    def send_all(self, data: bytes, until: float) -> None:
        """Send, up to a moment (monotonic seconds). Raises TimeoutError."""
        sent = self.send(data, until)
        while sent < len(data):
            sent += self.send(memoryview(data)[sent:], until)

    def spoke(self) -> bool:
        """Whether something came while nothing was asked: an end (TLS), a 408, or an answer that is another's."""
        try:
            return fcntl.ioctl(self.sock.fileno(), termios.FIONREAD, _NOTHING) != _NOTHING
        except OSError:
            return True

    def close(self) -> None:
        """Hang up."""
        self._waiting.close()


class Pool:
    """The connections that wait for their next exchange, by origin; the last one used is the first to be used again.

    They belong to one process: what was opened before a fork stays the parent's.
    """

    def __init__(self, max_idle: float = MAX_IDLE_SECONDS, max_connections: int = MAX_IDLE_CONNECTIONS) -> None:
        """`max_idle` is in seconds; `max_connections` per origin; 0: none is kept, and no origin remembered."""
        self._max_idle, self._max_connections = max_idle, max_connections
        self._kept: dict[Origin, deque[Connection]] = {}
        self._pid = os.getpid()

    def take(self, origin: Origin) -> Connection | None:
        """A connection that may be used again, or None."""
        if self._pid != os.getpid():
            self.close()  # closes this process's side only
        kept = self._kept.get(origin)
        oldest = time.monotonic() - self._max_idle
        while kept:
            with suppress(IndexError):  # another thread may have taken the last one
                connection = kept.pop()
                if connection.used > oldest and not connection.spoke():
                    connection.reused = True
                    return connection
                connection.close()
        return None

    def give(self, connection: Connection) -> None:
        """Keep a connection whose exchange is over and whole."""
        if not self._max_connections:
            connection.close()
            return
        connection.used = now = time.monotonic()
        kept = self._kept.get(connection.origin)
        if kept is None:
            kept = self._kept.setdefault(connection.origin, deque())
        kept.append(connection)
        with suppress(IndexError):
            if len(kept) > self._max_connections or kept[0].used <= now - self._max_idle:
                kept.popleft().close()

    def drop_old(self) -> None:
        """Close what is too old to be used, of every origin."""
        oldest = time.monotonic() - self._max_idle
        for kept in list(self._kept.values()):
            with suppress(IndexError):
                while kept[0].used <= oldest:
                    kept.popleft().close()

    def close(self) -> None:
        """Close every kept connection."""
        kept, self._kept, self._pid = self._kept, {}, os.getpid()
        for connections in kept.values():
            for connection in connections:
                connection.close()


def tls_context(ca_bundle: str | None) -> ssl.SSLContext:
    """Trust in the certificates of a file; None: certifi's. Raises ConfigError."""
    try:
        context = ssl.create_default_context(cafile=ca_bundle or DEFAULT_CA_BUNDLE_PATH)
    except OSError as error:
        raise ConfigError([f"ca_bundle: '{ca_bundle}' cannot be used: {words_of(error)}"]) from error
    context.set_alpn_protocols(["http/1.1"])
    return context


class Connector:
    """Makes connections; remembers TLS sessions, which make the next handshake with the same origin shorter."""

    def __init__(self, ca_bundle: str | None = None, allow: Callable[[Address], bool] | None = None) -> None:
        """`ca_bundle` is a file of trusted certificates; None: certifi's. Raises ConfigError.

        `allow` says whether an address may be called, for names that are not the configuration's; None: all may.
        """
        # Made here and not when it is first needed: a session serves only the context that it came from.
        self._tls = tls_context(ca_bundle)
        self._sessions: dict[Origin, ssl.SSLSession] = {}
        self._allow = allow

    def connect(self, origin: Origin, wait: float) -> Connection:
        """A new connection, within `wait` seconds but for the name's resolution. Raises TimedOut or Unreachable."""
        proxy = urlsplit(origin.proxy) if origin.proxy else None
        if proxy and proxy.scheme != "http":
            raise Unreachable(f"a proxy's URL begins with http://, not with {proxy.scheme}://")
        host, port = (proxy.hostname or "", proxy.port or 80) if proxy else (origin.host, origin.port)
        try:
            return Connection(origin, self._open(origin, (host, port), time.monotonic() + wait))
        except TimeoutError:
            raise TimedOut(f"{host}:{port} did not accept a connection within {wait:g} s") from None
        except ssl.SSLError as error:
            raise Unreachable(f"no TLS connection to {origin.host}:{origin.port}: {words_of(error)}") from error
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"no connection to {host}:{port}: {words_of(error)}") from error

    def remember(self, connection: Connection) -> None:
        """Keep a new connection's TLS session; not before its first answer: TLS 1.3 sends it after the handshake."""
        if connection.reused or self._allow or not isinstance(connection.sock, ssl.SSLSocket):
            return  # those whom clients name are as many as clients like
        if session := connection.sock.session:
            self._sessions[connection.origin] = session

    def _open(self, origin: Origin, peer: tuple[str, int], until: float) -> socket.socket:
        sock = _reach(peer, until, self._allow)
        try:
            sock.settimeout(_left(until))
            if origin.scheme == "http":
                return sock
            if origin.proxy:
                open_tunnel(sock, origin.host, origin.port, origin.proxy, until)
                sock.settimeout(_left(until))
            return self._tls.wrap_socket(sock, server_hostname=origin.host, session=self._sessions.get(origin))
        except BaseException:
            sock.close()
            raise


def _reach(peer: tuple[str, int], until: float, allow: Callable[[Address], bool] | None) -> socket.socket:
    """A TCP connection to the first of a name's addresses that takes it; each has its share of the time.

    What is called is the address that was checked: a name that is looked up again may lead elsewhere.
    """
    addresses = socket.getaddrinfo(*peer, type=socket.SOCK_STREAM)
    if allow and not all(allow(ip_address(address[0])) for *_, address in addresses):
        raise PermissionError("its address may not be called")
    failure = OSError("the name has no address")
    for tried, (family, kind, protocol, _, address) in enumerate(addresses):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(_left(until) / (len(addresses) - tried))
            sock.connect(address)
            for option in SOCKET_OPTIONS:
                sock.setsockopt(*option)
            return sock
        except OSError as error:
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    raise failure


def _left(until: float) -> float:
    """Seconds to a monotonic time, at least a millisecond: 0 would make a socket non-blocking."""
    return max(until - time.monotonic(), 0.001)


def words_of(error: BaseException) -> str:
    """What an error of the system says, without its numbers."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError) and error.reason:
        return error.reason.lower().replace("_", " ")
    return getattr(error, "strerror", None) or str(error)
