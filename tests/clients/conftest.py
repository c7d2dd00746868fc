"""Two gateways, the one that is shipped and one whose endpoints fail on demand, and OpenAI's SDK at them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI

from tests.clients.openai_python import client_of
from tests.running import ROOT, RunningGateway, free_port


@pytest.fixture(scope="package")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway over the endpoints.yaml that comes with it."""
    shipped = (ROOT / "endpoints.yaml").read_text()
    with RunningGateway(shipped, tmp_path_factory.mktemp("shipped")) as running:
        yield running


@pytest.fixture(scope="package")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A gateway whose endpoints fail, each in the way that its name says."""
    config = {
        "endpoints": [
            # One each: clients of the same package must not use up each other's limit.
            _chat("limited-python", limit={"calls": 1, "renewal_period": "hour"}),
            _chat("limited-node", limit={"calls": 1, "renewal_period": "hour"}),
            _chat("busy", limit={"calls": 1, "renewal_period": "2 seconds"}),
            _chat("refusing", fail_rate=1, fail_status=422),
            _chat("unauthorized", fail_rate=1, fail_status=401),
            _chat("overloaded", fail_rate=1, fail_status=503, retry_after=7),
            _chat("cut", cut_after=3),
            _chat("unreachable", provider="openai-compatible", api_base=f"http://127.0.0.1:{free_port()}/v1"),
        ]
    }
    with RunningGateway(config, tmp_path_factory.mktemp("troubled")) as running:
        yield running


@pytest.fixture(scope="package")
def client(gateway: RunningGateway) -> Iterator[OpenAI]:
    """The SDK at the gateway as it is shipped."""
    with client_of(gateway) as made:
        yield made


@pytest.fixture(scope="package")
def lenient_client(gateway: RunningGateway) -> Iterator[OpenAI]:
    """For the two answers that are as OpenAI's own and yet not what the SDK's models say; the tests say which."""
    with client_of(gateway, _strict_response_validation=False) as made:
        yield made


@pytest.fixture(scope="package")
def troubled_client(troubled: RunningGateway) -> Iterator[OpenAI]:
    """The SDK at the gateway whose endpoints fail."""
    with client_of(troubled) as made:
        yield made


@pytest.fixture(scope="session")
def curl() -> str:
    """The path of curl."""
    found = shutil.which("curl")
    if found is None:
        pytest.skip("curl is not installed")
    return found


def _chat(name: str, *, provider: str = "local", limit: Any = None, **settings: Any) -> dict[str, Any]:
    model = {"provider": provider, "name": "weir-local", "config": settings}
    return {"name": name, "endpoint_type": "llm/v1/chat", "model": model, **({"limit": limit} if limit else {})}
