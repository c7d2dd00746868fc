"""Each way in which the provider misbehaves, on a real socket, and the status that honestly tells of it."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from bench.soak import wanted
from bench.soak.wanted import Wanted

GAP_SECONDS = 0.03
"""Between two pieces of a stream."""
_PIECES = 10
"""Writes that a stream is sent in."""
PATIENCE_SECONDS = 60.0
"""How long a provider that has fallen silent waits to be hung up on."""

_CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n"


class NeverHungUp(Exception):
    """The gateway kept a silent connection for longer than any of its timeouts."""


@dataclass
class Exchange:
    """One request, and the connection to answer on."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    kind: str
    """The last part of the path; see wanted.whole."""
    streams: bool
    wanted: Wanted

    async def head(self) -> None:
        """Begin a chunked answer."""
        await self.write(_CHUNKED % (b"text/event-stream" if self.streams else b"application/json"))

    async def say(self, events: list[bytes]) -> None:
        """Some events, in a few pieces."""
        size = max(1, len(events) // _PIECES)
        for at in range(0, len(events), size):
            piece = b"".join(events[at : at + size])
            await self.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await asyncio.sleep(GAP_SECONDS)

    async def write(self, data: bytes) -> None:
        """Raises OSError where the gateway has left."""
        self.writer.write(data)
        await self.writer.drain()

    async def be_silent(self) -> None:
        """Until the gateway hangs up. Raises NeverHungUp."""
        try:
            with suppress(OSError):
                await asyncio.wait_for(self.reader.read(1), PATIENCE_SECONDS)
        except asyncio.TimeoutError:
            raise NeverHungUp from None

    def reset(self) -> None:
        """End the connection with a RST."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def events(self) -> list[bytes]:
        """All of a stream's."""
        return wanted.events(self.kind, self.wanted)

    def begun(self) -> list[bytes]:
        """Those before something happens: at random between the second and the last word."""
        events = self.events()
        return events[: random.randrange(2, len(events) - 4)]


Act = Callable[[Exchange], Awaitable[bool]]
"""Answers; whether the connection can be kept."""


@dataclass(frozen=True)
class Fault:
    """A way to misbehave. `honest`: the statuses that tell of it where nobody else can be asked; empty: none does."""

    act: Act
    honest: tuple[int, ...]
    """None needed: the answer can still be read to its end."""


async def well(exchange: Exchange) -> bool:
    """A whole answer."""
    if exchange.streams:
        await exchange.head()
        await exchange.say(exchange.events())
        await exchange.write(b"0\r\n\r\n")
    else:
        await asyncio.sleep(random.uniform(0.002, 0.05))
        await exchange.write(_document(200, wanted.whole(exchange.kind, exchange.wanted)))
    return True


def _refusal(status: int, *headers: str) -> Act:
    body = b'{"error":{"message":"the soak has it so","type":"soaked","param":null,"code":null}}'

    async def act(exchange: Exchange) -> bool:
        await exchange.write(_document(status, body, *headers))
        return True

    return act


def _document(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} So", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def _page(exchange: Exchange) -> bool:
    page = b"<html><body><h1>502 Bad Gateway</h1></body></html>" * 50
    await exchange.write(_document(502, page).replace(b"application/json", b"text/html"))
    return True


async def _reset(exchange: Exchange) -> bool:
    exchange.reset()
    return False


async def _closed(exchange: Exchange) -> bool:
    return False


async def _silent(exchange: Exchange) -> bool:
    await exchange.be_silent()
    return False


async def _silent_after_head(exchange: Exchange) -> bool:
    await exchange.head()
    await exchange.be_silent()
    return False


async def _cut(exchange: Exchange) -> bool:
    await exchange.head()
    await exchange.say(exchange.begun())
    return False


async def _reset_midway(exchange: Exchange) -> bool:
    await exchange.head()
    await exchange.say(exchange.begun())
    exchange.reset()
    return False


async def _stalled(exchange: Exchange) -> bool:
    await exchange.head()
    await exchange.say(exchange.begun())
    await exchange.be_silent()
    return False


async def _ended_early(exchange: Exchange) -> bool:
    await exchange.head()
    await exchange.say(exchange.begun())
    await exchange.write(b"0\r\n\r\n")
    return True


async def _broken_chunk(exchange: Exchange) -> bool:
    await exchange.head()
    if exchange.streams:
        await exchange.say(exchange.begun())
    await exchange.write(b"zz\r\nthat is no chunk\r\n")
    return False


async def _garbage_event(exchange: Exchange) -> bool:
    events = exchange.events()
    events.insert(10, b'data: {"choices": [{"delta": {"content": "GARBAGE"\n\n')
    await exchange.head()
    await exchange.say(events)
    await exchange.write(b"0\r\n\r\n")
    return True


async def _without_done(exchange: Exchange) -> bool:
    await exchange.head()
    await exchange.say(exchange.events()[:-1])
    await exchange.write(b"0\r\n\r\n")
    return True


async def _error_event(exchange: Exchange) -> bool:
    error = b'{"type":"error","error":{"type":"overloaded_error","message":"the soak has it so"}}'
    await exchange.head()
    await exchange.say([*exchange.begun(), b"event: error\ndata: %s\n\n" % error])
    await exchange.write(b"0\r\n\r\n")
    return True


async def _truncated(exchange: Exchange) -> bool:
    answer = _document(200, wanted.whole(exchange.kind, exchange.wanted))
    await exchange.write(answer[:-40])
    return False


async def _garbage(exchange: Exchange) -> bool:
    await exchange.write(_document(200, b'{"choices": [{"message": {"content": "GARBAGE"'))
    return True


ANYWHERE = {
    "429": Fault(_refusal(429), (429,)),
    "429, Retry-After: 1": Fault(_refusal(429, "Retry-After: 1"), (429,)),
    "429, retry-after-ms: 50": Fault(_refusal(429, "retry-after-ms: 50"), (429,)),
    "500": Fault(_refusal(500), (500,)),
    "503": Fault(_refusal(503), (503,)),
    "529": Fault(_refusal(529), (503,)),
    "a page of HTML": Fault(_page, (502,)),
    "reset before any byte": Fault(_reset, (502,)),
    "closed before any byte": Fault(_closed, (502,)),
    "silence": Fault(_silent, (504,)),
    "broken chunk": Fault(_broken_chunk, (502,)),
}
OF_WHOLE_ANSWERS = {
    **ANYWHERE,
    "truncated": Fault(_truncated, (502,)),
    "garbage": Fault(_garbage, (502,)),
}
OF_STREAMS = {
    **ANYWHERE,
    "silence after the head": Fault(_silent_after_head, (504,)),
    "cut": Fault(_cut, (502,)),
    "reset midway": Fault(_reset_midway, (502,)),
    "stalled": Fault(_stalled, (504,)),
    "ended early": Fault(_ended_early, (502,)),
    "garbage event": Fault(_garbage_event, ()),
    "without its last event": Fault(_without_done, ()),
    "error event": Fault(_error_event, (502, 503, 529)),
}
