"""What the provider is sent, and what of its answer the client gets: all of it, but for what is said here."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.serving import CHAT, KEY, Gateway, endpoint, three
from tests.upstream import (
    Hang,
    Reply,
    Upstream,
    chat_completion,
    closed_port,
    completion,
    embeddings,
    error,
    json_reply,
    raw_reply,
)

Told = Callable[[], list[dict[str, Any]]]

ON_GATEWAY = "/gateway/chat/invocations"
ON_V1 = "/v1/chat/completions"

RICH: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Be brief.", "name": "operator", "cache_control": {"type": "ephemeral"}},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": 'Grüße, 世界 😀 \u2028 \\ " \x7f'},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "file", "file": {"file_id": "f-1"}},
            ],
        },
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1.0}'}}],
            "refusal": None,
        },
        {"role": "tool", "tool_call_id": "c1", "content": "7"},
    ],
    "tools": [
        {
            "type": "function",
            "function": {
                "name": "f",
                "strict": True,
                "parameters": {
                    "type": "object",
                    "$defs": {
                        "p": {"type": "object", "properties": {"x": {"anyOf": [{"type": "null"}, {"enum": [1, None]}]}}}
                    },
                    "properties": {
                        "a": {"$ref": "#/$defs/p"},
                        "b": {"type": "array", "items": {"type": "object", "additionalProperties": {}}},
                    },
                },
            },
        }
    ],
    "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
    "stop": "x",
    "temperature": 0.1,
    "seed": 9223372036854775807,
    "logit_bias": {"50256": -100},
    "metadata": {"large": 18446744073709551615, "small": -9223372036854775808, "tiny": 5e-324, "e": 1e20, "none": None},
    "user": None,
    "something_new": [[], {}, "", 0, False],
}


@pytest.mark.parametrize("url", [ON_GATEWAY, "/endpoints/chat/invocations", ON_V1])
def test_the_provider_reads_what_the_client_said_but_for_the_model(
    gateway: Gateway, upstream: Upstream, url: str
) -> None:
    named = {"model": "chat"} if url == ON_V1 else {}
    assert gateway(endpoint(upstream, provider="openai")).post(url, json={**RICH, **named}).status_code == 200
    assert upstream.requests[0].json == {**RICH, "model": "gpt-4o-mini"}
    assert b"0.1" in upstream.requests[0].body


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "1" * 39])
def test_an_integer_that_cannot_be_held_is_refused_by_name(gateway: Gateway, upstream: Upstream, number: str) -> None:
    client = gateway(endpoint(upstream))
    said = '{%s"messages": [{"role": "user", "content": "x"}], "metadata": {"deep": [' + number + "]}}"
    for url, named, status in ((ON_GATEWAY, "", 422), (ON_V1, '"model": "chat", ', 400)):
        response = client.post(url, data=said % named, content_type="application/json")
        assert response.status_code == status
        assert number[:20] in response.get_json()["error"]["message"]
    assert not upstream.requests


ANSWER = json.dumps(
    chat_completion(
        choices=[
            {
                "index": 0,
                "message": {"role": "assistant", "content": "provider", "reasoning_content": "hm"},
                "logprobs": {"content": [{"token": "Hi", "logprob": -0.1, "top_logprobs": []}]},
                "finish_reason": "stop",
            }
        ],
        created=1700000000123456789,
        unknown={"b": 1.0, "a": None},
    ),
    indent=1,
).encode()


def bytes_reply(body: bytes) -> Reply:
    return Reply(200, {"Content-Type": "application/json", "Content-Length": str(len(body))}, (body,))


def test_on_v1_the_answers_bytes_pass(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = bytes_reply(ANSWER)
    assert gateway(endpoint(upstream)).post(ON_V1, json={**CHAT, "model": "chat"}).data == ANSWER


def test_on_gateway_a_chats_answer_names_its_provider_and_is_else_unchanged(
    gateway: Gateway, upstream: Upstream
) -> None:
    upstream.replies = bytes_reply(ANSWER + b"\n")
    response = gateway(endpoint(upstream)).post(ON_GATEWAY, json=CHAT)
    assert response.get_json() == {**json.loads(ANSWER), "provider": "openai-compatible"}
    assert response.data.startswith(ANSWER[:-2])
    assert response.content_type == "application/json"


def test_a_provider_that_names_itself_is_left_as_it_is(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = json_reply(chat_completion(provider="DeepInfra"))
    assert gateway(endpoint(upstream)).post(ON_GATEWAY, json=CHAT).get_json()["provider"] == "DeepInfra"


@pytest.mark.parametrize("body", [b"{}", b" { } "])
def test_an_empty_object_names_its_provider_too(gateway: Gateway, upstream: Upstream, body: bytes) -> None:
    upstream.replies = bytes_reply(body)
    client = gateway(endpoint(upstream, provider="openai"))
    assert client.post(ON_GATEWAY, json=CHAT).get_json() == {"provider": "openai"}


def test_completions_and_embeddings_pass_as_they_are(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(*three(upstream))
    for name, said, answer in (
        ("completions", {"prompt": ["a", "b"]}, completion()),
        ("embeddings", {"input": [[1, 2]], "encoding_format": "base64"}, embeddings("AACAPw==")),
    ):
        upstream.replies = json_reply(answer)
        assert client.post(f"/gateway/{name}/invocations", json=said).get_json() == answer
        assert client.post(f"/v1/{name}", json={**said, "model": name}).get_json() == answer
        assert upstream.requests[-1].target == f"/v1/{name}"
        assert upstream.requests[-1].json == {**said, "model": "gpt-4o-mini"}


def test_nothing_of_the_clients_headers_reaches_the_provider(gateway: Gateway, upstream: Upstream) -> None:
    headers = {"Authorization": "Bearer client", "Cookie": "a=b", "X-Forwarded-For": "1.2.3.4", "X-Secret": "s"}
    gateway(endpoint(upstream)).post(ON_GATEWAY, json=CHAT, headers=headers)
    seen = upstream.requests[0].headers
    assert seen["authorization"] == f"Bearer {KEY}"
    assert not {"cookie", "x-forwarded-for", "x-secret"} & set(seen)


def test_the_providers_limits_and_times_pass_and_its_other_headers_do_not(gateway: Gateway, upstream: Upstream) -> None:
    passed = {"x-ratelimit-remaining-tokens": "7", "openai-processing-ms": "12", "retry-after": "3"}
    kept = {"set-cookie": "a=b", "openai-organization": "org-1", "server": "secret", "x-ratelimit-odd": "\x80"}
    upstream.replies = json_reply(chat_completion(), headers={**passed, **kept})
    response = gateway(endpoint(upstream)).post(ON_GATEWAY, json=CHAT)
    assert {name: response.headers.get(name) for name in passed} == passed
    assert not any(name in response.headers for name in kept)


def test_connections_to_the_provider_are_kept(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(endpoint(upstream))
    for _ in range(5):
        client.post(ON_GATEWAY, json=CHAT)
    assert upstream.connections == 1


# ---- errors


def test_a_providers_error_keeps_its_status_words_and_fields(gateway: Gateway, upstream: Upstream) -> None:
    said = {
        "message": "too long",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "context_length_exceeded",
    }
    upstream.replies = json_reply({"error": {**said, "limit": 8192}}, 400)
    client = gateway(endpoint(upstream))
    assert client.post(ON_V1, json={**CHAT, "model": "chat"}).get_json() == {"error": {**said, "limit": 8192}}
    response = client.post(ON_GATEWAY, json=CHAT)
    assert response.get_json() == {"detail": "too long", "error": {**said, "limit": 8192}}
    assert response.headers["X-Gateway-Error-Source"] == "provider"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": "a string"}', "a string"),
        (b'{"detail": "told so"}', "told so"),
        (b'{"message": "m", "code": 7}', "m"),
        (b"plain words", "plain words"),
        (b"", "the provider gave no reason"),
    ],
)
def test_errors_in_other_shapes_keep_their_words(gateway: Gateway, upstream: Upstream, body: bytes, words: str) -> None:
    upstream.replies = Reply(404, {"Content-Type": "text/plain", "Content-Length": str(len(body))}, (body,))
    response = gateway(endpoint(upstream)).post(ON_GATEWAY, json=CHAT)
    assert (response.status_code, response.get_json()["detail"]) == (404, words)


def test_retry_after_passes_and_is_made_where_the_provider_names_none(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = [json_reply(error("slow"), 429, {"Retry-After": "17"}), json_reply(error("slow"), 503)]
    client = gateway(endpoint(upstream))
    assert client.post(ON_GATEWAY, json=CHAT).headers["Retry-After"] == "17"
    assert client.post(ON_GATEWAY, json=CHAT).headers["Retry-After"] == "1"


def test_an_overloaded_529_is_a_503(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = json_reply(error("overloaded"), 529)
    assert gateway(endpoint(upstream)).post(ON_GATEWAY, json=CHAT).status_code == 503


@pytest.mark.parametrize(
    "reply",
    [
        json_reply([1, 2]),
        raw_reply(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{not json"),
        raw_reply(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n"),
        raw_reply(b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\n{}"),
        raw_reply(b"HTTP/1.1 204 No Content\r\n\r\n"),
        raw_reply(b"no HTTP at all\r\n\r\n"),
    ],
)
def test_an_answer_that_is_none_is_a_bad_gateway(gateway: Gateway, upstream: Upstream, reply: Reply) -> None:
    upstream.replies = reply
    response = gateway(endpoint(upstream)).post(ON_GATEWAY, json=CHAT)
    assert response.status_code == 502
    assert response.get_json()["error"]["code"].startswith("upstream_")
    assert response.headers["X-Gateway-Error-Source"] == "gateway"


def test_an_answer_that_is_cut_is_a_bad_gateway(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = raw_reply(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"choices": []}')
    response = gateway(endpoint(upstream)).post(ON_GATEWAY, json=CHAT)
    assert (response.status_code, response.get_json()["error"]["code"]) == (502, "upstream_cut")


def test_a_provider_that_is_not_there_is_a_bad_gateway(gateway: Gateway) -> None:
    response = gateway(endpoint(f"http://127.0.0.1:{closed_port()}")).post(ON_GATEWAY, json=CHAT)
    assert (response.status_code, response.get_json()["error"]["code"]) == (502, "upstream_unreachable")


def test_a_silent_provider_is_a_gateway_timeout(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = raw_reply(Hang())
    response = gateway(endpoint(upstream, timeouts={"total": 0.1})).post(ON_GATEWAY, json=CHAT)
    assert (response.status_code, response.get_json()["error"]["code"]) == (504, "upstream_timeout")


# ---- what must never be seen


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("stream", [False, True])
def test_a_provider_that_repeats_our_key_tells_it_to_nobody(
    gateway: Gateway, upstream: Upstream, capfd: pytest.CaptureFixture[str], status: int, stream: bool
) -> None:
    repeated = {"message": f"bad key {KEY}", "type": KEY, "param": KEY, "code": KEY, "more": [{"key": KEY}]}
    upstream.replies = json_reply({"error": repeated}, status, {"x-request-id": KEY})
    response = gateway(endpoint(upstream)).post(ON_GATEWAY, json={**CHAT, "stream": stream})
    assert response.status_code >= 400
    assert KEY not in response.get_data(as_text=True) + str(response.headers)
    assert KEY not in "".join(capfd.readouterr())


def test_what_is_left_of_a_key_in_a_refusal_of_it_is_taken_out(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = json_reply(error("Incorrect API key provided: sk-pr**************3f9a. Find yours"), 401)
    response = gateway(endpoint(upstream)).post(ON_V1, json={**CHAT, "model": "chat"})
    assert response.status_code == 401
    assert "3f9a" not in response.text
    assert "endpoint 'chat'" in response.get_json()["error"]["message"]


def test_openai_does_not_get_what_other_providers_put_into_the_conversation(
    gateway: Gateway, upstream: Upstream
) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    foreign = {"provider_fields": {"anthropic": {"content": []}}}
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": None, "tool_calls": [{**call, "extra_content": {"google": {}}}], **foreign},
        {"role": "tool", "tool_call_id": "c1", "content": "7"},
        {"role": "assistant", "content": "Seven.", **foreign},
    ]
    gateway(endpoint(upstream, provider="openai")).post(ON_GATEWAY, json={"messages": messages})
    assert upstream.requests[0].json["messages"] == [
        messages[0],
        {"role": "assistant", "content": None, "tool_calls": [call]},
        messages[2],
        {"role": "assistant", "content": "Seven."},
    ]
