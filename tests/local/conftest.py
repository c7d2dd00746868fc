"""Asking the built-in model directly, through its adapter, on a clock that only moves when somebody sleeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
import requests

from app.local.adapter import LocalAdapter
from app.local.behaviour import HEADER


@dataclass
class FakeClock:
    """Time that passes in sleeps alone; `slept` lists them, in seconds."""

    now: float = 100.0
    slept: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float, /) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Answer:
    """A response and its body, read to the end."""

    response: requests.Response
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]

    @property
    def events(self) -> list[bytes]:
        assert self.body.endswith(b"\n\n")
        return [event.removeprefix(b"data: ") for event in self.body.split(b"\n\n")[:-1]]

    @property
    def chunks(self) -> list[Any]:
        assert self.events[-1] == b"[DONE]"
        return [orjson.loads(event) for event in self.events[:-1]]


Send = Callable[..., requests.Response]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def send(clock: FakeClock) -> Send:
    """send(path, payload, **settings) -> the response, its body unread."""

    def send(path: str, payload: Any, **settings: Any) -> requests.Response:
        body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
        headers = {HEADER: orjson.dumps(settings).decode()}
        request = requests.Request("POST", f"local://weir/{path}", headers=headers, data=body).prepare()
        return LocalAdapter(clock).send(request)

    return send


@pytest.fixture
def ask(send: Send) -> Callable[..., Answer]:
    """ask(path, payload, **settings) -> the answer, read whole."""

    def ask(path: str, payload: Any, **settings: Any) -> Answer:
        response = send(path, payload, **settings)
        parts = []
        while part := response.raw.read1(1e9):
            parts.append(part)
        return Answer(response, b"".join(parts))

    return ask
