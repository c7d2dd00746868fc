"""Routes over providers that fail: whose share is whose, who stands in, and who keeps to whom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.pair import DOWN, PRIMARY_WELL, QUICK, Pair, post
from tests.serving import endpoint


def route(pair: Pair, shares: tuple[int, int] = (50, 50), **more: Any) -> Any:
    """A gateway with a route over both, who know nothing of each other."""
    arms = [{"name": "chat", "traffic_percentage": shares[0]}, {"name": "standby", "traffic_percentage": shares[1]}]
    entry = {"name": "split", "task_type": "llm/v1/chat", "destinations": arms, **more}
    return pair.gateway(endpoint(pair.primary, retries=QUICK), endpoint(pair.fallback, "standby"), routes=[entry])


def test_a_routes_destinations_stand_in_for_each_other(pair: Pair) -> None:
    client = route(pair)
    answers = [post(client, "split") for _ in range(20)]
    assert {answer.endpoint for answer in answers} == {"standby"}
    assert pair.primary.requests, "chance passed over an arm twenty times"


def test_a_destination_without_traffic_gets_none(pair: Pair) -> None:
    pair.primary.replies = PRIMARY_WELL
    client = route(pair, (100, 0))
    assert {post(client, "split").endpoint for _ in range(20)} == {"chat"}
    pair.primary.replies = DOWN
    assert post(client, "split").status == 503


def test_a_routes_fallbacks_come_after_its_destinations(pair: Pair) -> None:
    answer = post(route(pair, (100, 0), fallbacks=["standby"]), "split")
    assert (answer.endpoint, answer.attempts) == ("standby", 4)


@pytest.mark.parametrize("header", ["X-Session-Id", "X-Conversation"])
def test_a_session_keeps_to_one_destination(pair: Pair, header: str) -> None:
    pair.primary.replies = PRIMARY_WELL
    arms = [{"name": "chat", "traffic_percentage": 50}, {"name": "standby", "traffic_percentage": 50}]
    entry = {"name": "split", "task_type": "llm/v1/chat", "destinations": arms}
    client = pair.gateway(
        endpoint(pair.primary), endpoint(pair.fallback, "standby"), routes=[entry], session_header=header
    )
    kept = {
        session: {post(client, "split", headers={header: f"session {session}"}).endpoint for _ in range(5)}
        for session in range(20)
    }
    assert all(len(endpoints) == 1 for endpoints in kept.values())
    assert set.union(*kept.values()) == {"chat", "standby"}, "all sessions are kept to one destination"


def test_a_session_whose_destination_is_down_is_answered(pair: Pair) -> None:
    client = route(pair)
    answers = [post(client, "split", headers={"X-Session-Id": str(number)}) for number in range(20)]
    assert {(answer.status, answer.endpoint) for answer in answers} == {(200, "standby")}


def test_an_empty_session_is_none(pair: Pair) -> None:
    pair.primary.replies = PRIMARY_WELL
    client = route(pair)
    answers = {post(client, "split", headers={"X-Session-Id": ""}).endpoint for _ in range(40)}
    assert answers == {"chat", "standby"}, "all who send an empty header are kept to one destination"


@pytest.mark.parametrize("session", ["x" * 8192, '\xff\x80 \t;,"', "0"])
def test_a_session_may_be_called_anything(pair: Pair, session: str) -> None:
    pair.primary.replies = PRIMARY_WELL
    client = route(pair)
    answers = [post(client, "split", headers={"X-Session-Id": session}) for _ in range(5)]
    assert {answer.status for answer in answers} == {200}
    assert len({answer.endpoint for answer in answers}) == 1
