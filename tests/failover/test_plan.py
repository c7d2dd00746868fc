"""Whom an invocation may be sent to: shares, sessions, and those that stand in."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import TrafficRoute
from app.failover.plan import targets
from tests.failover.making import endpoint, route, steady

DRAWS = 4000


def names(asked: TrafficRoute, session: str | None) -> list[str]:
    return [target.name for target in targets(asked, session)]


def first(asked: TrafficRoute, session: str | None) -> str:
    return targets(asked, session)[0].name


def test_an_endpoint_is_asked_before_those_that_stand_in_for_it() -> None:
    b, c = endpoint("b"), endpoint("c")
    assert targets(endpoint("a"), None) == (endpoint("a"),)
    assert [target.name for target in targets(endpoint("a", fallbacks=(c, b)), "s")] == ["a", "c", "b"]


def test_nobody_is_asked_twice() -> None:
    b = endpoint("b")
    assert [target.name for target in targets(endpoint("a", fallbacks=(b, b)), None)] == ["a", "b"]
    both = route({"a": 100, "b": 0}, fallbacks=(b, endpoint("a"), b), a=endpoint("a", fallbacks=(b,)))
    assert names(both, None) == ["a", "b"]


def test_a_routes_own_fallbacks_come_before_those_of_its_destination() -> None:
    a = endpoint("a", fallbacks=(endpoint("x"), endpoint("y")))
    assert names(route({"a": 100}, fallbacks=(endpoint("y"), endpoint("z")), a=a), None) == ["a", "y", "z", "x"]


def test_destinations_fail_over_among_themselves_before_anybody_stands_in() -> None:
    split = route({"a": 50, "b": 30, "c": 20}, fallbacks=(endpoint("z"),))
    for number in range(50):
        asked = names(split, str(number))
        assert sorted(asked[:3]) == ["a", "b", "c"]
        assert asked[3:] == ["z"]


@pytest.mark.parametrize("sessions", [False, True])
@pytest.mark.parametrize(
    "shares", [{"a": 100}, {"a": 50, "b": 50}, {"a": 80, "b": 20}, {"a": 1, "b": 99}, {"a": 60, "b": 30, "c": 10}]
)
def test_shares_hold_over_many_draws_with_and_without_sessions(shares: dict[str, int], sessions: bool) -> None:
    split = route(shares)
    counts = Counter(first(split, str(number) if sessions else None) for number in range(DRAWS))
    for name, share in shares.items():
        expected = DRAWS * share / 100
        spread = 6 * (expected * (1 - share / 100)) ** 0.5  # six standard deviations
        assert abs(counts[name] - expected) <= spread
        assert counts[name] > 0


def test_what_the_second_choice_is_follows_the_shares_too() -> None:
    split = route({"a": 50, "b": 40, "c": 10})
    seconds = Counter(names(split, str(number))[1] for number in range(DRAWS) if first(split, str(number)) == "a")
    assert seconds["b"] / seconds.total() == pytest.approx(0.8, abs=0.06)


def test_a_destination_without_traffic_gets_none_not_even_when_others_fail() -> None:
    split = route({"a": 100, "b": 0})
    assert {tuple(names(split, session)) for session in (None, *map(str, range(200)))} == {("a",)}


shares = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 60), min_size=1)
sessions = st.text(max_size=12)


@steady
@given(shares, sessions)
def test_a_session_stays_where_it_is(shares: dict[str, int], session: str) -> None:
    assert names(route(shares), session) == names(route(dict(reversed(shares.items()))), session)


@steady
@given(shares, sessions, st.sampled_from("xyz"), st.integers(1, 60))
def test_a_destination_that_comes_takes_sessions_only_for_itself(
    shares: dict[str, int], session: str, name: str, share: int
) -> None:
    before = names(route(shares), session)
    after = names(route({**shares, name: share}), session)
    assert [each for each in after if each != name] == before


@steady
@given(shares, sessions, st.data())
def test_a_destination_that_goes_moves_only_its_own_sessions(
    shares: dict[str, int], session: str, data: st.DataObject
) -> None:
    before = names(route(shares), session)
    gone = data.draw(st.sampled_from(sorted(shares)))
    left = {name: share for name, share in shares.items() if name != gone}
    assert not left or names(route(left), session) == [each for each in before if each != gone]


@steady
@given(shares, sessions, st.data())
def test_a_share_that_changes_moves_sessions_only_to_or_from_its_destination(
    shares: dict[str, int], session: str, data: st.DataObject
) -> None:
    changed = data.draw(st.sampled_from(sorted(shares)))
    share = data.draw(st.integers(0, 100))
    shares = {**shares, "z": 5}
    before, after = names(route(shares), session), names(route({**shares, changed: share}), session)
    assert [name for name in before if name != changed] == [name for name in after if name != changed]
    if share >= shares[changed] and before[0] == changed:
        assert after[0] == changed
    if 0 < share <= shares[changed] and before[0] != changed:
        assert after[0] == before[0]


def test_sessions_that_are_alike_are_spread() -> None:
    split = route({"a": 50, "b": 50})
    counts = Counter(first(split, f"user-{number}") for number in range(1000))
    assert 400 < counts["a"] < 600


@pytest.mark.parametrize("session", ["", "\0", "ü", "\ud800", "x" * 100_000, "a\0b"])
def test_whatever_a_client_says_is_a_session(session: str) -> None:
    assert first(route({"a": 50, "b": 50}), session) in ("a", "b")
