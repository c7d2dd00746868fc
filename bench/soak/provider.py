"""The provider behind the soaked gateway: under /primary it misbehaves now and then, under /backup it is well."""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from contextlib import suppress
from typing import Any

from bench.soak import faults, wanted
from bench.soak.faults import Exchange, NeverHungUp
from bench.soak.pulse import Pulse

_REMEMBERED = 50_000
"""Questions of which it is known how they were answered."""


class Provider:
    """One process's: what it did, and what is going on."""

    def __init__(self, share: float) -> None:
        """`share` of the primary's answers are faults."""
        self._share = share
        self._open = self._busy = self._never_hung_up = 0
        self._answers: Counter[str] = Counter()
        self._told: dict[int, list[str]] = {}
        self.pulse = Pulse()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self._open += 1
        try:
            while await self._exchange(reader, writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            pass  # the gateway has left
        except NeverHungUp:
            self._never_hung_up += 1
        finally:
            self._open -= 1
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        length = int(head.lower().partition("content-length:")[2].partition("\r\n")[0] or 0)
        body = await reader.readexactly(length)
        path = head.split(" ", 2)[1]
        if head.startswith("GET"):
            return await self._tell(writer, path)
        _, who, _, kind = path.split("/", 3)
        exchange = Exchange(reader, writer, kind, b'"stream":true' in body.replace(b" ", b""), wanted.asked(body))
        self._busy += 1
        try:
            return await self._answer(who, exchange)
        finally:
            self._busy -= 1

    async def _answer(self, who: str, exchange: Exchange) -> bool:
        known = faults.OF_STREAMS if exchange.streams else faults.OF_WHOLE_ANSWERS
        name = random.choice(list(known)) if who == "primary" and random.random() < self._share else ""
        self._answers[name or "well"] += 1
        self._told.setdefault(exchange.wanted.number, []).append(f"{who}: {name or 'well'}")
        if len(self._told) > _REMEMBERED:
            del self._told[next(iter(self._told))]
        return await (known[name].act if name else faults.well)(exchange)

    async def _tell(self, writer: asyncio.StreamWriter, path: str) -> bool:
        """/told/<number>: how a question was answered, attempt by attempt; else: what is going on."""
        number = path.rpartition("/told/")[2]
        said = self._told.get(int(number), []) if number.isdigit() else self._state()
        body = json.dumps(said).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        return False

    def _state(self) -> dict[str, Any]:
        connections = {"open": self._open - 1, "busy": self._busy}  # but for the one that asks
        return {
            **connections, "never_hung_up": self._never_hung_up, "answers": self._answers, "late": self.pulse.late,
        }  # fmt: skip


async def _serve(port: int, share: float) -> None:
    provider = Provider(share)
    server = await asyncio.start_server(provider.serve, "127.0.0.1", port, backlog=1024)
    await asyncio.gather(server.serve_forever(), provider.pulse.beat())


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
