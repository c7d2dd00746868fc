"""The circuit breaker against a model of it, and what its users count on."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from app.config import BreakerLimits
from app.failover.breaker import Breaker, State
from tests.failover.making import steady

CLOSED, HALF_OPEN, OPEN = State.CLOSED, State.HALF_OPEN, State.OPEN
LIMITS = BreakerLimits(failures=3, window=30.0, probe_after=10.0)


@dataclass
class Out:
    """A call that is out."""

    entered: float
    probes: bool
    is_pending: bool = True


class Circuit(RuleBasedStateMachine):
    """Calls that come and end in any order, against what the breaker promises."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.breaker, self.now = Breaker(), 1000.0
        self.results: list[tuple[float, bool]] = []  # of calls that entered since it opened last
        self.out: list[Out] = []

    @initialize(
        failures=st.integers(1, 4), window=st.sampled_from([1.0, 30.0]), probe_after=st.sampled_from([0.5, 10.0])
    )
    def begin(self, failures: int, window: float, probe_after: float) -> None:
        self.limits = BreakerLimits(failures, window, probe_after)

    def tick(self) -> None:
        self.now += 1e-6

    def is_stale(self, call: Out) -> bool:
        return call.entered < self.breaker.opened

    @rule(seconds=st.sampled_from([0.1, 0.6, 2.0, 11.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(target=calls)
    def a_call_enters(self) -> Out:
        self.tick()
        before, waited = self.breaker.state, self.now - self.breaker.opened
        admitted = self.breaker.admits(self.limits, self.now)
        call = Out(self.now, self.breaker.enter(self.limits, self.now))
        is_due = before is OPEN and waited >= self.limits.probe_after
        assert admitted is (before is CLOSED or is_due)
        assert call.probes is is_due
        assert self.breaker.state is (HALF_OPEN if is_due else before)
        self.out.append(call)
        return call

    @rule(call=calls)
    def a_probes_stream_begins(self, call: Out) -> None:
        if not (call.probes and call.is_pending):
            return
        self.tick()
        before, call.is_pending = self.breaker.state, False
        self.breaker.begins(self.limits, call.entered, self.now)
        if self.is_stale(call) or before is not HALF_OPEN:
            assert self.breaker.state is before
        else:
            assert self.breaker.state is CLOSED
            self.results = [(self.now, False)] * (self.limits.failures - 1)

    @rule(call=consumes(calls))
    def a_call_is_answered(self, call: Out) -> None:
        self.tick()
        before, failures = self.breaker.state, self.breaker.failures
        self.breaker.succeeds(call.entered)
        self.out.remove(call)
        if self.is_stale(call):
            assert (self.breaker.state, self.breaker.failures) == (before, failures)
        else:
            assert (self.breaker.state, self.breaker.failures) == (CLOSED, 0)
            self.results.clear()

    @rule(call=consumes(calls))
    def a_call_fails(self, call: Out) -> None:
        self.tick()
        before, failures, is_stale = self.breaker.state, self.breaker.failures, self.is_stale(call)
        self.breaker.fails(self.limits, call.entered, self.now)
        self.out.remove(call)
        if is_stale or before is OPEN:
            assert (self.breaker.state, self.breaker.failures) == (before, failures)
            return
        self.results.append((self.now, False))
        last = self.results[-self.limits.failures :]
        are_enough = len(last) == self.limits.failures and self.now - last[0][0] <= self.limits.window
        assert self.breaker.state is (OPEN if before is HALF_OPEN or are_enough else CLOSED)
        if self.breaker.state is OPEN:
            assert self.breaker.opened == self.now
            self.results.clear()

    @rule(call=consumes(calls))
    def a_call_ends_without_a_result(self, call: Out) -> None:
        self.tick()
        before = self.breaker.state
        if call.probes and call.is_pending:
            is_the_one = before is HALF_OPEN and not self.is_stale(call)
            self.breaker.abandon(call.entered)
            assert self.breaker.state is (OPEN if is_the_one else before)
        self.out.remove(call)

    @invariant()
    def one_probe_is_out_while_it_is_half_open(self) -> None:
        probes = [call for call in self.out if call.probes and call.is_pending and not self.is_stale(call)]
        if self.breaker.state is HALF_OPEN:
            assert len(probes) == 1

    @precondition(lambda self: self.breaker.state is not CLOSED)
    @rule()
    def it_was_opened_by_failures(self) -> None:
        assert 1000.0 < self.breaker.opened <= self.now

    def teardown(self) -> None:
        """From wherever it is: once the endpoint is well and its calls have ended, calls go through in time."""
        for call in self.out:
            if call.probes and call.is_pending:
                self.breaker.abandon(call.entered)
        self.now += self.limits.probe_after if hasattr(self, "limits") else 0.0
        if hasattr(self, "limits"):
            assert self.breaker.admits(self.limits, self.now)
            self.breaker.enter(self.limits, self.now)
            self.breaker.succeeds(self.now)
            assert self.breaker.state is CLOSED
            assert self.breaker.admits(self.limits, self.now)


TestCircuit = Circuit.TestCase
TestCircuit.settings = type(steady)(steady, max_examples=60, stateful_step_count=30)


def fail(breaker: Breaker, *times: float, limits: BreakerLimits = LIMITS) -> Breaker:
    """Calls that entered and failed at these times."""
    for at in times:
        breaker.fails(limits, at, at)
    return breaker


def test_a_success_between_failures_keeps_it_closed() -> None:
    breaker = fail(Breaker(), 1, 2)
    breaker.succeeds(2.5)
    assert fail(breaker, 3, 4).state is CLOSED
    assert fail(breaker, 5).state is OPEN


def test_failures_that_lie_further_apart_than_the_window_keep_it_closed() -> None:
    breaker = Breaker()
    assert fail(breaker, *range(0, 1000, 16)).state is CLOSED
    assert fail(breaker, 1000, 1015, 1030).state is OPEN


def test_calls_that_hung_when_it_opened_do_not_open_it_again_when_they_time_out() -> None:
    breaker = fail(Breaker(), 1, 2, 3)
    assert breaker.enter(LIMITS, 13)
    breaker.succeeds(13)
    for _ in range(50):
        breaker.fails(LIMITS, entered=2.5, now=32)
    assert breaker.state is CLOSED
    assert breaker.failures == 0


def test_a_late_answer_from_before_does_not_close_it() -> None:
    breaker = fail(Breaker(), 1, 2, 3)
    breaker.succeeds(2.9)
    assert breaker.state is OPEN


def test_who_has_nobody_else_to_ask_closes_it_by_an_answer() -> None:
    breaker = fail(Breaker(), 1, 2, 3)
    assert not breaker.enter(LIMITS, 4)
    breaker.succeeds(4)
    assert breaker.state is CLOSED


def test_a_probe_whose_stream_breaks_off_opens_it_again() -> None:
    breaker = fail(Breaker(), 1, 2, 3)
    breaker.enter(LIMITS, 13)
    breaker.begins(LIMITS, 13, 14)
    assert breaker.state is CLOSED
    assert fail(breaker, 15).state is OPEN


def test_a_probe_of_an_earlier_opening_does_not_let_a_second_one_out() -> None:
    breaker = fail(Breaker(), 1, 2, 3)
    assert breaker.enter(LIMITS, 13)
    breaker.fails(LIMITS, entered=12, now=14)  # of one that had nobody else to ask
    assert breaker.enter(LIMITS, 24)
    breaker.begins(LIMITS, 13, 24.5)
    breaker.abandon(13)
    assert breaker.state is HALF_OPEN
    assert not breaker.admits(LIMITS, 25)
    breaker.abandon(24)
    assert breaker.admits(LIMITS, 25)


def test_of_many_at_once_one_is_the_probe() -> None:
    breaker = fail(Breaker(), 1, 2, 3)
    ready = threading.Barrier(8)
    entered: list[bool] = []

    def enter() -> None:
        ready.wait(10)
        entered.append(breaker.enter(LIMITS, 20))

    threads = [threading.Thread(target=enter) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(entered) == [False] * 7 + [True]
