"""Streams of providers with a format of their own, through the whole gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.serving import KEY, Gateway, events, text
from tests.translating import ASKED, ON_GATEWAY, ON_V1, STREAM, claude, of
from tests.upstream import Reply, Upstream, chunk, sse_reply

Told = Callable[[], list[dict[str, Any]]]


@pytest.mark.parametrize("asks", [True, False])
def test_a_stream_says_what_the_provider_says_and_usage_if_it_is_asked(
    gateway: Gateway, upstream: Upstream, told: Told, asks: bool
) -> None:
    upstream.replies = sse_reply(STREAM, done=False)
    more = {"stream_options": {"include_usage": True}} if asks else {}
    answer = gateway(claude(upstream)).post(ON_V1, json={**ASKED, "model": "it", "stream": True, "seed": 1, **more})
    assert answer.headers["X-Gateway-Adjusted"] == "seed"
    *chunks, done = events(answer.data)
    assert (text(chunks), done) == ("Grüße", "[DONE]")
    assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
    assert len({(said["id"], said["model"], said["created"]) for said in chunks}) == 1
    counted = [said["usage"]["total_tokens"] for said in chunks if said.get("usage")]
    assert counted == ([19] if asks else [])
    assert upstream.requests[0].json["stream"] is True
    (line,) = told()
    assert (line["input_tokens"], line["output_tokens"]) == (12, 7)


def test_an_error_amid_a_stream_comes_after_what_was_said(gateway: Gateway, upstream: Upstream) -> None:
    failure = {"type": "error", "error": {"type": "overloaded_error", "message": f"Overloaded, {KEY}"}}
    upstream.replies = sse_reply([*STREAM[:4], failure], done=False)
    answer = gateway(claude(upstream)).post(ON_V1, json={**ASKED, "model": "it", "stream": True})
    said = events(answer.data)
    assert answer.status_code == 200
    assert text(said) == "Grü"
    errors = [event["error"] for event in said if isinstance(event, dict) and "error" in event]
    assert [(error["type"], KEY in error["message"]) for error in errors] == [("overloaded_error", False)]
    assert not any(choice["finish_reason"] for event in said[:-1] for choice in event.get("choices", ()))


def test_an_error_before_a_stream_is_a_status(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = sse_reply([{"type": "error", "error": {"type": "overloaded_error", "message": "Busy"}}], False)
    answer = gateway(claude(upstream)).post(ON_V1, json={**ASKED, "model": "it", "stream": True})
    assert (answer.status_code, answer.json["error"]["message"]) == (503, "Busy")


def test_a_stream_that_breaks_off_ends_with_an_error(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = sse_reply(STREAM[:5], done=False)
    answer = gateway(claude(upstream)).post(ON_V1, json={**ASKED, "model": "it", "stream": True})
    codes = [event["error"]["code"] for event in events(answer.data) if isinstance(event, dict) and "error" in event]
    assert codes == ["upstream_cut"]


def test_a_model_server_that_does_not_stream_says_so_before_any_call(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(of("mlflow-model-serving", upstream, "m"))
    answer = client.post(ON_GATEWAY, json={**ASKED, "stream": True})
    assert (answer.status_code, answer.json["detail"][0]["loc"]) == (422, ["body", "stream"])
    assert upstream.requests == []


def test_bedrocks_binary_stream_becomes_openais(gateway: Gateway, upstream: Upstream) -> None:
    pytest.importorskip("botocore", reason="needs the extra: pip install 'weir[bedrock]'")
    from tests.dialects.event_stream import event

    said = [
        event("messageStart", {"role": "assistant"}),
        event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Grüße"}}),
        event("messageStop", {"stopReason": "end_turn"}),
        event("metadata", {"usage": {"inputTokens": 2, "outputTokens": 3, "totalTokens": 5}, "metrics": {}}),
    ]
    data = b"".join(said)
    steps = tuple(chunk(data[at : at + 11]) for at in range(0, len(data), 11))
    headers = {"Content-Type": "application/vnd.amazon.eventstream", "Transfer-Encoding": "chunked"}
    upstream.replies = Reply(200, headers, (*steps, chunk(b"")))
    client = gateway(of("bedrock", upstream, "amazon.nova-lite-v1:0"))
    answer = client.post(ON_GATEWAY, json={**ASKED, "stream": True, "stream_options": {"include_usage": True}})
    *chunks, done = events(answer.data)
    assert (text(chunks), done, chunks[-1]["usage"]["total_tokens"]) == ("Grüße", "[DONE]", 5)
    (asked,) = upstream.requests
    assert asked.target == "/model/amazon.nova-lite-v1%3A0/converse-stream"
    assert asked.headers["authorization"] == f"Bearer {KEY}"
