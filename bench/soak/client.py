"""The soak's clients: each asks over a socket of its own or a kept one, and notes what it hears and how that ended."""

from __future__ import annotations

import asyncio
import socket
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

import httptools

from bench.soak.calls import Call

PATIENCE_SECONDS = 60.0
"""Longer than all that the gateway may take; who waits this long has been forgotten."""
_KEPT_SECONDS = 30.0
_MOST_KEPT = 20
_SLOW_BYTES, _SLOW_SECONDS = 4096, 0.05


@dataclass
class Heard:
    """What a client heard."""

    began: float
    """Monotonic seconds, as all times."""
    port: int = 0
    """The client's own: it names the connection."""
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytearray = field(default_factory=bytearray)
    first: float = 0.0
    """When the first byte of the body came."""
    ended: float = 0.0
    how: str = "whole"
    """`whole`: HTTP says so. `left`: the client did. Else what broke."""


class Clients:
    """All clients, and the connections that they keep."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._kept: deque[_Connection] = deque()

    async def ask(self, call: Call) -> Heard:
        """One call. Raises nothing: what goes wrong is noted."""
        connection, heard = None, Heard(time.monotonic())
        try:
            connection = await self._connection(call)
            heard.port = connection.port
            await asyncio.wait_for(
                connection.exchange(call, heard), call.leaves_after if call.manner == "leaves" else PATIENCE_SECONDS
            )
        except asyncio.TimeoutError:
            heard.how = "left" if call.manner == "leaves" else f"no end within {PATIENCE_SECONDS:g} s"
        except (OSError, EOFError, httptools.HttpParserError) as error:
            heard.how = f"{type(error).__name__}: {error}"
        heard.ended = time.monotonic()
        if connection:
            self._leave(connection, call.keeps and heard.how == "whole" and connection.can_be_kept)
        return heard

    def close(self) -> None:
        """Leave all connections that are kept."""
        while self._kept:
            self._kept.popleft().close()

    async def _connection(self, call: Call) -> _Connection:
        while call.keeps and self._kept:
            connection = self._kept.popleft()
            if not connection.is_stale():
                return connection
            connection.close()
        sock = socket.socket()
        sock.setblocking(False)
        if call.manner == "slow":
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SLOW_BYTES)
        try:
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self._port))
            return _Connection(*await asyncio.open_connection(sock=sock, limit=_SLOW_BYTES))
        except BaseException:
            sock.close()
            raise

    def _leave(self, connection: _Connection, keep: bool) -> None:
        if keep and len(self._kept) < _MOST_KEPT:
            self._kept.append(connection)
        else:
            connection.close()


class _Connection:
    """One connection, and the parser's view of the answer on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.port: int = writer.get_extra_info("sockname")[1]
        self.can_be_kept = False
        self._used = 0.0

    async def exchange(self, call: Call, heard: Heard) -> None:
        """Ask, and hear the answer to its end. Raises OSError, EOFError, HttpParserError."""
        self.can_be_kept, parts = False, _Parts(heard)
        parser = httptools.HttpResponseParser(parts)
        self._writer.write(call.request())
        await self._writer.drain()
        while not parts.over:
            if call.manner == "slow":
                await asyncio.sleep(_SLOW_SECONDS)
            data = await self._reader.read(_SLOW_BYTES if call.manner == "slow" else 65_536)
            if not data:
                raise EOFError("the connection ended before the answer did")
            parts.parser_status(parser, data)
        self.can_be_kept, self._used = parser.should_keep_alive(), time.monotonic()

    def is_stale(self) -> bool:
        """Whether the gateway has ended it, or soon may."""
        return self._reader.at_eof() or self._writer.is_closing() or time.monotonic() - self._used > _KEPT_SECONDS

    def close(self) -> None:
        """At once, whatever is still to be read."""
        with suppress(OSError):
            self._writer.transport.abort()


class _Parts:
    """What the parser calls."""

    def __init__(self, heard: Heard) -> None:
        self._heard = heard
        self.over = False

    def parser_status(self, parser: httptools.HttpResponseParser, data: bytes) -> None:
        """Feed it. Raises HttpParserError."""
        parser.feed_data(data)
        self._heard.status = parser.get_status_code()

    def on_header(self, name: bytes, value: bytes) -> None:
        self._heard.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, data: bytes) -> None:
        self._heard.first = self._heard.first or time.monotonic()
        self._heard.body += data

    def on_message_complete(self) -> None:
        self.over = True
