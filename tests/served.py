"""A gateway under gunicorn with a scripted provider behind it, for tests of what only processes and sockets show."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from tests.running import RunningGateway
from tests.serving import STREAM, endpoint
from tests.upstream import Upstream, chat_chunks, chat_completion, json_reply

URL = "/gateway/chat/invocations"
WORDS = ["One", " two", " three"]
CHUNKS = chat_chunks(WORDS)
PATIENCE = 15.0


@dataclass
class Served:
    """A gateway, what stands behind it, and which workers it has."""

    gateway: RunningGateway
    upstream: Upstream
    worker_class: str

    def connect(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE)

    def call(
        self, url: str, body: Any = None, method: str = "POST", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """One exchange on a connection of its own: status, headers, body."""
        with closing(self.connect()) as connection:
            said = {"Content-Type": "application/json", "Connection": "close", **headers}
            connection.request(method, url, None if body is None else json.dumps(body), said)
            response = connection.getresponse()
            return response.status, dict(response.headers), response.read()

    def get(self, url: str) -> bytes:
        return self.call(url, method="GET")[2]

    @contextmanager
    def stream(self) -> Iterator[HTTPResponse]:
        with closing(self.connect()) as connection:
            connection.request(
                "POST", URL, json.dumps(STREAM), {"Content-Type": "application/json", "Connection": "close"}
            )
            with closing(connection.getresponse()) as response:
                yield response

    def raw(self, data: bytes) -> bytes:
        """What comes back for these bytes, and the end of ours after them."""
        with socket.create_connection(("127.0.0.1", self.gateway.port), PATIENCE) as sock:
            answer = b""
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                while piece := sock.recv(65536):
                    answer += piece
            except OSError:
                pass  # it hung up on us: what it said before counts
            return answer


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def endpoints(upstream: Upstream) -> list[dict[str, Any]]:
    names = {"few": 4, "contested": 25, "killed": 30}
    limited = [
        endpoint(upstream, name, limit={"calls": calls, "renewal_period": "hour"}) for name, calls in names.items()
    ]
    return [endpoint(upstream), endpoint(upstream, "metered"), *limited]


def config(upstream: Upstream) -> dict[str, Any]:
    return {"endpoints": endpoints(upstream), "keep_alive": 0.2, "max_body": 1_000_000}


@pytest.fixture(scope="module", params=["gevent", "gthread"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    directory: Path = tmp_path_factory.mktemp(request.param)
    with Upstream() as provider, RunningGateway(config(provider), directory, worker_class=request.param) as gateway:
        until(lambda: len(gateway.workers()) == 2, "both workers")
        yield Served(gateway, provider, request.param)


@pytest.fixture
def served(running: Served) -> Iterator[Served]:
    """The gateway, with a provider that answers; after the test, as many workers as before, and none of them new."""
    running.upstream.replies = json_reply(chat_completion())
    workers = set(running.gateway.workers())
    yield running
    assert set(running.gateway.workers()) == workers, "a worker died"
