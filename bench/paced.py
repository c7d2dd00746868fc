"""A provider that streams slowly: each answer has its own clock, and one process keeps thousands of them."""

from __future__ import annotations

import gc
import heapq
import select
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from bench.answers import deltas

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
HEALTH = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass(frozen=True)
class Pace:
    """So many deltas, one each `gap` seconds, the first at once."""

    deltas: int
    gap: float

    @property
    def seconds(self) -> float:
        """How long the whole stream takes."""
        return (self.deltas - 1) * self.gap

    def pieces(self) -> list[bytes]:
        """What is sent at each tick: a head and the role with the first delta, what ends the stream with the last."""
        events = deltas(self.deltas)
        first, last = b"".join(events[:2]), b"".join(events[self.deltas :])
        said = [first, *events[2 : self.deltas], last]
        chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in said]
        return [HEAD + chunks[0], *chunks[1:-1], chunks[-1] + b"0\r\n\r\n"]


PACES = {"paced": Pace(64, 0.020), "slow": Pace(26, 0.200)}


class Server:
    """One thread around epoll and a heap of the next ticks: about 10 us an event, so that it is never what is slow."""

    def __init__(self, port: int, paces: dict[str, Pace]) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.setblocking(False)
        self._poll = select.epoll()
        self._poll.register(self._listener, select.EPOLLIN)
        self._pieces = {name.encode(): (pace.gap, pace.pieces()) for name, pace in paces.items()}
        self._clients: dict[int, tuple[socket.socket, bytearray]] = {}
        self._ticks: list[tuple[float, int, socket.socket, int, float, Sequence[bytes]]] = []
        self._count = 0

    def serve(self) -> None:
        """Until the process is ended."""
        while True:
            wait = max(0.0, self._ticks[0][0] - time.monotonic()) if self._ticks else -1
            for number, _ in self._poll.poll(wait):
                if number == self._listener.fileno():
                    self._accept()
                else:
                    self._read(number)
            self._tick()

    def _accept(self) -> None:
        with suppress(BlockingIOError):
            while True:
                client, _ = self._listener.accept()
                client.setblocking(False)
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._clients[client.fileno()] = (client, bytearray())
                self._poll.register(client, select.EPOLLIN)

    def _read(self, number: int) -> None:
        client, pending = self._clients[number]
        try:
            data = client.recv(65536)
        except OSError:
            data = b""
        if not data:
            self._poll.unregister(client)
            del self._clients[number]
            client.close()
            return
        pending += data
        end = pending.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(pending[:end]).lower()
        length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if len(pending) >= end + 4 + length:
            del pending[: end + 4 + length]
            self._answer(client, head.split(b" ", 2)[1].split(b"/")[1])

    def _answer(self, client: socket.socket, name: bytes) -> None:
        """The first part of the path names the pace; anything else asks how we are."""
        if name not in self._pieces:
            client.send(HEALTH)
            return
        gap, pieces = self._pieces[name]
        self._count += 1
        heapq.heappush(self._ticks, (time.monotonic(), self._count, client, 0, gap, pieces))

    def _tick(self) -> None:
        now = time.monotonic()
        while self._ticks and self._ticks[0][0] <= now:
            due, count, client, at, gap, pieces = self._ticks[0]
            try:
                client.send(pieces[at])
                gone = False
            except OSError:  # its client has gone
                gone = True
            if gone or at + 1 == len(pieces):
                heapq.heappop(self._ticks)
            else:
                heapq.heapreplace(self._ticks, (due + gap, count, client, at + 1, gap, pieces))


if __name__ == "__main__":
    gc.disable()
    Server(int(sys.argv[1]), PACES).serve()
