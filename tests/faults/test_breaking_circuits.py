"""An endpoint that fails time and again rests: what the callers, the provider, the log and the metrics see of it."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient

from app.api.weir import KEY as WEIR
from tests.faults.pair import DOWN, PRIMARY_WELL, QUICK, Aside, Pair, nobody, post
from tests.faults.scenarios import TEXT, chunks, refusal
from tests.serving import endpoint
from tests.telemetry.test_metrics import metric
from tests.upstream import Close, Request, Wait, held, sse_reply

PROBE_AFTER = 1.0
LIMITS = {"failures": 3, "window": 60, "probe_after": PROBE_AFTER}
RESTING = {**LIMITS, "probe_after": 3600}
ONCE = {"attempts": 0}


def standing(client: FlaskClient, name: str = "chat") -> dict[str, Any]:
    """How an endpoint stands, as the gateway itself says."""
    told = client.get("/health/ready?verbose=1").json["worker"]["endpoints"][name]
    assert told["in_flight"] == 0 or told["breaker"] == "half_open"
    return dict(told)


def opened(pair: Pair, limits: dict[str, Any], **more: Any) -> FlaskClient:
    """A gateway whose primary has just failed three times."""
    client = pair.serve(breaker=limits, **{"retries": ONCE, **more})
    for _ in range(3):
        assert post(client).endpoint == "standby"
    assert standing(client)["breaker"] == "open"
    return client


def test_an_open_circuit_is_passed_over(pair: Pair) -> None:
    client = opened(pair, RESTING)
    answer = post(client)
    assert (answer.endpoint, answer.attempts, len(pair.primary.requests)) == ("standby", 1, 3)


def test_retries_count_as_failures(pair: Pair) -> None:
    client = pair.serve(breaker=RESTING, retries=QUICK)
    assert post(client).attempts == 4
    assert standing(client) == {"breaker": "open", "failures": 3, "in_flight": 0}
    assert post(client).attempts == 1


def test_one_call_finds_out_and_the_others_go_elsewhere_meanwhile(pair: Pair) -> None:
    client = opened(pair, LIMITS)
    gate = threading.Event()
    pair.primary.replies = lambda request: held(PRIMARY_WELL(request), Wait(gate))  # type: ignore[operator]
    time.sleep(PROBE_AFTER)
    probe = Aside(client)
    pair.primary.wait_for_requests(4)
    assert standing(client)["breaker"] == "half_open"
    assert {post(client).endpoint for _ in range(5)} == {"standby"}
    gate.set()
    assert probe.answer.endpoint == "chat"
    assert standing(client) == {"breaker": "closed", "failures": 0, "in_flight": 0}
    assert post(client).endpoint == "chat"


def test_a_probe_that_fails_is_not_retried_and_the_caller_does_not_notice(pair: Pair) -> None:
    client = opened(pair, LIMITS, retries=QUICK)
    asked = len(pair.primary.requests)
    time.sleep(PROBE_AFTER)
    answer = post(client)
    assert (answer.endpoint, answer.text, answer.attempts) == ("standby", TEXT, 2)
    assert len(pair.primary.requests) == asked + 1
    assert standing(client)["breaker"] == "open"
    assert post(client).attempts == 1


def test_a_stream_that_begins_closes_the_circuit_and_one_that_breaks_off_opens_it_again(pair: Pair) -> None:
    client = opened(pair, LIMITS, resume="none")
    pair.primary.replies = sse_reply([*chunks("primary-model")[:3], Close()], done=False)
    time.sleep(PROBE_AFTER)
    answer = post(client, stream=True)
    assert (answer.endpoint, answer.done) == ("chat", False)
    assert standing(client)["breaker"] == "open"


def test_an_endpoint_with_nowhere_to_go_is_never_refused_by_its_own_breaker(pair: Pair) -> None:
    client = pair.alone(breaker=RESTING)
    assert [post(client).status for _ in range(6)] == [503] * 6
    assert standing(client)["breaker"] == "open"
    assert len(pair.primary.requests) == 6
    pair.primary.replies = PRIMARY_WELL
    assert post(client).status == 200
    assert standing(client)["breaker"] == "closed"


def test_where_all_circuits_are_open_the_first_is_asked(pair: Pair) -> None:
    pair.fallback.replies = DOWN
    client = pair.serve(top={"breaker": RESTING}, retries=ONCE)
    assert [post(client).status for _ in range(4)] == [503] * 4
    assert (standing(client)["breaker"], standing(client, "standby")["breaker"]) == ("open", "open")
    pair.primary.replies = PRIMARY_WELL
    assert post(client).endpoint == "chat"


@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_what_the_caller_did_wrong_opens_nothing(pair: Pair, status: int) -> None:
    pair.primary.replies = (
        refusal(status, "no") if status != 404 else refusal(400, "too long", "context_length_exceeded")
    )
    client = pair.serve(breaker={**RESTING, "failures": 1})
    post(client)
    assert standing(client)["breaker"] == "closed"


def test_an_answer_ends_a_row_of_failures(pair: Pair) -> None:
    def every_third_is_well(request: Request) -> Any:
        return DOWN if len(pair.primary.requests) % 3 else PRIMARY_WELL(request)  # type: ignore[operator]

    pair.primary.replies = every_third_is_well
    client = pair.serve(breaker=RESTING, retries=ONCE)
    assert [post(client).endpoint for _ in range(9)] == ["standby", "standby", "chat"] * 3


def test_a_circuit_is_an_endpoints_and_not_a_hosts(pair: Pair) -> None:
    """Two models of one provider: that one of them is overloaded says nothing of the other."""
    pair.primary.replies = lambda request: (
        DOWN if request.json["model"] == "gpt-4o-mini" else PRIMARY_WELL(request)  # type: ignore[operator]
    )
    other = endpoint(pair.primary, "other", fallbacks=["standby"])
    other["model"]["name"] = "another-model"
    client = pair.gateway(
        endpoint(pair.primary, fallbacks=["standby"], retries=ONCE, breaker=RESTING), other,
        endpoint(pair.fallback, "standby"),
    )  # fmt: skip
    for _ in range(3):
        post(client)
    assert standing(client)["breaker"] == "open"
    assert post(client, "other").endpoint == "other"


def test_a_destination_of_a_route_that_rests_gets_no_traffic(pair: Pair) -> None:
    arms = [{"name": "chat", "traffic_percentage": 50}, {"name": "standby", "traffic_percentage": 50}]
    entry = {"name": "split", "task_type": "llm/v1/chat", "destinations": arms}
    client = pair.gateway(endpoint(pair.primary, breaker=RESTING), endpoint(pair.fallback, "standby"), routes=[entry])
    for _ in range(3):
        assert post(client).status == 503
    assert {(post(client, "split").endpoint, post(client, "split").attempts) for _ in range(20)} == {("standby", 1)}
    assert len(pair.primary.requests) == 3


def test_a_change_shows_in_the_log_and_in_the_metrics(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    name = "circuit-that-shows"
    client = pair.gateway(
        endpoint(pair.primary, name, fallbacks=["standby"], retries=ONCE, breaker=LIMITS),
        endpoint(pair.fallback, "standby"),
    )

    def state() -> float:
        return metric(client.get("/metrics").text, "weir_breaker_state", endpoint=name)

    with caplog.at_level(logging.INFO, "weir.failover"):
        for _ in range(3):
            post(client, name)
        assert state() == 2
        pair.primary.replies = PRIMARY_WELL
        time.sleep(PROBE_AFTER)
        assert post(client, name).endpoint == name
        assert state() == 0
    lines = [record.getMessage() for record in caplog.records if name in record.getMessage()]
    assert len(lines) == 3, "open, half-open, closed"
    assert "provider_503" in lines[0]


def test_what_was_at_an_endpoints_former_address_is_not_told_of_it(pair: Pair, tmp_path: Path) -> None:
    name = "one-that-moves"
    client = pair.gateway(endpoint(pair.primary, name, retries=ONCE, breaker=RESTING), keep_alive=14)
    live = client.application.extensions[WEIR].live
    for _ in range(3):
        post(client, name)
    assert standing(client, name)["breaker"] == "open"
    live.path.write_text(yaml.safe_dump({"endpoints": [endpoint(pair.fallback, name)]}))
    live.look()
    assert standing(client, name) == {"breaker": "closed", "failures": 0, "in_flight": 0}
    assert metric(client.get("/metrics").text, "weir_breaker_state", endpoint=name) == 0
    live.path.write_text(yaml.safe_dump({"endpoints": [endpoint(pair.fallback)]}))
    live.look()
    assert list(client.get("/health/ready?verbose=1").json["worker"]["endpoints"]) == ["chat"]


def test_a_port_that_refuses_opens_the_circuit_too(pair: Pair) -> None:
    with nobody() as base:
        entry = endpoint(base, fallbacks=["standby"], retries=ONCE, breaker=RESTING)
        client = pair.gateway(entry, endpoint(pair.fallback, "standby"))
        assert [post(client).attempts for _ in range(4)] == [2, 2, 2, 1]
