"""The gateway in this process, in front of a scripted provider: what most tests of its surface need."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.api.weir import KEY as WEIR
from app.application import create_app
from tests.upstream import Upstream

KEY = "canary-key-7f3a"
"""The provider's key in every test: it may be seen by the provider, and by nobody else."""
PROMPT = "canary prompt 91c4"
"""What users say in every test: no log may hold it."""

CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": PROMPT}]}
STREAM: dict[str, Any] = {**CHAT, "stream": True}

Gateway = Callable[..., FlaskClient]


def endpoint(upstream: Upstream | str, name: str = "chat", kind: str = "chat", **more: Any) -> dict[str, Any]:
    """An entry of the configuration for an OpenAI-type provider; `kind` is the last part of the endpoint type.

    `provider="openai"` for one whose bytes pass whatever they are.
    """
    base = upstream if isinstance(upstream, str) else upstream.api_base
    provider = more.pop("provider", "openai-compatible")
    prefix = "openai_" if provider == "openai" else ""
    settings = {f"{prefix}api_base": base, f"{prefix}api_key": KEY, **more.pop("config", {})}
    model = {"provider": provider, "name": "gpt-4o-mini", "config": settings}
    return {"name": name, "endpoint_type": f"llm/v1/{kind}", "model": model, **more}


def three(upstream: Upstream, **more: Any) -> list[dict[str, Any]]:
    """One endpoint of each type, named as on the usage page."""
    return [endpoint(upstream, name, name, **more) for name in ("chat", "completions", "embeddings")]


class WholeClient(FlaskClient):
    """Reads each answer to its end and closes it, as a WSGI server does, unless told not to."""

    def open(self, *args: Any, buffered: bool = True, **kwargs: Any) -> TestResponse:
        return super().open(*args, buffered=buffered, **kwargs)


def serve(directory: Path, *endpoints: dict[str, Any], **top: Any) -> FlaskClient:
    """A client of a gateway with these endpoints; `top` are keys at the configuration's top."""
    path = directory / "endpoints.yaml"
    path.write_text(yaml.safe_dump({"endpoints": list(endpoints), **top}))
    app = create_app(path)
    app.test_client_class = WholeClient
    return app.test_client()


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with Upstream() as provider:
        yield provider


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateway]:
    """A function: endpoints and top keys -> a client of a gateway that has them."""
    monkeypatch.setenv("WEIR_STATE_DIR", str(tmp_path))
    clients: list[FlaskClient] = []

    def make(*endpoints: dict[str, Any], **top: Any) -> FlaskClient:
        clients.append(serve(tmp_path, *endpoints, **top))
        return clients[-1]

    yield make
    for client in clients:
        client.application.extensions[WEIR].close()


@pytest.fixture
def told(capfd: pytest.CaptureFixture[str]) -> Callable[[], list[dict[str, Any]]]:
    """A function: the access log's lines since it was last called."""
    return lambda: [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]


def events(body: bytes) -> list[Any]:
    """The events of a stream that consists of nothing else: objects, and the word [DONE]."""
    assert body.endswith(b"\n\n")
    blocks = body[:-2].split(b"\n\n")
    assert all(block.startswith(b"data: ") for block in blocks), blocks
    return [block[6:].decode() if block == b"data: [DONE]" else json.loads(block[6:]) for block in blocks]


def text(chunks: list[Any]) -> str:
    """What the chunks of a chat say."""
    choices = [choice for chunk in chunks if isinstance(chunk, dict) for choice in chunk.get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)
