"""Providers with a format of their own, in front of a scripted one: endpoints, and what Anthropic says."""

from __future__ import annotations

from typing import Any

from tests.serving import KEY, PROMPT
from tests.upstream import Upstream

ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": PROMPT}]}
ON_GATEWAY = "/gateway/it/invocations"
ON_V1 = "/v1/chat/completions"

MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5-20250929",
    "content": [{"type": "text", "text": "Grüße"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 12, "output_tokens": 3},
}

STREAM = [
    {"type": "message_start", "message": {**MESSAGE, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "ping"},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grü"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ße"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 7}},
    {"type": "message_stop"},
]


def of(provider: str, upstream: Upstream, model: str | None, kind: str = "chat", **more: Any) -> dict[str, Any]:
    """An entry of the configuration for a provider, with the key where that provider has it."""
    key = {
        "anthropic": "anthropic_api_key",
        "cohere": "cohere_api_key",
        "gemini": "gemini_api_key",
    }
    settings: dict[str, Any] = {key[provider]: KEY, "api_base": upstream.url} if provider in key else {}
    if provider == "bedrock":
        settings = {"api_base": upstream.url, "aws_config": {"aws_region": "us-east-1", "aws_bearer_token": KEY}}
    if provider == "mlflow-model-serving":
        settings = {"model_server_url": upstream.url}
    described = {"provider": provider, "name": model, "config": settings}
    return {"name": "it", "endpoint_type": f"llm/v1/{kind}", "model": described, **more}


def claude(upstream: Upstream, kind: str = "chat", model: str = MESSAGE["model"], **more: Any) -> dict[str, Any]:
    return of("anthropic", upstream, model, kind, **more)
