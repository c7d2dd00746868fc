"""OpenAI, Azure and compatible servers over real sockets: what reaches the provider is what its manual asks for."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests import replies
from tests.serving import CHAT, KEY, Gateway
from tests.upstream import Upstream

OWN = {"accept", "content-length", "content-type", "host", "user-agent", "accept-encoding", "connection"}
"""Headers that every call has, whoever it goes to."""

AZURE = {"openai_deployment_name": "my gpt", "openai_api_version": "2024-06-01"}
V1_TARGET = "/openai/v1/chat/completions"
AZURE_TARGET = "/openai/deployments/my%20gpt/chat/completions?api-version=2024-06-01"


def call(upstream: Upstream, gateway: Gateway, provider: str, config: dict[str, Any], model: str | None) -> Any:
    """The request that a provider gets for a chat."""
    upstream.replies = replies.json_reply(replies.chat_completion())
    named = {"provider": provider, "name": model, "config": config}
    client = gateway({"name": "chat", "endpoint_type": "llm/v1/chat", "model": named})
    assert client.post("/v1/chat/completions", json={**CHAT, "model": "chat"}).status_code == 200
    (request,) = upstream.wait_for_requests(1)
    return request


@pytest.mark.parametrize(
    ("provider", "api_type", "more", "target", "expected"),
    [
        ("openai", None, {}, "/v1/chat/completions", {"authorization": f"Bearer {KEY}"}),
        (
            "openai",
            "openai",
            {"openai_organization": "org-acme"},
            "/v1/chat/completions",
            {"authorization": f"Bearer {KEY}", "openai-organization": "org-acme"},
        ),
        ("openai", "azure", AZURE, AZURE_TARGET, {"api-key": KEY}),
        ("openai", "azuread", AZURE, AZURE_TARGET, {"authorization": f"Bearer {KEY}"}),
        ("azure", None, AZURE, AZURE_TARGET, {"api-key": KEY}),
        ("azuread", None, AZURE, AZURE_TARGET, {"authorization": f"Bearer {KEY}"}),
        ("openai", None, {}, V1_TARGET, {"authorization": f"Bearer {KEY}"}),
        ("azure", None, {}, V1_TARGET, {"api-key": KEY}),
        ("azuread", None, {}, V1_TARGET, {"authorization": f"Bearer {KEY}"}),
    ],
)
def test_each_api_type_has_its_target_and_its_headers(
    upstream: Upstream,
    gateway: Gateway,
    provider: str,
    api_type: str | None,
    more: dict[str, str],
    target: str,
    expected: dict[str, str],
) -> None:
    base = upstream.url + ("" if target == AZURE_TARGET else target.removesuffix("/chat/completions"))
    config = {"openai_api_key": KEY, "openai_api_base": base, "openai_api_type": api_type, **more}
    request = call(upstream, gateway, provider, config, "gpt-4o-mini")
    assert request.target == target
    assert {name: value for name, value in request.headers.items() if name not in OWN} == expected
    assert orjson.loads(request.body) == {**CHAT, "model": "gpt-4o-mini"}


@pytest.mark.parametrize("provider", ["openai", "azure"])
def test_what_azures_v1_address_streams_is_put_right(upstream: Upstream, gateway: Gateway, provider: str) -> None:
    filters = {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [{}]}
    events = [filters, *replies.chat_chunks("Hi")]
    upstream.replies = replies.sse_reply(events)
    config = {"openai_api_key": KEY, "openai_api_base": f"{upstream.url}/openai/v1"}
    named = {"provider": provider, "name": "gpt", "config": config}
    client = gateway({"name": "chat", "endpoint_type": "llm/v1/chat", "model": named})
    said = client.post("/v1/chat/completions", json={**CHAT, "model": "chat", "stream": True})
    chunks = [orjson.loads(line[6:]) for line in said.data.splitlines() if line.startswith(b"data: {")]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0]["prompt_filter_results"] == [{}]


def test_a_compatible_server_without_key_and_model_gets_neither(upstream: Upstream, gateway: Gateway) -> None:
    request = call(upstream, gateway, "openai-compatible", {"api_base": upstream.api_base + "/"}, None)
    assert request.target == "/v1/chat/completions"
    assert not {name for name in request.headers if name not in OWN}
    assert orjson.loads(request.body) == CHAT
