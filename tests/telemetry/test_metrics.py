"""The metrics of one process; tests/test_server.py has those of several."""

from __future__ import annotations

import re

import pytest

from tests.serving import CHAT, STREAM, Gateway, endpoint
from tests.upstream import USAGE, Upstream, chat_chunks, chat_completion, error, json_reply, sse_reply

URL = "/gateway/{}/invocations"


def metric(exposition: str, name: str, **labels: str) -> float:
    """The sum of a metric's samples that have these labels."""
    total = 0.0
    for line in exposition.splitlines():
        match = re.fullmatch(r"([a-z_]+)(?:\{(.*)\})? (\S+)", line)
        if match and match[1] == name and all(f'{key}="{value}"' in (match[2] or "") for key, value in labels.items()):
            total += float(match[3])
    return total


def test_an_invocation_is_counted_under_opentelemetrys_names(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(endpoint(upstream, "metered"))
    client.post(URL.format("metered"), json=CHAT)
    upstream.replies = sse_reply([b"data: x\n\n", *chat_chunks(["a"], USAGE)])
    client.post(URL.format("metered"), json=STREAM)
    said = client.get("/metrics").text
    labels = {
        "endpoint": "metered",
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "openai-compatible",
        "gen_ai_request_model": "gpt-4o-mini",
    }
    assert metric(said, "gen_ai_client_operation_duration_seconds_count", **labels, error_type="") == 2
    assert metric(said, "gen_ai_client_operation_time_to_first_chunk_seconds_count", **labels) == 1
    assert metric(said, "gen_ai_client_token_usage_sum", **labels, gen_ai_token_type="input") == 18
    assert metric(said, "gen_ai_client_token_usage_sum", **labels, gen_ai_token_type="output") == 24
    assert metric(said, "weir_requests_total", endpoint="metered", status="200") == 2
    assert metric(said, "weir_stream_events_dropped_total", endpoint="metered") == 1


def test_attempts_that_failed_are_counted_apart_from_answers(gateway: Gateway, upstream: Upstream) -> None:
    counted = {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}
    begun = [{**chat_chunks(["a"])[0], "usage": counted}]
    upstream.replies = [
        json_reply(error("x"), 503), sse_reply(begun, done=False), sse_reply(chat_chunks(["a", "b"], USAGE)),
    ]  # fmt: skip
    client = gateway(endpoint(upstream, "failing", provider="openai", retries={"backoff": 0.001}))
    client.post(URL.format("failing"), json=STREAM)
    said = client.get("/metrics").text
    assert metric(said, "weir_failed_attempts_total", endpoint="failing", error_type="provider_503") == 1
    assert metric(said, "weir_failed_attempts_total", endpoint="failing", error_type="upstream_cut") == 1
    assert metric(said, "weir_failed_attempt_tokens_total", endpoint="failing", gen_ai_token_type="output") == 1
    assert metric(said, "gen_ai_client_token_usage_sum", endpoint="failing", gen_ai_token_type="output") == 12
    assert metric(said, "weir_resumed_streams_total", endpoint="failing", outcome="resumed") == 1
    assert metric(said, "weir_requests_total", endpoint="failing", status="200") == 1


def test_a_breakers_state_is_a_gauge(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = [json_reply(error("x"), 503), json_reply(error("x"), 503), json_reply(chat_completion())]
    client = gateway(endpoint(upstream, "breaking", breaker={"failures": 2}))
    states = []
    for _ in range(3):
        client.post(URL.format("breaking"), json=CHAT)
        states.append(metric(client.get("/metrics").text, "weir_breaker_state", endpoint="breaking"))
    assert states == [0, 2, 0]


def test_no_label_is_chosen_by_a_client_or_a_provider(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = json_reply(error("x", "odd-type", "odd-code"), 418)
    client = gateway(endpoint(upstream, "labelled"))
    client.post(URL.format("labelled"), json=CHAT)
    client.post(URL.format("odd-name"), json=CHAT)
    said = client.get("/metrics").text
    assert "odd-" not in said
    assert (
        metric(said, "gen_ai_client_operation_duration_seconds_count", endpoint="labelled", error_type="provider_418")
        == 1
    )


def test_server_timing_tells_the_gateways_share_and_the_providers(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(endpoint(upstream))
    for said in (CHAT, {"messages": []}):
        timing = client.post(URL.format("chat"), json=said).headers["Server-Timing"]
        match = re.fullmatch(r"gateway;dur=(\d+\.\d+), upstream;dur=(\d+\.\d+)", timing)
        assert match, timing
        assert (float(match[2]) > 0) is (said is CHAT)


@pytest.mark.parametrize(
    "usage", [None, 7, [], {}, {"prompt_tokens": "many", "completion_tokens": -1}, {"prompt_tokens": True}]
)
def test_a_usage_that_is_none_is_passed_over(gateway: Gateway, upstream: Upstream, usage: object) -> None:
    upstream.replies = json_reply(chat_completion(usage=usage))
    client = gateway(endpoint(upstream, "odd_usage", provider="openai"))
    assert client.post(URL.format("odd_usage"), json=CHAT).get_json()["usage"] == usage
    assert metric(client.get("/metrics").text, "gen_ai_client_token_usage_count", endpoint="odd_usage") == 0
