"""Providers with a format of their own, through the whole gateway: what they are sent, and what the client gets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.serving import KEY, Gateway
from tests.translating import ASKED, MESSAGE, ON_GATEWAY, ON_V1, claude, of
from tests.upstream import Upstream, json_reply

# --- whole answers


@pytest.mark.parametrize("url", [ON_GATEWAY, ON_V1])
def test_a_whole_answer_has_the_shape_of_openais(gateway: Gateway, upstream: Upstream, url: str) -> None:
    upstream.replies = json_reply(MESSAGE, headers={"anthropic-ratelimit-requests-remaining": "9"})
    payload = {**ASKED, "model": "it"} if url == ON_V1 else ASKED
    answer = gateway(claude(upstream)).post(url, json=payload)
    assert (answer.status_code, answer.headers["anthropic-ratelimit-requests-remaining"]) == (200, "9")
    said = answer.json
    assert (said["id"], said["object"], said["model"]) == ("msg_1", "chat.completion", MESSAGE["model"])
    assert isinstance(said["created"], int)
    assert said["choices"][0]["message"]["content"] == "Grüße"
    assert (said["usage"]["prompt_tokens"], said["usage"]["completion_tokens"]) == (12, 3)
    (asked,) = upstream.requests
    assert (asked.target, asked.headers["x-api-key"]) == ("/messages", KEY)
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert asked.json == {"model": MESSAGE["model"], "messages": ASKED["messages"], "max_tokens": 8192}


def test_an_answer_without_id_and_model_gets_them(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = json_reply({**MESSAGE, "id": None, "model": None})
    said = gateway(claude(upstream)).post(ON_GATEWAY, json=ASKED).json
    assert said["id"].startswith("chatcmpl-")
    assert said["model"] == MESSAGE["model"]


def test_the_client_is_told_what_the_provider_did_not_get_as_it_was_said(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = json_reply(MESSAGE)
    client = gateway(claude(upstream))
    answer = client.post(ON_GATEWAY, json={**ASKED, "temperature": 1.5, "seed": 7, "top_k": 5})
    assert answer.headers["X-Gateway-Adjusted"] == "temperature, seed"
    assert upstream.requests[0].json["temperature"] == 1
    assert "X-Gateway-Adjusted" not in client.post(ON_GATEWAY, json=ASKED).headers


def test_an_endpoint_can_refuse_what_its_provider_does_not_take(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(claude(upstream, unsupported="error"))
    answer = client.post(ON_GATEWAY, json={**ASKED, "temperature": 1.5, "seed": 7})
    assert answer.status_code == 422
    assert [problem["loc"] for problem in answer.json["detail"]] == [["body", "temperature"], ["body", "seed"]]
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("more", "loc"),
    [
        ({"n": 2}, ["n"]),
        ({"logprobs": True}, ["logprobs"]),
        ({"response_format": {"type": "json_object"}}, ["response_format", "type"]),
        ({"messages": [{"role": "wizard", "content": "a"}]}, ["messages", 0, "role"]),
        ({"messages": [{"role": "tool", "tool_call_id": "x", "content": "a"}]}, ["messages", 0, "tool_call_id"]),
        ({"messages": [{"role": "tool", "tool_call_id": ["x"], "content": "a"}]}, ["messages", 0, "tool_call_id"]),
        ({"messages": [{"role": "tool", "tool_call_id": {}, "content": "a"}]}, ["messages", 0, "tool_call_id"]),
        (
            {"messages": [{"role": "user", "content": [
                {"type": "text", "text": "a"},
                {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}},
            ]}]},
            ["messages", 0, "content", 1],
        ),
        (
            {"messages": [
                {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{"}}]}
            ]},
            ["messages", 0, "tool_calls", 0, "function", "arguments"],
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]}]},
            ["messages", 0, "tool_calls", 0, "id"],
        ),
        ({"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": {"type": []}}, ["tool_choice"]),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": [1]}}]},
            ["tools", 0, "function", "parameters"],
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_said_is_refused_with_its_place_before_any_call(
    gateway: Gateway, upstream: Upstream, more: dict[str, Any], loc: list[Any]
) -> None:
    answer = gateway(claude(upstream)).post(ON_GATEWAY, json={**ASKED, **more})
    assert answer.status_code == 422
    assert [problem["loc"] for problem in answer.json["detail"]] == [["body", *loc]]
    assert upstream.requests == []


@pytest.mark.parametrize("fields", [5, "x", [], {"anthropic": 5}, {"anthropic": {"content": [5]}}])
def test_provider_fields_that_are_not_ours_say_nothing(gateway: Gateway, upstream: Upstream, fields: Any) -> None:
    upstream.replies = json_reply(MESSAGE)
    turn = {"role": "assistant", "content": "a", "provider_fields": fields}
    answer = gateway(claude(upstream)).post(ON_GATEWAY, json={"messages": [*ASKED["messages"], turn]})
    assert answer.status_code == 200
    assert upstream.requests[0].json["messages"][1] == {"role": "assistant", "content": [{"type": "text", "text": "a"}]}


def test_an_answer_that_is_none_is_a_502_that_says_what_was_wrong(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = json_reply({**MESSAGE, "content": [{"type": "tool_use", "id": "t", "input": {}}]})
    answer = gateway(claude(upstream)).post(ON_V1, json={**ASKED, "model": "it"})
    assert (answer.status_code, answer.json["error"]["code"]) == (502, "upstream_garbled")
    assert "Anthropic's answer is not what its format says" in answer.json["error"]["message"]
    assert answer.headers["X-Gateway-Error-Source"] == "gateway"


# --- errors


def test_a_refused_key_is_said_to_be_the_gateways(gateway: Gateway, upstream: Upstream) -> None:
    error = {"type": "authentication_error", "message": f"invalid x-api-key {KEY}"}
    upstream.replies = json_reply({"type": "error", "error": error}, 401)
    answer = gateway(claude(upstream)).post(ON_V1, json={**ASKED, "model": "it"})
    assert answer.status_code == 401
    said = answer.json["error"]
    assert said["message"].startswith("anthropic refused the gateway's credentials for endpoint 'it'")
    assert (said["code"], KEY in answer.text) == ("upstream_auth", False)
    assert answer.headers["X-Gateway-Error-Source"] == "provider"


def test_an_overload_is_a_status_that_every_client_knows(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = json_reply({"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}, 529)
    answer = gateway(claude(upstream)).post(ON_V1, json={**ASKED, "model": "it"})
    assert (answer.status_code, answer.json["error"]["message"]) == (503, "Busy")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.parametrize("streams", [True, False])
def test_googles_word_on_when_to_come_back_becomes_a_header(
    gateway: Gateway, upstream: Upstream, streams: bool
) -> None:
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "47.25s"}
    error = {"code": 429, "message": "Quota", "status": "RESOURCE_EXHAUSTED", "details": [info]}
    upstream.replies = json_reply({"error": error}, 429)
    client = gateway(of("gemini", upstream, "gemini-2.5-flash"))
    answer = client.post(ON_V1, json={**ASKED, "model": "it", "stream": streams})
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "48")
    assert answer.json["error"]["code"] == "RESOURCE_EXHAUSTED"
    method = "streamGenerateContent?alt=sse" if streams else "generateContent"
    assert upstream.requests[0].target == f"/models/gemini-2.5-flash:{method}"
