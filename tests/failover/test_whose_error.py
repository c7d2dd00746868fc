"""Whose error the caller hears where nobody answers and some could not even be asked."""

from __future__ import annotations

from app.config import BreakerLimits
from app.errors import Busy
from app.failover.attempts import Attempts
from app.failover.standing import Standings
from tests.failover.making import ERRORS, endpoint, pair, refused


def test_that_the_first_could_not_be_asked_again_says_less_than_what_it_said() -> None:
    attempts = Attempts(pair(attempts=1), Standings())
    first = attempts.first()
    attempts.enter(first).ends()
    again = attempts.after(said := refused(503), first)
    assert again is not None and again.target is first.target
    attempts.after(Busy("full meanwhile"), again)
    assert attempts.error is said


def test_one_that_stands_in_and_cannot_even_be_asked_is_not_who_the_caller_hears_of() -> None:
    targets = (endpoint("a", breaker=BreakerLimits(failures=1, probe_after=1e6)), endpoint("b"))
    standings = Standings()
    standings.of(targets[0]).enter(targets[0]).fails(refused(503))
    attempts = Attempts(targets, standings)
    stands_in = attempts.first()
    assert stands_in.target.name == "b"
    rests = attempts.after(ERRORS["cannot be said"](), stands_in)
    assert rests is not None and rests.target.name == "a"
    attempts.enter(rests).ends()
    assert attempts.after(said := refused(503), rests) is None
    assert (attempts.error, attempts.asked_first) == (said, targets[0])
