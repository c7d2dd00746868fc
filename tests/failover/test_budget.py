"""How much retries may add: a share of the calls, and a few in any case."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.failover.budget import FLOOR, SECONDS, Budget
from tests.failover.making import steady

steps = st.lists(
    st.tuples(st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3, 0.99, 1.0, 3.7, 9.0, 10.0, 11.0, 1e6]), st.integers(-3, 30)),
    max_size=60,
)
"""Seconds to the next step, and first calls that it makes; below 1, a burst of retries."""


@steady
@given(steps, st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0]), st.floats(0, 1e5))
def test_in_no_window_do_retries_exceed_their_share_or_the_floor(
    steps: list[tuple[float, int]], share: float, now: float
) -> None:
    budget = Budget()
    calls: list[int] = []  # the second of each
    granted: list[int] = []
    for pause, count in steps:
        now += pause
        for _ in range(count):
            budget.call(now)
            calls.append(int(now))
        now_granted = [int(now) for _ in range(30 if count < 1 else 0) if budget.spend(share, now)]
        granted += now_granted
        since = int(now) - SECONDS
        inside = sum(second > since for second in granted)
        assert not now_granted or inside <= max(FLOOR, share * sum(second > since for second in calls))


@steady
@given(st.floats(0, 1e6), st.floats(0, 1), st.integers(0, 500))
def test_what_is_left_can_be_spent_to_the_last(now: float, share: float, calls: int) -> None:
    budget = Budget()
    for _ in range(calls):
        budget.call(now)
    granted = sum(budget.spend(share, now) for _ in range(600))
    assert granted == int(max(FLOOR, share * calls))


def test_a_quiet_gateway_retries_whatever_the_share() -> None:
    budget = Budget()
    assert [budget.spend(0.0, 5.0) for _ in range(FLOOR + 1)] == [True] * FLOOR + [False]


def test_what_was_spent_comes_back_when_its_window_has_passed_and_not_before() -> None:
    budget = Budget()
    assert all(budget.spend(0.2, 100.0) for _ in range(FLOOR))
    assert not budget.spend(0.2, 100.0 + SECONDS - 0.1)
    assert all(budget.spend(0.2, 100.0 + SECONDS) for _ in range(FLOOR))


def test_calls_of_long_ago_give_nothing() -> None:
    budget = Budget()
    for number in range(1000):
        budget.call(number % SECONDS + 0.5)
    assert sum(budget.spend(1.0, 50.0) for _ in range(1000)) == FLOOR


def test_a_clock_that_stands_still_or_goes_back_a_little_gives_nothing_away() -> None:
    budget = Budget()
    granted = sum(budget.spend(0.2, now) for now in [100.0] * 20 + [99.5, 98.0, 97.0] * 10 + [100.0] * 20)
    assert granted == FLOOR


def test_refusals_cost_nothing() -> None:
    budget = Budget()
    for _ in range(100):
        budget.spend(0.2, 10.0)
    for _ in range(100):
        budget.call(10.0)
    assert sum(budget.spend(0.2, 10.0) for _ in range(100)) == 20 - FLOOR
