"""OpenAI's own SDK for Python, set up for tests: no retries, and what comes back held strictly against its models."""

from __future__ import annotations

from typing import Any

from openai import OpenAI

from tests.running import RunningGateway

HELLO: Any = [{"role": "user", "content": "Hello from the SDK"}]


def client_of(gateway: RunningGateway, **options: Any) -> OpenAI:
    """The SDK at a gateway; `options` as the SDK has them."""
    defaults = {"api_key": "not-needed", "max_retries": 0, "_strict_response_validation": True}
    return OpenAI(base_url=f"{gateway.url}/v1", **{**defaults, **options})
