"""Anthropic: where a call goes, and what it carries."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.call import Call
from app.providers.anthropic import ANTHROPIC
from tests import replies
from tests.config.writing import endpoint, problems, with_config
from tests.serving import CHAT, KEY, Gateway
from tests.upstream import Upstream

ANSWER = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-6", "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "Hello"}], "usage": {"input_tokens": 3, "output_tokens": 2},
}  # fmt: skip


def headers(directory: Path, config: str) -> dict[str, str]:
    found = endpoint(directory, config, "anthropic")
    return dict(found.provider.authorize(found.settings, Call(found.url, {}, b"")).headers)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("{anthropic_api_key: k}", {"anthropic-version": "2023-06-01"}),
        ("{anthropic_api_key: k, anthropic_version: '2026-10-21'}", {"anthropic-version": "2026-10-21"}),
        (
            "{anthropic_api_key: k, anthropic_beta: 'a-1,b-2'}",
            {"anthropic-version": "2023-06-01", "anthropic-beta": "a-1,b-2"},
        ),
    ],
)
def test_a_call_carries_key_version_and_betas(tmp_path: Path, config: str, expected: dict[str, str]) -> None:
    assert headers(tmp_path, config) == {"x-api-key": "k", **expected}


@pytest.mark.parametrize(
    ("more", "base"),
    [
        ("", "https://api.anthropic.com/v1"),
        (", anthropic_api_base: 'http://h/v1/'", "http://h/v1"),
        (", api_base: 'http://h/claude/v1'", "http://h/claude/v1"),
        (", api_base: 'http://a/v1', anthropic_api_base: 'http://b/v1'", "http://a/v1"),
    ],
)
def test_a_call_goes_below_the_base(tmp_path: Path, more: str, base: str) -> None:
    found = endpoint(tmp_path, f"{{anthropic_api_key: k{more}}}", "anthropic")
    assert (found.url, found.stream_url) == (f"{base}/messages", f"{base}/messages")


def test_completions_go_through_chat_and_embeddings_are_none(tmp_path: Path) -> None:
    assert set(ANTHROPIC.translators) == {"llm/v1/chat", "llm/v1/completions"}
    text = with_config("{anthropic_api_key: k}", "anthropic")
    (told,) = problems(tmp_path, text.replace("llm/v1/chat", "llm/v1/embeddings"))
    assert "provider 'anthropic' has no llm/v1/embeddings; it has llm/v1/chat, llm/v1/completions" in told


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{}", "the key 'anthropic_api_key' is missing or empty"),
        ("{anthropic_api_key: k, anthropic_version: 2023-06-01}", "should be a string, not a date: put it into quotes"),
        ('{anthropic_api_key: k, anthropic_beta: "a\\nb"}', "should hold printable ASCII characters only"),
        ("{anthropic_api_key: k, anthropic_key: k}", "unknown key 'anthropic_key'; did you mean 'anthropic_api_key'?"),
        ("{anthropic_api_key: k, api_base: 'ftp://h'}", "should be an http:// or https:// URL"),
    ],
)
def test_what_is_wrong_with_the_settings_is_told(tmp_path: Path, config: str, words: str) -> None:
    (told,) = problems(tmp_path, with_config(config, "anthropic"))
    assert words in told


def test_an_endpoint_has_to_name_its_model(tmp_path: Path) -> None:
    text = with_config("{anthropic_api_key: k}", "anthropic").replace("name: gpt-4o-mini, ", "")
    (told,) = problems(tmp_path, text)
    assert told.endswith("endpoints[0].model: the key 'name' is missing")


def test_a_chat_reaches_anthropic_and_comes_back(upstream: Upstream, gateway: Gateway) -> None:
    upstream.replies = replies.json_reply(ANSWER)
    config = {"anthropic_api_key": KEY, "anthropic_api_base": upstream.api_base, "anthropic_beta": "b-1"}
    model = {"provider": "anthropic", "name": "claude-opus-4-6", "config": config}
    client = gateway({"name": "chat", "endpoint_type": "llm/v1/chat", "model": model})
    answer = client.post("/gateway/chat/invocations", json={**CHAT, "temperature": 1.5})
    assert answer.headers["X-Gateway-Adjusted"] == "temperature"
    assert answer.json["choices"][0]["message"]["content"] == "Hello"
    (request,) = upstream.wait_for_requests(1)
    assert request.target == "/v1/messages"
    sent = {name: request.headers[name] for name in ("x-api-key", "anthropic-version", "anthropic-beta")}
    assert sent == {"x-api-key": KEY, "anthropic-version": "2023-06-01", "anthropic-beta": "b-1"}
    assert "authorization" not in request.headers
    assert (request.json["model"], request.json["temperature"]) == ("claude-opus-4-6", 1)


@pytest.mark.parametrize(("version", "sent"), [("2023-06-01", 0.5), ("2026-10-21", None)])
def test_sampling_is_said_to_the_version_of_the_api_that_takes_it(
    upstream: Upstream, gateway: Gateway, version: str, sent: float | None
) -> None:
    upstream.replies = replies.json_reply(ANSWER)
    config = {"anthropic_api_key": KEY, "api_base": upstream.api_base, "anthropic_version": version}
    model = {"provider": "anthropic", "name": "claude-sonnet-4-5", "config": config}
    for kind, said in (("chat", CHAT), ("completions", {"prompt": "hi"})):
        client = gateway({"name": kind, "endpoint_type": f"llm/v1/{kind}", "model": model})
        answer = client.post(f"/gateway/{kind}/invocations", json={**said, "temperature": 0.5})
        assert answer.headers.get("X-Gateway-Adjusted") == (None if sent else "temperature")
        assert upstream.requests[-1].headers["anthropic-version"] == version
        assert upstream.requests[-1].json.get("temperature") == sent
