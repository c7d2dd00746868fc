"""What nginx's clients see while there is no gateway, and while one goes."""

from __future__ import annotations

import http.client
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.deploy.client import CHAT, LOCAL, REMOTE, STREAM, Client, error, event, word
from tests.deploy.running_nginx import GatewayBehind, RunningNginx
from tests.upstream import PATIENCE, Upstream, Wait, chat_chunks, sse_reply


@pytest.fixture(params=["gevent", "gthread"])
def gateway(
    request: pytest.FixtureRequest, nginx: RunningNginx, upstream: Upstream, tmp_path: Path
) -> Iterator[GatewayBehind]:
    """A gateway for one test, which may end it."""
    with GatewayBehind(nginx, upstream, tmp_path, request.param) as running:
        yield running


@pytest.mark.parametrize("path", [REMOTE, "/v1/chat/completions"])
def test_without_a_gateway_there_is_a_502_in_its_shape(nginx: RunningNginx, path: str) -> None:
    with closing(Client(nginx.port)) as client:
        response = client.post(path, CHAT, {"X-Request-ID": "lost-1"})
        said = error(response)

    assert response.status == 502
    assert set(said["error"]) == {"message", "type", "param", "code"}
    assert (said["error"]["type"], said["error"]["code"]) == ("server_error", "gateway_unreachable")
    assert said.get("detail") == (None if path.startswith("/v1/") else said["error"]["message"])
    assert response.headers["Retry-After"] == "1"
    assert response.headers["X-Request-ID"] == "lost-1"


def test_a_stream_that_runs_when_the_gateway_is_told_to_end_is_finished(
    gateway: GatewayBehind, upstream: Upstream, client: Client
) -> None:
    gate = threading.Event()
    role, first, finish = chat_chunks(["Hello"])
    upstream.replies = sse_reply([role, Wait(gate), first, finish])
    with closing(Client(gateway.port)) as other:  # nginx keeps its connection for a next request
        assert other.post(LOCAL, CHAT).status == 200
    response = client.post(REMOTE, STREAM)
    assert word(response) == ""

    gateway.process.send_signal(signal.SIGTERM)
    _wait_until_gone(gateway)
    gate.set()

    assert word(response) == "Hello"
    assert [event(response), event(response), event(response)][1:] == ["[DONE]", ""]
    assert gateway.process.wait(PATIENCE) == 0, "and connections that nginx keeps do not hold it up"
    assert "Traceback" not in gateway.errors()


def _wait_until_gone(gateway: GatewayBehind) -> None:
    """Until new requests find nobody."""
    deadline = time.monotonic() + PATIENCE
    while _health(gateway.port) != http.client.BAD_GATEWAY:
        assert time.monotonic() < deadline, "the gateway still takes requests"


def _health(port: int) -> int:
    with closing(Client(port)) as client:
        return client.get("/health").status
