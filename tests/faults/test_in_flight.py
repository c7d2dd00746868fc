"""How much may be going on at once: above it the next is asked, or the answer is a 503; nothing is queued."""

from __future__ import annotations

import threading
from typing import Any

from tests.faults.pair import PRIMARY_WELL, QUICK, Aside, Pair, post
from tests.faults.scenarios import PRIMARY_MODEL, TEXT, chunks
from tests.serving import CHAT
from tests.upstream import Hang, Wait, held, sse_reply


def test_above_an_endpoints_most_in_flight_the_next_is_asked(pair: Pair) -> None:
    gate = pair_gate(pair)
    client = pair.serve(max_in_flight=1)
    first = Aside(client)
    pair.primary.wait_for_requests(1)
    assert post(client).endpoint == "standby"
    gate.set()
    assert first.answer.endpoint == "chat"
    assert post(client).endpoint == "chat", "the place was not given back"


def test_above_the_most_in_flight_the_answer_is_a_503_at_once_and_health_is_told(pair: Pair) -> None:
    gate = pair_gate(pair)
    client = pair.serve(top={"max_in_flight": 1})
    first = Aside(client, stream=True)
    pair.primary.wait_for_requests(1)
    refused = post(client)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert refused.error is not None and refused.error["code"] == "gateway_busy"
    assert refused.headers["x-gateway-error-source"] == "gateway"
    assert [client.get(path).status_code for path in ("/health", "/health/ready", "/metrics")] == [200] * 3
    assert client.get("/health/ready?verbose=1").json["worker"]["in_flight"] == 1
    assert pair.asked == (1, 0)
    gate.set()
    assert (first.answer.text, post(client).status) == (TEXT, 200)


def test_above_the_most_in_flight_of_an_endpoint_alone_the_answer_is_a_503(pair: Pair) -> None:
    gate = pair_gate(pair)
    client = pair.alone(max_in_flight=1)
    first = Aside(client)
    pair.primary.wait_for_requests(1)
    refused = post(client)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    gate.set()
    assert first.answer.status == 200


def test_who_was_not_asked_at_all_may_be_asked_again_by_the_clients_sdk(pair: Pair) -> None:
    gate = pair_gate(pair)
    client = pair.alone(max_in_flight=1, retries=QUICK)
    first = Aside(client)
    pair.primary.wait_for_requests(1)
    refused = post(client)
    assert (refused.status, refused.attempts) == (503, 0)
    assert "x-should-retry" not in refused.headers, "nothing was done that an SDK would do again"
    gate.set()
    assert first.answer.status == 200


def pair_gate(pair: Pair) -> Any:
    """The primary is well, but answers only once the gate is set."""
    gate = Wait(threading.Event())
    pair.primary.replies = lambda request: held(PRIMARY_WELL(request), gate)  # type: ignore[operator]
    return gate.event


def test_a_stream_that_its_client_leaves_gives_its_place_back(pair: Pair) -> None:
    pair.primary.replies = sse_reply([*chunks(PRIMARY_MODEL)[:5], Hang()])
    client = pair.serve(top={"max_in_flight": 1}, max_in_flight=1)
    response = client.post("/v1/chat/completions", json={**CHAT, "model": "chat", "stream": True}, buffered=False)
    next(response.iter_encoded())
    assert post(client).status == 503
    response.close()
    pair.primary.replies = PRIMARY_WELL
    assert post(client).endpoint == "chat"
