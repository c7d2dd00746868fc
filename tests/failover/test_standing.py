"""How endpoints stand: calls in flight, and what a visit tells its breaker."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from app.config import BreakerLimits
from app.errors import Busy, Garbled, Unreachable
from app.failover.breaker import State
from app.failover.in_flight import InFlight
from app.failover.standing import Standings
from tests.failover.making import ERRORS, endpoint, refused

EAGER = BreakerLimits(failures=2, window=30.0, probe_after=1e-9)  # probes at once
PATIENT = BreakerLimits(failures=2, window=30.0, probe_after=1e6)


def test_above_the_limit_there_is_no_queue() -> None:
    calls = InFlight("endpoint 'a' has")
    calls.take(2)
    calls.take(2)
    with pytest.raises(Busy, match="endpoint 'a' has 2 calls in flight, which is all it may have") as busy:
        calls.take(2)
    assert busy.value.status == 503
    assert calls.count == 2
    calls.give()
    calls.take(2)
    calls.take(None)
    assert calls.count == 3


def test_a_visit_is_in_flight_until_it_ends_and_ends_once() -> None:
    one = endpoint(max_in_flight=1)
    standings = Standings()
    visit = standings.of(one).enter(one)
    with pytest.raises(Busy):
        standings.of(one).enter(one)
    visit.ends()
    visit.ends()
    assert standings.of(one).in_flight.count == 0
    standings.of(one).enter(one).ends()


def test_endpoints_on_one_host_do_not_share_their_breaker_and_a_new_address_is_a_new_endpoint() -> None:
    standings = Standings()
    a, b = endpoint("a", breaker=PATIENT), replace(endpoint("b"), url=endpoint("a").url)
    for _ in range(2):
        standings.of(a).enter(a).fails(Unreachable("reset"))
    assert not standings.of(a).admits(a)
    assert standings.of(b).admits(b)
    moved = replace(a, url="http://127.0.0.1/elsewhere")
    assert standings.of(moved).admits(moved)
    assert standings.of(replace(a)) is standings.of(a)


@pytest.mark.parametrize("kind", ["nonsense", "context", "policy"])
def test_a_refusal_of_what_the_caller_sent_says_that_the_provider_is_well(kind: str) -> None:
    one = endpoint(breaker=EAGER)
    standing = Standings().of(one)
    standing.enter(one).fails(Garbled("x"))
    standing.enter(one).fails(ERRORS[kind]())
    standing.enter(one).fails(Garbled("x"))
    assert standing.breaker.state is State.CLOSED


@pytest.mark.parametrize("kind", ["busy", "cannot be said"])
def test_an_error_of_our_own_says_nothing_of_the_provider(kind: str) -> None:
    one = endpoint(breaker=EAGER)
    standing = Standings().of(one)
    standing.enter(one).fails(Garbled("x"))
    standing.enter(one).fails(ERRORS[kind]())
    assert standing.breaker.failures == 1
    standing.enter(one).fails(Garbled("x"))
    probe = standing.enter(one)
    assert probe.probes
    probe.fails(ERRORS[kind]())
    probe.ends()
    assert standing.breaker.state is State.OPEN
    assert standing.admits(one)


def test_a_probe_that_nobody_waited_for_leaves_the_next_call_to_be_one() -> None:
    one = endpoint(breaker=EAGER)
    standing = Standings().of(one)
    for _ in range(2):
        standing.enter(one).fails(refused(503))
    probe = standing.enter(one)
    assert probe.probes
    assert not standing.admits(one)
    assert not standing.enter(one).probes
    probe.ends()
    assert standing.enter(one).probes


def test_a_probe_that_nobody_waited_for_is_no_longer_out_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    one = endpoint("left alone", breaker=EAGER)
    standing = Standings().of(one)
    for _ in range(2):
        standing.enter(one).fails(refused(503))
    with caplog.at_level(logging.INFO, "weir.failover"):
        standing.enter(one).ends()
    assert "'left alone': the circuit is open (was half_open)" in caplog.messages[-1]


def test_who_had_a_name_before_is_forgotten_once_its_calls_are_over() -> None:
    standings, first, second = Standings(), endpoint("a"), replace(endpoint("a"), url="http://127.0.0.1/second")
    before = standings.of(first)
    visit = before.enter(first)
    standings.of(second)
    assert standings.of(first) is before, "calls are still out"
    visit.ends()
    standings.of(replace(first, url="http://127.0.0.1/third"))
    assert standings.of(first) is not before


def test_a_probe_whose_stream_began_is_not_abandoned_when_its_client_leaves() -> None:
    one = endpoint(breaker=EAGER)
    standing = Standings().of(one)
    for _ in range(2):
        standing.enter(one).fails(refused(503))
    probe = standing.enter(one)
    probe.begins()
    probe.ends()
    assert standing.breaker.state is State.CLOSED
    standing.enter(one).fails(refused(503))
    assert standing.breaker.state is State.OPEN


def test_each_change_of_state_is_logged_once_with_its_reason(caplog: pytest.LogCaptureFixture) -> None:
    one = endpoint("logged", breaker=EAGER)
    standing = Standings().of(one)
    with caplog.at_level(logging.INFO, "weir.failover"):
        for _ in range(2):
            standing.enter(one).fails(refused(503))
        standing.enter(one).succeeds()
        standing.enter(one).succeeds()
    assert [(record.levelname, record.message) for record in caplog.records] == [
        ("WARNING", "endpoint 'logged': the circuit is open (was closed): 2 failures in a row, the last: provider_503"),
        ("INFO", "endpoint 'logged': the circuit is half_open (was open): one call finds out"),
        ("INFO", "endpoint 'logged': the circuit is closed (was half_open): it answers"),
    ]
