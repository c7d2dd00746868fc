"""Google's AI Studio: where a call goes, what it carries, and how its errors are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from app.call import Call
from app.dialects import gemini
from app.errors import InvalidPayload
from app.providers.gemini import GEMINI
from tests import replies
from tests.config.writing import endpoint, problems, read, with_config
from tests.serving import CHAT, KEY, Gateway
from tests.upstream import Upstream

BASE = "https://generativelanguage.googleapis.com/v1beta"
ANSWER = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Hello"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 1, "totalTokenCount": 4},
    "modelVersion": "gemini-2.5-flash",
}


@pytest.mark.parametrize(
    ("more", "base"),
    [("", BASE), (", api_base: 'http://h/v1/'", "http://h/v1"), (", api_base: 'http://h/a/v1'", "http://h/a/v1")],
)
def test_a_call_goes_to_the_models_path_below_the_base(tmp_path: Path, more: str, base: str) -> None:
    found = endpoint(tmp_path, f"{{gemini_api_key: k{more}}}", "gemini")
    assert found.url == f"{base}/models/gpt-4o-mini:generateContent"
    assert found.stream_url == f"{base}/models/gpt-4o-mini:streamGenerateContent?alt=sse"


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "models/gemini-2.5-flash"])
@pytest.mark.parametrize(
    ("kind", "method"),
    [("chat", "generateContent"), ("completions", "generateContent"), ("embeddings", "batchEmbedContents")],
)
def test_each_endpoint_type_has_its_method(tmp_path: Path, model: str, kind: str, method: str) -> None:
    text = with_config("{gemini_api_key: k}", "gemini").replace("gpt-4o-mini", model)
    found = read(tmp_path, text.replace("llm/v1/chat", f"llm/v1/{kind}")).endpoints["chat"]
    assert found.url == f"{BASE}/models/gemini-2.5-flash:{method}"


def test_the_key_stands_in_a_header_and_in_no_address(tmp_path: Path) -> None:
    found = endpoint(tmp_path, "{gemini_api_key: k-1}", "gemini")
    call = found.provider.authorize(found.settings, Call(found.url, {"Accept": "a"}, b""))
    assert dict(call.headers) == {"Accept": "a", "x-goog-api-key": "k-1"}
    assert "k-1" not in call.url


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("{}", "the key 'gemini_api_key' is missing or empty"),
        ("{gemini_api_key: k, gemini_api_base: 'http://h'}", "unknown key 'gemini_api_base'; did you mean"),
        ("{gemini_api_key: k, api_base: h}", "should be an http:// or https:// URL"),
    ],
)
def test_what_is_wrong_with_the_settings_is_told(tmp_path: Path, config: str, words: str) -> None:
    (told,) = problems(tmp_path, with_config(config, "gemini"))
    assert words in told


def test_googles_status_is_the_code_and_its_delay_the_retry_after() -> None:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "47.2s"}
    error = {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [retry]}
    said = GEMINI.refusal({}, orjson.dumps({"error": error}))
    assert (said.message, said.code, said.retry_after) == ("quota", "RESOURCE_EXHAUSTED", "48")


def test_a_chat_reaches_gemini_and_comes_back(upstream: Upstream, gateway: Gateway) -> None:
    upstream.replies = replies.json_reply(ANSWER)
    config = {"gemini_api_key": KEY, "api_base": f"{upstream.url}/v1beta"}
    model = {"provider": "gemini", "name": "gemini-2.5-flash", "config": config}
    client = gateway({"name": "chat", "endpoint_type": "llm/v1/chat", "model": model})
    answer = client.post("/gateway/chat/invocations", json=CHAT)
    assert answer.json["choices"][0]["message"]["content"] == "Hello"
    assert answer.json["usage"]["total_tokens"] == 4
    (request,) = upstream.wait_for_requests(1)
    assert request.target == "/v1beta/models/gemini-2.5-flash:generateContent"
    assert request.headers["x-goog-api-key"] == KEY
    assert "model" not in request.json


def test_a_refusal_in_a_streams_first_event_says_when_to_come_back(upstream: Upstream, gateway: Gateway) -> None:
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "47.2s"}
    error = {"code": 429, "message": "quota", "status": "RESOURCE_EXHAUSTED", "details": [retry]}
    upstream.replies = replies.sse_reply([{"error": error}], done=False)
    config = {"gemini_api_key": KEY, "api_base": f"{upstream.url}/v1beta"}
    model = {"provider": "gemini", "name": "gemini-2.5-flash", "config": config}
    client = gateway({"name": "chat", "endpoint_type": "llm/v1/chat", "model": model})
    answer = client.post("/gateway/chat/invocations", json={**CHAT, "stream": True})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "48")
    assert answer.json["error"]["code"] == "RESOURCE_EXHAUSTED"


CALLS = [
    {"functionCall": {"name": "tide_at", "args": {"place": "Husum"}}, "thoughtSignature": "c2ln"},
    {"functionCall": {"name": "tide_at", "args": {"place": "Husum"}}},
]


def test_a_signature_survives_a_client_that_brings_back_the_tool_calls_alone() -> None:
    """Some build the assistant's message anew, of the calls as they came: Google's own place for it is in a call."""
    chat = gemini.CHAT
    assert chat.response is not None
    said = chat.response({"candidates": [{"content": {"parts": [{"text": "Wait."}, *CALLS]}, "finishReason": "STOP"}]})
    calls = said["choices"][0]["message"]["tool_calls"]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": "3 m"} for call in calls]
    history = [{"role": "user", "content": "Tide?"}, {"role": "assistant", "tool_calls": calls}, *results]
    _, turn, answered = chat.request("gemini-3-flash", {"messages": history}).json["contents"]
    assert [part.get("thoughtSignature") for part in turn["parts"]] == ["c2ln", None]
    ids = [part["functionCall"]["id"] for part in turn["parts"]]
    assert [part["functionResponse"]["id"] for part in answered["parts"]] == ids
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}}, "audio"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
    ],
)
def test_what_changes_the_answer_and_has_no_counterpart_is_refused(more: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        gemini.CHAT.request("gemini-2.5-flash", {**CHAT, **more})
    assert caught.value.param == place


@pytest.mark.parametrize(
    ("model", "effort", "level", "adjusted"),
    [
        ("gemini-3-flash-preview", "minimal", "minimal", ()),
        ("gemini-3-flash-preview", "none", "minimal", ("reasoning_effort",)),
        ("gemini-3.1-pro-preview", "minimal", "low", ("reasoning_effort",)),
        ("gemini-3.7-flash", "minimal", "low", ("reasoning_effort",)),
        ("gemini-3.7-flash", "none", "low", ("reasoning_effort",)),
        ("gemini-3.7-flash", "low", "low", ()),
    ],
)
def test_the_least_level_of_thought_is_asked_of_those_who_know_it(
    model: str, effort: str, level: str, adjusted: tuple[str, ...]
) -> None:
    body = GEMINI.translators["llm/v1/chat"].request(model, {"messages": [], "reasoning_effort": effort})
    assert (body.json["generationConfig"]["thinkingConfig"]["thinkingLevel"], body.adjusted) == (level, adjusted)
