"""What an error means, and how long to wait: tables, and properties of the waits."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.config import Policy, Retries
from app.errors import (
    Busy,
    Cut,
    Garbled,
    GatewayError,
    LimitExceeded,
    TimedOut,
    Unreachable,
    UpstreamError,
)
from app.failover.retry import Verdict, is_context_length, is_failure, pause, retry_after, verdict
from tests.failover.making import ERRORS, FILTERED, TOO_LONG, refused, silent, steady

AGAIN, ELSEWHERE, NOWHERE = Verdict.AGAIN, Verdict.ELSEWHERE, Verdict.NOWHERE


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (400, NOWHERE), (401, ELSEWHERE), (402, ELSEWHERE), (403, ELSEWHERE), (404, ELSEWHERE), (405, NOWHERE),
        (408, AGAIN), (409, AGAIN), (410, ELSEWHERE), (413, NOWHERE), (415, NOWHERE), (418, NOWHERE), (422, NOWHERE),
        (424, AGAIN), (429, AGAIN), (451, NOWHERE), (500, AGAIN), (502, AGAIN), (503, AGAIN), (504, AGAIN),
        (520, AGAIN), (529, AGAIN), (599, AGAIN),
    ],
)  # fmt: skip
def test_a_refusal_without_telling_words_means_what_its_status_says(status: int, means: Verdict) -> None:
    assert verdict(refused(status), Policy()) is means


@pytest.mark.parametrize(
    ("error", "means", "is_the_providers"),
    [
        (Unreachable("reset"), AGAIN, True),
        (Garbled("not JSON"), AGAIN, True),
        (Cut("cut"), AGAIN, True),
        (UpstreamError("something"), AGAIN, True),
        (TimedOut("nothing"), ELSEWHERE, True),
        (silent(Cut("cut after a silence")), ELSEWHERE, True),
        (Busy("full"), ELSEWHERE, False),
        (LimitExceeded("used up"), ELSEWHERE, False),
        (ERRORS["cannot be said"](), ELSEWHERE, False),
        (refused(503), AGAIN, True),
        (refused(401), ELSEWHERE, True),
        (refused(400), NOWHERE, False),
        (refused(500, TOO_LONG), ELSEWHERE, False),
        (refused(400, FILTERED), NOWHERE, False),
        (refused(429), AGAIN, True),
        (refused(429, code="insufficient_quota"), ELSEWHERE, True),
    ],
)
def test_each_kind_of_error_means_one_thing_and_some_count_against_the_provider(
    error: GatewayError, means: Verdict, is_the_providers: bool
) -> None:
    assert verdict(error, Policy()) is means
    assert is_failure(error) is is_the_providers


@pytest.mark.parametrize("status", [400, 403, 413, 422, 429, 500, 503, 529])
def test_a_code_counts_whatever_the_status(status: int) -> None:
    assert verdict(refused(status, code="context_length_exceeded"), Policy()) is ELSEWHERE
    assert verdict(refused(status, type="exceed_context_size_error"), Policy()) is ELSEWHERE
    for code in ("content_policy_violation", "content_filter"):
        assert verdict(refused(status, code=code), Policy()) is NOWHERE
        assert verdict(refused(status, code=code), Policy(on_content_policy=True)) is ELSEWHERE
        assert not is_failure(refused(status, code=code))


def test_content_policy_goes_on_only_where_it_may_and_opens_nothing_else() -> None:
    may = Policy(on_content_policy=True)
    assert verdict(refused(400, FILTERED), may) is ELSEWHERE
    assert verdict(refused(400, "temperature is odd"), may) is NOWHERE
    assert verdict(refused(503), may) is AGAIN


@pytest.mark.parametrize(
    ("name", "value", "means"),
    [
        ("x-should-retry", "false", ELSEWHERE), ("X-Should-Retry", "FALSE", ELSEWHERE),
        ("X-SHOULD-RETRY", " false ", ELSEWHERE), ("x-should-retry", "true", AGAIN), ("x-should-retry", "", AGAIN),
        ("x-should-retry", "0", AGAIN), ("should-retry", "false", AGAIN),
    ],
)  # fmt: skip
def test_a_provider_that_says_not_to_be_asked_again_is_not(name: str, value: str, means: Verdict) -> None:
    assert verdict(refused(503, headers={name: value}), Policy()) is means
    assert verdict(refused(429, headers={name: value}), Policy()) is means


def test_a_provider_that_says_to_ask_again_is_not_believed_where_it_would_say_the_same() -> None:
    assert verdict(refused(400, headers={"x-should-retry": "true"}), Policy()) is NOWHERE


NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "2"}, 2.0),
        ({"retry-after": " 2 "}, 2.0),
        ({"RETRY-AFTER": "0"}, 0.0),
        ({"Retry-After": "1.5"}, 1.5),
        ({"Retry-After": "007"}, 7.0),
        ({"Retry-After-Ms": "1500"}, 1.5),
        ({"retry-after-ms": "250.5"}, 0.2505),
        ({"Retry-After": "9", "retry-after-ms": "100"}, 0.1),
        ({"Retry-After": "9", "retry-after-ms": "soon"}, 9.0),
        ({"Retry-After": "9", "retry-after-ms": ""}, 9.0),
        ({"Retry-After": "Sun, 06 Nov 1994 08:49:47 GMT"}, 10.0),
        ({"Retry-After": "Sunday, 06-Nov-94 08:49:47 GMT"}, 10.0),
        ({"Retry-After": "Sun Nov  6 08:49:47 1994"}, 10.0),
        ({"Retry-After": "Sun, 06 Nov 1994 09:49:47 +0100"}, 10.0),
        ({"Retry-After": "Sun, 06 Nov 1994 08:00:00 GMT"}, 0.0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0.0),
        ({"Retry-After": "9" * 400}, float("inf")),
        ({"Retry-After": "9" * 15}, float("9" * 15)),
        *[
            ({"Retry-After": junk}, None)
            for junk in ("", "-1", "+2", "2s", "nan", "inf", "infinity", "-infinity", "1e3", "0x10", "1_000", "soon",
                         "٣", "\uff12", "1.", ".5", "1,5", "2 3", "Sun, 99 Nov 1994 08:49:37 GMT", "\x00", "true")
        ],
    ],
)  # fmt: skip
def test_what_a_header_asks_for_is_read_or_passed_over(headers: dict[str, str], seconds: float | None) -> None:
    found = retry_after(headers, lambda: NOW)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_a_date_is_read_the_same_in_every_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert retry_after({"Retry-After": "Sun Nov  6 08:49:47 1994"}, lambda: NOW) == 10.0
    finally:
        monkeypatch.undo()
        time.tzset()


@steady
@given(st.text(max_size=60), st.text(max_size=60))
@example("Mon, 01 Jan 0001 00:00:00 +2359", "")
@example("Fri, 31 Dec 9999 23:59:59 -2359", "")
@example("Tue, 99999999999999999999 Nov 1994 08:49:37", "")
def test_nothing_that_a_header_says_is_an_error_of_ours(said: str, milliseconds: str) -> None:
    found = retry_after({"Retry-After": said, "Retry-After-Ms": milliseconds}, lambda: NOW)
    assert found is None or found >= 0.0


seconds = st.floats(0.01, 100, allow_nan=False)
retries = st.builds(Retries, attempts=st.integers(0, 10), backoff=seconds, max_backoff=seconds)
dice = st.integers().map(lambda seed: random.Random(seed).uniform) | st.sampled_from([min, max])  # the ends, too
"""What random.uniform may give."""


@steady
@given(retries, st.integers(0, 10), dice)
def test_a_wait_grows_up_to_its_cap_and_is_spread_from_nothing(retries: Retries, retry: int, uniform: object) -> None:
    wait = pause(Cut("cut"), retry, retries, uniform)  # type: ignore[arg-type]
    cap = min(retries.max_backoff, retries.backoff * 2**retry)
    assert wait is not None
    assert 0.0 <= wait <= cap
    assert pause(Cut("cut"), retry, retries, max) == cap
    assert pause(Cut("cut"), retry, retries, min) == 0.0


@steady
@given(retries, st.integers(0, 10), dice, st.floats(0, 200).map(lambda asked: f"{asked:.3f}"))
def test_a_provider_is_never_asked_sooner_than_it_says_nor_later_than_the_cap(
    retries: Retries, retry: int, uniform: object, asked: str
) -> None:
    wait = pause(refused(429, headers={"Retry-After": asked}), retry, retries, uniform)  # type: ignore[arg-type]
    if float(asked) > retries.max_backoff:
        assert wait is None
    else:
        assert wait is not None
        assert float(asked) <= wait <= retries.max_backoff


def test_a_date_that_is_asked_for_is_waited_for() -> None:
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=300), usegmt=True)
    error = refused(503, headers={"Retry-After": soon})
    assert pause(error, 0, Retries(max_backoff=200), max) is None
    wait = pause(error, 0, Retries(max_backoff=400), min)
    assert wait is not None
    assert 200 < wait <= 300


def test_only_a_refusal_can_be_about_the_context() -> None:
    assert is_context_length(refused(400, TOO_LONG))
    assert not is_context_length(Garbled(TOO_LONG))
    assert not is_context_length(Cut("cut", code="context_length_exceeded"))
