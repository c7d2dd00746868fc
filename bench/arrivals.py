"""An open loop: requests go out when they are due, whoever is still waiting, and each is timed from when it was due."""

from __future__ import annotations

import gc
import random
import select
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from bench.load import head
from bench.subjects import Request

MAX_CONNECTIONS = 4000
_EVENT = b"data: {"
_END = b"\n0\r\n\r\n"


def steady(count: int, apart: float) -> list[float]:
    """Moments that are so many seconds apart."""
    return [number * apart for number in range(count)]


def poisson(rate: float, seconds: float) -> list[float]:
    """Moments of callers who know nothing of each other; the same ones each time."""
    chance, moments, at = random.Random(1), [], 0.0
    while (at := at + chance.expovariate(rate)) < seconds:
        moments.append(at)
    return moments


@dataclass(slots=True)
class Answer:
    """One request's answer, in seconds since it was due."""

    due: float
    first: float = 0.0
    """Until its first event, or, of a whole answer, its end."""
    took: float = 0.0
    gaps: list[float] = field(default_factory=list)
    """Between each event and the next."""
    whole: bool = False
    """Whether it came to its proper end, with status 2xx and all its events."""


class Connection:
    """A kept connection: the answer that it is reading, and how it will know that answer's end."""

    __slots__ = ("answer", "chunked", "events", "head", "heard", "left", "right", "socket", "tail")

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.socket()
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(BlockingIOError):
            self.socket.connect(address)
        self.answer: Answer | None = None
        self.head: bytes | None = None

    def begin(self, answer: Answer) -> None:
        self.answer, self.head, self.tail = answer, b"", b""
        self.right, self.chunked, self.left, self.events, self.heard = False, False, 0, 0, 0.0

    def feed(self, data: bytes, now: float) -> bool:
        """Note what has come; whether that was the answer's end."""
        if self.head is not None:
            self.head += data
            top, found, data = self.head.partition(b"\r\n\r\n")
            if not found:
                return False
            self._begun(top.lower())
            self.head = None
        self.left -= len(data)
        self._count(data, now)
        return self.tail.endswith(_END) if self.chunked else self.left <= 0

    def _begun(self, top: bytes) -> None:
        self.right = top[9:10] == b"2"
        self.chunked = b"transfer-encoding: chunked" in top
        self.left = int(top.partition(b"content-length:")[2].partition(b"\r\n")[0] or 1 << 60)

    def _count(self, data: bytes, now: float) -> None:
        text = self.tail + data
        self.tail = text[-6:]  # one less than what is looked for, so that nothing is counted twice
        if not (count := text.count(_EVENT)):
            return
        assert self.answer is not None
        if self.events:
            self.answer.gaps.append(now - self.heard)
        else:
            self.answer.first = now - self.answer.due
        self.answer.gaps += [0.0] * (count - 1)
        self.events += count
        self.heard = now


class Arrivals:
    """One run of an open loop against one server, in this thread."""

    def __init__(self, request: Request, events: int) -> None:
        url = urlsplit(request.url)
        self._address = (url.hostname or "", url.port or 80)
        headers = [f"{name}: {value}" for name, value in request.headers.items()]
        self._request = head(request.url, len(request.body), headers) + request.body
        self._events = events
        self._poll = select.epoll()
        self._connections: dict[int, Connection] = {}
        self._idle: list[Connection] = []
        self._waiting: deque[Answer] = deque()
        self._open = 0

    def run(self, moments: Sequence[float], patience: float, when_all_asked: Callable[[], None]) -> list[Answer]:
        """Ask at these moments; what is not answered `patience` seconds after the last of them is lost."""
        gc.disable()
        try:
            return self._run(moments, patience, when_all_asked)
        finally:
            gc.enable()
            for connection in self._connections.values():
                connection.socket.close()
            self._poll.close()

    def _run(self, moments: Sequence[float], patience: float, when_all_asked: Callable[[], None]) -> list[Answer]:
        begun = time.monotonic() + 0.05
        answers = [Answer(begun + moment) for moment in moments]
        self._open, at, deadline = len(answers), 0, begun + moments[-1] + patience
        while self._open and (now := time.monotonic()) < deadline:
            while at < len(answers) and answers[at].due <= now:
                self._ask(answers[at])
                at += 1
                if at == len(answers):
                    when_all_asked()
            wait = answers[at].due - now if at < len(answers) else deadline - now
            for number, events in self._poll.poll(max(0.0, wait)):
                self._ready(self._connections[number], events)
        return answers

    def _ask(self, answer: Answer) -> None:
        if self._idle:
            self._send(self._idle.pop(), answer)
        elif len(self._connections) < MAX_CONNECTIONS:
            connection = Connection(self._address)
            self._connections[connection.socket.fileno()] = connection
            connection.begin(answer)
            self._poll.register(connection.socket, select.EPOLLOUT)
        else:
            self._waiting.append(answer)

    def _send(self, connection: Connection, answer: Answer) -> None:
        connection.begin(answer)
        self._write(connection)

    def _write(self, connection: Connection) -> None:
        """All at once: requests of an open loop are small."""
        try:
            connection.socket.send(self._request)
        except OSError:
            self._drop(connection)

    def _ready(self, connection: Connection, events: int) -> None:
        if events == select.EPOLLOUT:  # it is made
            self._poll.modify(connection.socket, select.EPOLLIN)
            self._write(connection)
            return
        try:
            data = connection.socket.recv(262144)
        except OSError:
            data = b""
        now = time.monotonic()
        if not data:
            self._drop(connection)
        elif connection.answer is not None and connection.feed(data, now):
            self._end(connection, now)

    def _end(self, connection: Connection, now: float) -> None:
        answer = connection.answer
        assert answer is not None
        answer.took = now - answer.due
        answer.first = answer.first or answer.took
        answer.whole = connection.right and connection.events >= self._events
        connection.answer = None
        self._open -= 1
        if self._waiting:
            self._send(connection, self._waiting.popleft())
        else:
            self._idle.append(connection)

    def _drop(self, connection: Connection) -> None:
        """The server has closed it: an answer that it was in the middle of is lost."""
        del self._connections[connection.socket.fileno()]
        self._poll.unregister(connection.socket)
        connection.socket.close()
        if connection.answer is not None:
            self._open -= 1
        else:
            self._idle.remove(connection)
        if self._waiting:
            self._ask(self._waiting.popleft())
