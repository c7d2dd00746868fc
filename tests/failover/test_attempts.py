"""The attempts of one invocation, whatever goes wrong with them."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.config import BreakerLimits, Endpoint, Retries
from app.errors import Busy, GatewayError, TimedOut, UpstreamError
from app.failover.attempts import Attempt, Attempts
from app.failover.budget import FLOOR
from app.failover.plan import Targets
from app.failover.retry import Verdict, verdict
from app.failover.standing import Standings
from tests.failover.making import ERRORS, always, endpoint, pair, refused, steady

NEVER = BreakerLimits(failures=1, window=30.0, probe_after=1e6)
"""Opens at the first failure, and stays so."""


@dataclass
class Told:
    """What came of an invocation."""

    attempts: Attempts
    made: list[tuple[Attempt, GatewayError | None]] = field(default_factory=list)

    @property
    def asked(self) -> list[str]:
        return [attempt.target.name for attempt, _ in self.made]

    @property
    def errors(self) -> list[GatewayError | None]:
        return [error for _, error in self.made]


@pytest.fixture(autouse=True, scope="module")
def in_silence() -> Iterator[None]:
    """Thousands of changes of state are not worth a line each."""
    log = logging.getLogger("weir.failover")
    log.disabled = True
    yield
    log.disabled = False


def invoke(
    targets: Targets, errors: Iterable[GatewayError | None], standings: Standings | None = None, begun: int = 1000
) -> Told:
    """An invocation whose attempts end so, in order, and then well. From the `begun`th on, streams had begun."""
    standings = standings or Standings()
    told, script = Told(Attempts(targets, standings, clock=lambda: 1000.0, uniform=max)), iter(errors)
    attempt: Attempt | None = told.attempts.first()
    while attempt:
        try:
            visit = told.attempts.enter(attempt)
        except Busy as busy:
            attempt = told.attempts.after(busy, attempt)
            continue
        error = next(script, None)
        told.made.append((attempt, error))
        assert told.attempts.count == len(told.made) <= 100
        if error is None:
            visit.succeeds()
            visit.ends()
            break
        visit.fails(error)
        visit.ends()
        attempt = told.attempts.after(error, attempt, begun=len(told.made) > begun)
    return told


endpoints = st.builds(
    dict,
    attempts=st.integers(0, 3),
    context=st.sampled_from([None, 8, 16, 32]),
    on_content_policy=st.booleans(),
    breaker=st.sampled_from([BreakerLimits(), NEVER]),
)
plans = st.lists(endpoints, min_size=1, max_size=4).map(
    lambda all: tuple(endpoint(name, **policy) for name, policy in zip("abcd", all, strict=False))
)
scripts = st.lists(st.sampled_from(sorted(ERRORS)), max_size=30).map(lambda kinds: [ERRORS[kind]() for kind in kinds])
open_ones = st.sets(st.sampled_from("abcd"))


def resting(targets: Targets, names: Iterable[str]) -> Standings:
    """Standings in which these are open, whatever their limits, and stay so."""
    standings = Standings()
    for target in targets:
        if target.name in names:
            standings.of(target).breaker.fails(NEVER, 1e12, 1e12)
    return standings


@steady
@given(plans, scripts, open_ones, st.integers(0, 5))
def test_attempts_are_bounded_and_in_order_and_end(
    targets: Targets, errors: list[GatewayError], open_ones: set[str], begun: int
) -> None:
    told = invoke(targets, errors, resting(targets, open_ones), begun)
    counts = Counter(told.asked)
    assert all(counts[target.name] <= target.policy.retries.attempts + 1 for target in targets)
    order = sorted(targets, key=lambda target: target.name in open_ones)  # those that rest come last
    runs = list(dict.fromkeys(told.asked))
    assert runs == [target.name for target in order if target.name in counts]
    assert told.asked == [name for name in runs for _ in range(counts[name])]  # nobody is come back to
    assert told.asked[0] == order[0].name  # somebody is asked, resting or not
    assert told.attempts.asked_first is order[0]


@steady
@given(plans, scripts, st.integers(0, 5))
def test_who_would_say_the_same_or_nothing_is_not_asked_again(
    targets: Targets, errors: list[GatewayError], begun: int
) -> None:
    told = invoke(targets, errors, begun=begun)
    for (attempt, error), (following, _) in zip(told.made, told.made[1:], strict=False):
        assert error is not None
        if verdict(error, attempt.target.policy) is not Verdict.AGAIN:
            assert following.target is not attempt.target


@steady
@given(plans, scripts, open_ones)
def test_nobody_is_passed_over_but_for_a_reason(
    targets: Targets, errors: list[GatewayError], open_ones: set[str]
) -> None:
    told = invoke(targets, errors, resting(targets, open_ones))
    last, error = told.made[-1]
    of_first = [error for attempt, error in told.made if attempt.target is told.attempts.asked_first]
    first_errors = [error for error in of_first if isinstance(error, UpstreamError)] or of_first[:1]
    if error is None:
        return
    assert told.attempts.error is first_errors[-1]  # the first target's, not the last one's noise
    if last.target is told.attempts.asked_first and verdict(error, last.target.policy) is Verdict.NOWHERE:
        assert set(told.asked) == {last.target.name}
        return
    too_small = max(
        (attempt.target.policy.context or 0 for attempt, error in told.made if "context" in str(error)), default=0
    )
    for target in targets:
        skipped = too_small and target.policy.context and target.policy.context <= too_small
        assert target.name in told.asked or skipped


@steady
@given(plans, scripts, open_ones)
def test_waits_are_before_retries_alone_and_hurry_is_where_another_stands_ready(
    targets: Targets, errors: list[GatewayError], open_ones: set[str]
) -> None:
    told = invoke(targets, errors, resting(targets, open_ones))
    ready = [target.name for target in targets if target.name not in open_ones]
    before = None
    for attempt, _ in told.made:
        is_retry = before is attempt.target
        assert is_retry or attempt.wait == 0.0
        assert 0.0 <= attempt.wait <= attempt.target.policy.retries.max_backoff
        later = ready[ready.index(attempt.target.name) + 1 :] if attempt.target.name in ready else []
        assert attempt.is_backed is bool(later)
        before = attempt.target


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("refused", "aaabbb"), ("rate", "aaabbb"), ("far", "ab"), ("credentials", "ab"), ("nonsense", "a"),
        ("context", "ab"), ("policy", "a"), ("stop", "ab"), ("unreachable", "aaabbb"), ("garbled", "aaabbb"),
        ("cut", "aaabbb"), ("cut after a silence", "ab"), ("silence", "ab"), ("busy", "ab"), ("cannot be said", "ab"),
    ],
)  # fmt: skip
def test_whom_each_kind_of_error_leads_to_with_two_retries_and_a_fallback(kind: str, asked: str) -> None:
    told = invoke(pair(attempts=2), always(kind))
    assert "".join(told.asked) == asked
    assert told.attempts.error is told.errors[asked.count("a") - 1]


@pytest.mark.parametrize("kind", sorted(ERRORS))
def test_a_bare_endpoint_is_called_once(kind: str) -> None:
    told = invoke((endpoint("a"),), always(kind))
    assert told.asked == ["a"]
    assert not told.attempts.may_be_several


def test_the_waits_double_and_a_provider_that_names_its_own_is_heard() -> None:
    one = (endpoint("a", retries=Retries(attempts=5, backoff=0.5, max_backoff=3.0)),)
    assert [attempt.wait for attempt, _ in invoke(one, always("cut")).made] == [0.0, 0.5, 1.0, 2.0, 3.0, 3.0]
    assert [attempt.wait for attempt, _ in invoke(one, always("rate")).made] == [
        0.0,
        *[pytest.approx(2.2)] * 3,
        3.0,
        3.0,
    ]


def test_what_stands_in_may_refuse_what_the_first_would_not_and_others_are_asked() -> None:
    targets = tuple(endpoint(name) for name in "abc")
    told = invoke(targets, [refused(503), refused(400, "no prefill"), None])
    assert told.asked == ["a", "b", "c"]
    told = invoke(targets, [first := refused(503), refused(400, "no prefill"), refused(422)])
    assert told.attempts.error is first


@pytest.mark.parametrize(
    ("contexts", "asked"),
    [
        ((8, 8), "a"), ((8, 4), "a"), ((8, 16), "ab"), ((None, 4), "ab"), ((8, None), "ab"), ((None, None), "ab"),
        ((8, 4, 16), "ac"), ((8, None, 8), "ab"), ((8, 16, 12), "ab"), ((8, 16, 32), "abc"), ((8, None, 16), "abc"),
        ((None, 8, 8), "ab"),
    ],
)  # fmt: skip
def test_what_did_not_fit_is_not_sent_to_one_that_is_known_to_hold_no_more(
    contexts: tuple[int | None, ...], asked: str
) -> None:
    targets = tuple(endpoint(name, attempts=2, context=context) for name, context in zip("abc", contexts, strict=False))
    assert "".join(invoke(targets, always("context")).asked) == asked


def test_an_error_that_is_not_about_the_context_passes_over_nobody() -> None:
    targets = (endpoint("a", context=8), endpoint("b", context=8))
    assert invoke(targets, always("unreachable")).asked == ["a", "b"]


def test_a_content_policy_leads_on_only_from_those_that_say_so() -> None:
    targets = (endpoint("a", on_content_policy=True), endpoint("b"), endpoint("c"))
    told = invoke(targets, always("policy"))
    assert told.asked == ["a", "b", "c"]
    assert told.attempts.error is told.errors[0]


def test_one_that_rests_is_asked_last_and_one_that_is_alone_always() -> None:
    targets = tuple(endpoint(name, breaker=NEVER) for name in "abc")
    assert invoke(targets, always("cut"), resting(targets, "a")).asked == ["b", "c", "a"]
    assert invoke(targets, always("cut"), resting(targets, "abc")).asked == ["a", "b", "c"]
    assert invoke(targets, [], resting(targets, "ab")).asked == ["c"]
    alone = (endpoint("a", breaker=NEVER, attempts=1),)
    standings = resting(alone, "a")
    for _ in range(5):
        assert invoke(alone, always("cut"), standings).asked == ["a", "a"]


def test_one_whose_circuit_has_opened_meanwhile_is_not_asked_again_where_another_stands_ready() -> None:
    targets = (endpoint("a", attempts=5, breaker=BreakerLimits(failures=2, probe_after=1e6)), endpoint("b"))
    assert invoke(targets, always("cut")).asked == ["a", "a", "b"]


def test_a_probe_that_fails_is_not_repeated_where_another_stands_ready() -> None:
    targets = (endpoint("a", attempts=3, breaker=BreakerLimits(failures=1, probe_after=1e-9)), endpoint("b"))
    standings = Standings()
    standings.of(targets[0]).enter(targets[0]).fails(refused(503))
    assert invoke(targets, always("refused"), standings).asked == ["a", "b"]


def test_retries_of_all_invocations_together_are_kept_to_the_budget_and_failing_over_is_not() -> None:
    targets = (endpoint("a", retries=Retries(attempts=3, budget=0.2)), endpoint("b"))
    standings = Standings()
    counts = Counter(name for _ in range(500) for name in invoke(targets, always("cut"), standings).asked)
    assert counts["b"] == 500
    assert counts["a"] == 500 + 100


def test_a_quiet_gateway_retries() -> None:
    one = (endpoint("a", retries=Retries(attempts=3, budget=0.0)),)
    standings = Standings()
    made = [len(invoke(one, always("cut"), standings).asked) - 1 for _ in range(6)]
    assert made == [3, 3, 3, FLOOR - 9, 0, 0]


def test_a_stream_that_a_provider_ends_with_an_error_goes_on_elsewhere_and_one_that_is_cut_with_the_same() -> None:
    targets = pair(attempts=1)
    assert invoke(targets, [refused(503), None], begun=0).asked == ["a", "b"]
    assert invoke(targets, [ERRORS["cut"](), None], begun=0).asked == ["a", "a"]
    assert invoke(targets, [TimedOut("silent"), None], begun=0).asked == ["a", "b"]
    alone = targets[:1]
    assert invoke(alone, [refused(503), None], begun=0).asked == ["a", "a"]


def test_one_that_is_full_is_passed_over_and_its_own_words_are_the_callers_if_nobody_answers() -> None:
    targets: tuple[Endpoint, ...] = (endpoint("a", attempts=3, max_in_flight=1), endpoint("b"))
    standings = Standings()
    standings.of(targets[0]).enter(targets[0])
    told = invoke(targets, always("unreachable"), standings)
    assert told.asked == ["b"]
    assert isinstance(told.attempts.error, Busy)


@pytest.mark.parametrize(
    ("targets", "several"),
    [((endpoint("a"),), False), ((endpoint("a", attempts=1),), True), ((endpoint("a"), endpoint("b")), True)],
)
def test_it_is_known_whether_one_failure_is_the_end(targets: Targets, several: bool) -> None:
    attempts = Attempts(targets, Standings())
    attempts.first()
    assert attempts.may_be_several is several
