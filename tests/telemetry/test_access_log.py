"""The access log: one line per invocation, with these keys, and never a word that was said."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from tests.serving import CHAT, KEY, PROMPT, STREAM, Gateway, endpoint
from tests.upstream import (
    USAGE,
    Close,
    Reply,
    Upstream,
    chat_chunks,
    chat_completion,
    cut,
    error,
    json_reply,
    raw_reply,
    sse_reply,
)

Told = Callable[[], list[dict[str, Any]]]

URL = "/gateway/chat/invocations"

KEYS = {
    "time",
    "request_id",
    "name",
    "endpoint",
    "provider",
    "model",
    "status",
    "stream",
    "error",
    "attempts",
    "failed_attempts",
    "input_tokens",
    "output_tokens",
    "duration",
    "time_to_first_token",
    "upstream_duration",
    "bytes_in",
    "bytes_out",
    "dropped_events",
}


def test_a_whole_answer_is_one_line(gateway: Gateway, upstream: Upstream, told: Told) -> None:
    response = gateway(endpoint(upstream)).post(URL, json=CHAT, headers={"X-Request-ID": "r-1"})
    (line,) = told()
    assert set(line) == KEYS
    expected = {
        "request_id": "r-1",
        "name": "chat",
        "endpoint": "chat",
        "provider": "openai-compatible",
        "model": "gpt-4o-mini",
        "status": 200,
        "stream": False,
        "error": None,
        "attempts": 1,
        "failed_attempts": [],
        "input_tokens": 9,
        "output_tokens": 12,
        "time_to_first_token": None,
        "bytes_in": int(response.request.headers["Content-Length"]),
        "bytes_out": len(response.data),
        "dropped_events": 0,
    }
    assert {key: line[key] for key in expected} == expected
    assert 0 < line["upstream_duration"] <= line["duration"]


def test_a_stream_is_one_line_with_its_first_token(gateway: Gateway, upstream: Upstream, told: Told) -> None:
    upstream.replies = sse_reply(chat_chunks(["a", "b"], USAGE))
    response = gateway(endpoint(upstream)).post(URL, json=STREAM)
    (line,) = told()
    assert set(line) == KEYS
    assert (line["stream"], line["output_tokens"], line["bytes_out"]) == (True, 12, len(response.data))
    assert 0 < line["time_to_first_token"] <= line["duration"]


def test_attempts_that_failed_are_told_and_are_no_part_of_the_answer(
    gateway: Gateway, upstream: Upstream, told: Told
) -> None:
    upstream.replies = [json_reply(error("x"), 503), json_reply(chat_completion())]
    gateway(endpoint(upstream, retries={"backoff": 0.001})).post(URL, json=CHAT)
    (line,) = told()
    assert (line["status"], line["error"], line["attempts"]) == (200, None, 2)
    assert (line["input_tokens"], line["output_tokens"]) == (9, 12)
    (failed,) = line["failed_attempts"]
    assert 0 < failed.pop("duration") <= line["duration"]
    assert failed == {"endpoint": "chat", "error": "provider_503", "input_tokens": None, "output_tokens": None}


def test_tokens_of_a_stream_that_broke_off_are_told_with_it_and_not_with_the_answer(
    gateway: Gateway, upstream: Upstream, told: Told
) -> None:
    counted = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    begun = [{**chat_chunks(["a"])[0], "usage": counted}]
    upstream.replies = [sse_reply(begun, done=False), sse_reply(chat_chunks(["a", "b"], USAGE))]
    gateway(endpoint(upstream, provider="openai", retries={"backoff": 0.001})).post(URL, json=STREAM)
    (line,) = told()
    assert (line["status"], line["error"], line["attempts"], line["output_tokens"]) == (200, None, 2, 12)
    (failed,) = line["failed_attempts"]
    assert (failed["error"], failed["input_tokens"], failed["output_tokens"]) == ("upstream_cut", 9, 1)


def test_when_nobody_answers_the_first_that_was_asked_is_told_with_all_attempts(
    gateway: Gateway, upstream: Upstream, told: Told
) -> None:
    upstream.replies = [json_reply(error("x"), 503), json_reply(error("y"), 400)]
    chat, other = endpoint(upstream, fallbacks=["other"], retries={"attempts": 0}), endpoint(upstream, "other")
    gateway(chat, other).post(URL, json=CHAT)
    (line,) = told()
    assert (line["endpoint"], line["status"], line["error"], line["attempts"]) == ("chat", 503, "provider_503", 2)
    failed = [(each["endpoint"], each["error"]) for each in line["failed_attempts"]]
    assert failed == [("chat", "provider_503"), ("other", "provider_400")]


def test_a_route_is_told_by_the_name_that_was_asked_and_the_endpoint_that_answered(
    gateway: Gateway, upstream: Upstream, told: Told
) -> None:
    arms = [{"name": "chat", "traffic_percentage": 100}]
    client = gateway(endpoint(upstream), routes=[{"name": "r", "task_type": "llm/v1/chat", "destinations": arms}])
    client.post("/v1/chat/completions", json={**CHAT, "model": "r"})
    (line,) = told()
    assert (line["name"], line["endpoint"]) == ("r", "chat")


def test_a_request_that_fails_is_one_line_too(gateway: Gateway, upstream: Upstream, told: Told) -> None:
    client = gateway(endpoint(upstream))
    client.post("/gateway/nope/invocations", json=CHAT)
    client.post("/gateway/" + "x" * 5000 + "/invocations", json=CHAT)
    client.post(URL, json={})
    upstream.replies = json_reply(error("x", code="a word of the provider's"), 429)
    client.post(URL, json=CHAT)
    lines = told()
    assert [(line["status"], line["error"]) for line in lines] == [
        (404, "endpoint_not_found"),
        (404, "endpoint_not_found"),
        (422, "invalid_payload"),
        (429, "provider_429"),
    ]
    assert len(lines[1]["name"]) == 200


def test_what_is_no_invocation_is_not_told(gateway: Gateway, upstream: Upstream, told: Told) -> None:
    client = gateway(endpoint(upstream))
    for url in ("/health", "/metrics", "/v1/models", "/nope", "/api/2.0/endpoints/"):
        client.get(url)
    assert told() == []


CANARY_REPLIES: list[Reply] = [
    json_reply(chat_completion(f"you said {PROMPT}")),
    sse_reply(chat_chunks([PROMPT])),
    sse_reply(
        [*chat_chunks([PROMPT])[:2], b"data: " + PROMPT.encode() + b"\n\n", error(f"{PROMPT} {KEY}", PROMPT, KEY)],
        done=False,
    ),
    cut(sse_reply(chat_chunks([PROMPT])), 300, Close()),
    *(json_reply(error(f"{PROMPT} {KEY}", PROMPT, KEY), status) for status in (400, 401, 403, 429, 500, 529)),
    raw_reply(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{" + PROMPT.encode() + KEY.encode()),
    raw_reply(f"{KEY} {PROMPT}\r\n\r\n".encode()),
]

CANARY_BODIES: list[Any] = [
    CHAT,
    STREAM,
    {"messages": PROMPT},
    {**CHAT, "temperature": PROMPT},
    {**CHAT, "model": PROMPT},
    {PROMPT: PROMPT},
    PROMPT,
    {**CHAT, "n": 123456789012345678901234567890},
]


@pytest.mark.parametrize("reply", CANARY_REPLIES)
def test_no_log_holds_a_prompt_or_a_key(
    gateway: Gateway,
    upstream: Upstream,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    reply: Reply,
) -> None:
    upstream.replies = reply
    client = gateway(endpoint(upstream, limit={"calls": 12, "renewal_period": "hour"}))
    headers = {"Authorization": f"Bearer {KEY}", "Cookie": PROMPT, "X-Request-ID": PROMPT}
    for body in CANARY_BODIES:
        for url, more in ((URL, {}), ("/v1/chat/completions", {"model": "chat"})):
            said = {**body, **more} if isinstance(body, dict) and "model" not in body else body
            client.post(url, json=said, headers=headers)
    client.post(URL, data=PROMPT, content_type="application/json", headers=headers)
    logged = "".join(capfd.readouterr()) + caplog.text + client.get("/metrics").text
    assert '"status":' in logged
    assert PROMPT not in logged
    assert KEY not in logged


def test_a_log_that_cannot_be_written_stops_nobody(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(endpoint(upstream))
    kept = os.dup(1)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        os.dup2(full, 1)
        assert client.post(URL, json=CHAT).status_code == 200
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(full)
