"""Two providers, of which one misbehaves and one stands in, and a gateway in this process before them."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from app.api.weir import KEY as WEIR
from app.failover import Standings
from tests.faults.caller import Answer, heard
from tests.faults.scenarios import FALLBACK_MODEL, PRIMARY_MODEL, STREAM, WHOLE, healthy, refusal
from tests.serving import endpoint, serve
from tests.upstream import Reply, Request, Script, Upstream

QUICK = {"attempts": 2, "backoff": 0.01, "max_backoff": 0.05}
"""Retries that nobody waits for."""
DOWN = refusal(503, "out of order")


class Gateways(ExitStack):
    """Gateways in this process, each made once: the time of a test is not to be spent on making the same again."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory, self._made = directory, dict[str, FlaskClient]()

    def __call__(self, *endpoints: dict[str, Any], **top: Any) -> FlaskClient:
        """A client of a gateway with these endpoints; `top` are keys at the configuration's top."""
        key = json.dumps([endpoints, top])
        if key not in self._made:
            directory = self._directory / str(len(self._made))
            directory.mkdir()
            self._made[key] = serve(directory, *endpoints, **top)
            self.callback(self._made[key].application.extensions[WEIR].close)
        return self._made[key]

    def forget(self) -> None:
        """Forget what a test leaves behind: connections that are kept, circuits that are open, retries that count."""
        for client in self._made.values():
            weir = client.application.extensions[WEIR]
            weir.close()
            weir.gateway.standings = Standings()


@contextmanager
def nobody() -> Iterator[str]:
    """A base URL at which nobody answers, and nobody else can: the port is taken, and not listened on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"


@dataclass
class Pair:
    """A primary endpoint `chat` and its fallback `standby`."""

    primary: Upstream
    fallback: Upstream
    gateways: Gateways

    def gateway(self, *endpoints: dict[str, Any], **top: Any) -> FlaskClient:
        """A gateway of these endpoints."""
        return self.gateways(*endpoints, **top)

    def serve(self, top: Mapping[str, Any] | None = None, **more: Any) -> FlaskClient:
        """A gateway of the two; `more` are keys of the primary's entry."""
        own = {"fallbacks": ["standby"], "retries": QUICK, **more}
        return self.gateway(endpoint(self.primary, **own), endpoint(self.fallback, "standby"), **(top or {}))

    def alone(self, **more: Any) -> FlaskClient:
        """A gateway of the primary only, with no key but these."""
        return self.gateway(endpoint(self.primary, **more))

    @property
    def asked(self) -> tuple[int, int]:
        """How often each was."""
        return len(self.primary.requests), len(self.fallback.requests)


def well(model: str) -> Script:
    """A provider that answers whole or in pieces, as it is asked."""

    def answer(request: Request) -> Reply:
        return healthy(model, STREAM if request.json.get("stream") else WHOLE)

    return answer


PRIMARY_WELL, FALLBACK_WELL = well(PRIMARY_MODEL), well(FALLBACK_MODEL)


def post(client: FlaskClient, name: str = "chat", headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
    """Ask an endpoint or a route of a gateway in this process."""
    payload = {"messages": [{"role": "user", "content": "Say it."}], "model": name, **more}
    if more.get("stream"):
        payload["stream_options"] = {"include_usage": True}
    return heard(client.post("/v1/chat/completions", json=payload, headers=dict(headers or {})))


class Aside(threading.Thread):
    """One call while the test goes on; `answer` waits for it."""

    def __init__(self, client: FlaskClient, name: str = "chat", **more: Any) -> None:
        super().__init__(daemon=True)
        self._client, self._name, self._more = client, name, more
        self._answer: Answer | None = None
        self.start()

    def run(self) -> None:
        self._answer = post(self._client.application.test_client(), self._name, **self._more)

    @property
    def answer(self) -> Answer:
        """What came of it."""
        self.join(15)
        assert self._answer is not None, "the call is still out"
        return self._answer
