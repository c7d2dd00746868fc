"""Who is asked when a provider fails before it has said anything, and what the caller is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from tests.faults.pair import DOWN, FALLBACK_WELL, PRIMARY_WELL, QUICK, Pair, nobody, post
from tests.faults.scenarios import FALLBACK_MODEL, PRIMARY_MODEL, TEXT, USAGES, healthy, refusal
from tests.serving import CHAT, endpoint
from tests.translating import of
from tests.upstream import Hang, Pause, Reset, Upstream, embeddings, held, json_reply, raw_reply, sse_reply

Told = Callable[[], list[dict[str, Any]]]

TOO_LONG = refusal(400, "maximum context length is 8192 tokens", "context_length_exceeded")
POLICY = refusal(400, "this is not allowed", "content_policy_violation")

both = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])

# ---- who is asked next


@both
def test_the_headers_say_who_answered_and_after_how_many_calls(pair: Pair, stream: bool) -> None:
    answer = post(pair.serve(), stream=stream)
    assert (answer.text, answer.models, answer.usage) == (TEXT, {FALLBACK_MODEL}, [USAGES[FALLBACK_MODEL]])
    assert (answer.endpoint, answer.attempts) == ("standby", 4)
    assert pair.asked == (3, 1)


@both
def test_a_bare_endpoint_asks_once_and_the_clients_sdk_may_ask_again(pair: Pair, stream: bool) -> None:
    answer = post(pair.alone(), stream=stream)
    assert (answer.status, answer.attempts, pair.asked) == (503, 1, (1, 0))
    assert answer.headers["retry-after"] == "1"
    assert "x-should-retry" not in answer.headers


LATER = {
    "seconds": {"Retry_After": "3600"},
    "a date": {"Retry_After": formatdate(time.time() + 3600, usegmt=True)},
    "milliseconds": {"retry_after_ms": "3600000"},
}


@both
@pytest.mark.parametrize("later", LATER)
def test_a_retry_after_of_more_than_may_be_waited_for_leads_to_the_next_target(
    pair: Pair, stream: bool, later: str
) -> None:
    pair.primary.replies = refusal(429, "in an hour", **LATER[later])
    answer = post(pair.serve(), stream=stream)
    assert (answer.endpoint, pair.asked) == ("standby", (1, 1))


def test_a_retry_after_of_more_than_may_be_waited_for_is_told_where_nobody_stands_in(pair: Pair) -> None:
    pair.primary.replies = refusal(429, "in an hour", Retry_After="3600")
    answer = post(pair.alone(retries=QUICK))
    assert (answer.status, pair.asked) == (429, (1, 0))
    assert (answer.headers["retry-after"], answer.headers["x-should-retry"]) == ("3600", "false")


def test_a_retry_after_that_may_be_waited_for_is(pair: Pair) -> None:
    pair.primary.replies = [refusal(503, "in a moment", retry_after_ms="300"), healthy(PRIMARY_MODEL, "whole")]
    answer = post(pair.serve(retries={**QUICK, "max_backoff": 1}))
    first, second = pair.primary.requests
    assert second.received - first.sent[0] >= 0.3
    assert (answer.endpoint, pair.fallback.requests) == ("chat", [])


def test_retries_add_no_more_than_their_budget_and_its_floor(pair: Pair) -> None:
    """Twenty calls that fail may be retried ten times in ten seconds, not forty; a busy machine may take longer."""
    client = pair.alone(retries=QUICK, breaker={"failures": 1000})
    for _ in range(20):
        assert post(client).status == 503
    assert 30 <= len(pair.primary.requests) <= 40


def test_a_provider_that_says_not_to_retry_is_obeyed(pair: Pair) -> None:
    pair.primary.replies = refusal(503, "do not", x_should_retry="false")
    assert post(pair.serve()).endpoint == "standby"
    assert pair.asked == (1, 1)
    alone = post(pair.alone(retries=QUICK))
    assert (alone.status, alone.attempts, alone.headers["x-should-retry"]) == (503, 1, "false")


@both
def test_where_all_have_failed_the_caller_has_the_firsts_true_error(pair: Pair, stream: bool) -> None:
    pair.primary.replies = refusal(503, "the first's own words", "overloaded", Retry_After="0.01")
    pair.fallback.replies = refusal(500, "the last one's noise", "noise", Retry_After="77")
    answer = post(pair.serve(), stream=stream)
    assert answer.error is not None
    assert (answer.status, answer.error["message"]) == (503, "the first's own words")
    assert answer.error["code"] == "overloaded"
    assert (answer.headers["x-should-retry"], answer.headers["retry-after"]) == ("false", "0.01")
    assert (answer.attempts, answer.headers["x-gateway-error-source"]) == (4, "provider")
    assert "x-gateway-endpoint" not in answer.headers


@pytest.mark.parametrize(
    ("primary", "fallback", "asked"),
    [(None, None, 1), (8192, None, 1), (None, 8192, 1), (8192, 8192, 0), (8192, 4096, 0), (8192, 8193, 1)],
)
def test_what_is_too_long_for_one_model_goes_to_the_next_unless_that_is_known_to_be_no_larger(
    pair: Pair, primary: int | None, fallback: int | None, asked: int
) -> None:
    pair.primary.replies = TOO_LONG
    sizes = [{"context": size} if size else {} for size in (primary, fallback)]
    client = pair.gateway(
        endpoint(pair.primary, fallbacks=["standby"], retries=QUICK, **sizes[0]),
        endpoint(pair.fallback, "standby", **sizes[1]),
    )
    answer = post(client)
    assert pair.asked == (1, asked)
    assert answer.status == (200 if asked else 400)
    assert asked or (answer.error and answer.error["code"] == "context_length_exceeded")


@pytest.mark.parametrize("shopped", [True, False])
def test_what_a_policy_refuses_is_asked_elsewhere_only_where_that_is_said(pair: Pair, shopped: bool) -> None:
    pair.primary.replies = POLICY
    answer = post(pair.serve(on_content_policy=shopped))
    assert (answer.status, pair.asked) == ((200, (1, 1)) if shopped else (400, (1, 0)))


@pytest.mark.parametrize(
    ("status", "asked"),
    [
        *[(status, (1, 0)) for status in (400, 413, 422)],
        *[(status, (1, 1)) for status in (401, 403, 404)],
        *[(status, (3, 1)) for status in (408, 409, 429, 500, 502, 503, 504, 529)],
    ],
)
def test_an_errors_class_says_who_is_asked(pair: Pair, status: int, asked: tuple[int, int]) -> None:
    pair.primary.replies = refusal(status, "no")
    answer = post(pair.serve())
    assert pair.asked == asked
    assert answer.status == (200 if asked[1] else status)


@both
def test_who_stands_in_gets_a_payload_of_its_own_dialect(pair: Pair, stream: bool) -> None:
    answer: dict[str, Any] = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-6", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Grüße"}], "usage": {"input_tokens": 3, "output_tokens": 2},
    }  # fmt: skip
    events = [
        {"type": "message_start", "message": {**answer, "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Grüße"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    ]
    pair.fallback.replies = sse_reply(events, done=False) if stream else json_reply(answer)
    settings = {"anthropic_api_key": "k", "anthropic_api_base": pair.fallback.api_base}
    claude = {"provider": "anthropic", "name": "claude-opus-4-6", "config": settings}
    client = pair.gateway(
        endpoint(pair.primary, fallbacks=["standby"], retries=QUICK),
        {"name": "standby", "endpoint_type": "llm/v1/chat", "model": claude},
    )
    said = post(client, stream=stream)
    assert (said.text, said.models, said.done) == ("Grüße", {"claude-opus-4-6"}, True)
    assert said.usage[-1]["completion_tokens"] == 2
    (asked,) = pair.fallback.requests
    assert asked.target == "/v1/messages" and asked.json["max_tokens"]
    assert asked.headers["x-api-key"] == "k" and "authorization" not in asked.headers


def test_a_provider_that_is_not_there_is_no_obstacle(pair: Pair) -> None:
    with nobody() as base:
        entry = endpoint(base, fallbacks=["standby"], retries=QUICK)
        answer = post(pair.gateway(entry, endpoint(pair.fallback, "standby")))
    assert (answer.text, answer.endpoint, answer.attempts) == (TEXT, "standby", 4)


def test_a_limit_of_who_stands_in_holds(pair: Pair) -> None:
    one = {"calls": 1, "renewal_period": "hour"}
    client = pair.gateway(
        endpoint(pair.primary, fallbacks=["standby"], retries=QUICK), endpoint(pair.fallback, "standby", limit=one)
    )
    assert [post(client).status for _ in range(2)] == [200, 503]
    assert len(pair.fallback.requests) == 1


def test_fallbacks_of_fallbacks_are_not_followed(pair: Pair) -> None:
    pair.fallback.replies = DOWN
    with Upstream(PRIMARY_WELL) as third:
        client = pair.gateway(
            endpoint(pair.primary, fallbacks=["standby"], retries=QUICK),
            endpoint(pair.fallback, "standby", fallbacks=["third"], retries=QUICK),
            endpoint(third, "third"),
        )
        assert post(client).status == 503
        assert not third.requests


def test_embeddings_fail_over(pair: Pair) -> None:
    pair.fallback.replies = json_reply(embeddings([0.25, 0.5]))
    client = pair.gateway(
        endpoint(pair.primary, "vectors", "embeddings", fallbacks=["standby"], retries=QUICK),
        endpoint(pair.fallback, "standby", "embeddings"),
    )
    answer = client.post("/v1/embeddings", json={"input": "this", "model": "vectors"})
    assert answer.json["data"][0]["embedding"] == [0.25, 0.5]
    assert answer.headers["X-Gateway-Endpoint"] == "standby"


def test_after_a_batch_of_embeddings_has_failed_no_more_are_sent(pair: Pair) -> None:
    pair.primary.replies = refusal(429, "slow down")
    pair.fallback.replies = json_reply(embeddings(*[[0.25, 0.5]] * 200))
    vectors = {**batching(pair), "fallbacks": ["standby"], "retries": {"attempts": 0}}
    client = pair.gateway(vectors, endpoint(pair.fallback, "standby", "embeddings"))
    answer = client.post("/v1/embeddings", json={"input": ["this"] * 200, "model": "vectors"})
    assert (len(answer.json["data"]), answer.headers["X-Gateway-Endpoint"]) == (200, "standby")
    assert pair.asked == (1, 1)


def test_all_batches_of_embeddings_share_one_total_time(pair: Pair) -> None:
    body = {"id": "e", "embeddings": {"float": [[0.5]] * 96}, "texts": [], "meta": {}}
    pair.primary.replies = held(json_reply(body), Pause(0.4))
    client = pair.gateway({**batching(pair), "timeouts": {"total": 1.0}})
    answer = client.post("/v1/embeddings", json={"input": ["this"] * 960, "model": "vectors"})
    assert (answer.status_code, answer.json["error"]["code"]) == (504, "upstream_timeout")
    assert len(pair.primary.requests) <= 3


def batching(pair: Pair) -> dict[str, Any]:
    """An endpoint of a provider that takes 96 texts at once."""
    return {**of("cohere", pair.primary, "embed-v4.0", "embeddings"), "name": "vectors"}


def test_mlflows_urls_fail_over_too(pair: Pair) -> None:
    answer = pair.serve().post("/gateway/chat/invocations", json=CHAT)
    assert answer.json["choices"][0]["message"]["content"] == TEXT
    assert answer.headers["X-Gateway-Endpoint"] == "standby"
    assert PRIMARY_MODEL not in answer.text


# ---- what is abandoned, and what is written of it


def test_an_attempt_that_is_given_up_is_hung_up_on_before_the_next_is_made(pair: Pair) -> None:
    pair.primary.replies = sse_reply([Hang()])
    left: list[bool] = []

    def answer(request: Any) -> Any:
        left.append(pair.primary.requests[0].client_left.wait(10))
        return FALLBACK_WELL(request)  # type: ignore[operator]

    pair.fallback.replies = answer
    said = post(pair.serve(timeouts={"first_token": 0.2}), stream=True)
    assert (said.endpoint, left, pair.asked) == ("standby", [True], (1, 1))


def test_the_access_log_tells_of_failures_as_failures(pair: Pair, told: Told) -> None:
    pair.primary.replies = [raw_reply(Reset()), refusal(500, "no"), refusal(429, "no")]
    post(pair.serve())
    (line,) = told()
    assert (line["name"], line["endpoint"], line["status"], line["error"]) == ("chat", "standby", 200, None)
    failed = [(attempt["endpoint"], attempt["error"]) for attempt in line["failed_attempts"]]
    assert failed == [("chat", word) for word in ("upstream_unreachable", "provider_500", "provider_429")]
    assert (line["attempts"], line["output_tokens"]) == (4, USAGES[FALLBACK_MODEL]["completion_tokens"])


def test_where_all_have_failed_the_access_log_names_who_was_asked_first(pair: Pair, told: Told) -> None:
    pair.fallback.replies = DOWN
    post(pair.serve())
    (line,) = told()
    assert (line["endpoint"], line["status"], line["error"]) == ("chat", 503, "provider_503")
    assert [attempt["endpoint"] for attempt in line["failed_attempts"]] == ["chat"] * 3 + ["standby"]
