"""The sixteen scenarios of Failover Bench, one test each, with shortened times or (`-m published_times`) its own."""

from __future__ import annotations

import pytest

from tests.faults.caller import Answer
from tests.faults.runs import CASES, WORKERS, Case, Seen, run
from tests.faults.scenarios import (
    BACK_WITHIN,
    BAD_FOR,
    CALLS,
    FALLBACK_MODEL,
    OTHER,
    OTHER_WORDS,
    PRIMARY_MODEL,
    PUBLISHED,
    SHORT,
    TEXT,
    USAGES,
    WORDS,
)

PROBE_AFTER = 10.0
"""Seconds: the breaker's default."""

_TIMES = [
    pytest.param(SHORT, id="short"),
    pytest.param(PUBLISHED, id="published", marks=[pytest.mark.published_times, pytest.mark.timeout(400)]),
]


@pytest.fixture(scope="module", params=_TIMES)
def runs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[Case, Seen]:
    """Every case, run at once."""
    return run(request.param, tmp_path_factory.mktemp("sixteen"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test's number says which scenario it is about; it is asked of streams and of whole answers."""
    if "seen" in metafunc.fixturenames:
        cases = cases_of(metafunc.function.__name__)
        metafunc.parametrize("seen", cases, ids=[mode.partition(",")[0] for _, mode in cases], indirect=True)


@pytest.fixture
def seen(request: pytest.FixtureRequest, runs: dict[Case, Seen]) -> Seen:
    """What came of the test's scenario."""
    return runs[request.param]


def cases_of(name: str) -> list[Case]:
    """Those that a test of this name is about."""
    number, differs = int(name.split("_")[1]), "says_something_else" in name
    return [case for case in CASES if case[0] == number and (case[1] == OTHER) == differs]


def assert_whole(answer: Answer, model: str) -> None:
    """It is all of that model's answer, and says that it is over."""
    assert (answer.status, answer.error, answer.is_cut) == (200, None, False)
    assert answer.text == TEXT
    assert (answer.finish, answer.done) == (["stop"], True)
    assert answer.models <= {model} and answer.usage == [USAGES[model]]


def test_01_a_429_with_retry_after_is_waited_for(seen: Seen) -> None:
    assert_whole(seen.answer, PRIMARY_MODEL)
    first, second = seen.primary
    assert second.received - first.sent[0] >= seen.times(1.8)
    assert (seen.answer.attempts, seen.fallback) == (2, [])


def test_02_a_429_without_end_is_answered_by_the_fallback_and_not_hammered(seen: Seen) -> None:
    assert_whole(seen.answer, FALLBACK_MODEL)
    assert len(seen.asked) == 4, "at most 4 in 3 s, and 6 in all"


def test_03_a_500_is_asked_again_at_the_same_provider(seen: Seen) -> None:
    assert_whole(seen.answer, PRIMARY_MODEL)
    assert (len(seen.primary), len(seen.fallback)) == (2, 0)


def test_04_a_503_without_end_is_answered_by_the_fallback(seen: Seen) -> None:
    assert_whole(seen.answer, FALLBACK_MODEL)
    assert len(seen.asked) <= 6


def test_05_a_reset_before_any_byte_is_not_seen(seen: Seen) -> None:
    assert_whole(seen.answer, PRIMARY_MODEL)
    assert len(seen.primary) == 2


def test_06_a_silent_provider_is_asked_once_and_the_fallback_answers(seen: Seen) -> None:
    assert_whole(seen.answer, FALLBACK_MODEL)
    assert len(seen.primary) == 1
    assert seen.primary[0].client_left.is_set(), "nobody hung up on the silent provider"
    assert seen.answer.seconds < seen.times.at_most(100)


def test_07_a_late_first_token_is_not_waited_for(seen: Seen) -> None:
    assert_whole(seen.answer, FALLBACK_MODEL)
    assert len(seen.primary) == 1
    assert seen.answer.seconds < seen.times.at_most(15)


def test_08_a_stream_that_dies_goes_on_in_another_that_says_the_same(seen: Seen) -> None:
    assert_whole_after_a_break(seen)


def test_08_a_stream_that_dies_ends_with_the_error_where_the_other_says_something_else(seen: Seen) -> None:
    assert_told_of_a_break(seen, 40, "upstream_cut")


def test_09_a_stream_that_falls_silent_goes_on_in_another_that_says_the_same(seen: Seen) -> None:
    assert_whole_after_a_break(seen)
    assert len(seen.primary) == 1
    assert seen.answer.seconds < seen.times.at_most(45)
    assert_whole(seen.next, FALLBACK_MODEL)


def test_09_a_stream_that_falls_silent_ends_with_the_error_where_the_other_says_something_else(seen: Seen) -> None:
    assert_told_of_a_break(seen, 20, "upstream_timeout", "upstream_cut")  # both after 30 s: either may be first
    assert seen.answer.seconds < seen.times.at_most(45)
    assert seen.next.text == "".join(OTHER_WORDS)


def test_10_an_event_that_is_not_json_is_skipped(seen: Seen) -> None:
    assert_whole(seen.answer, PRIMARY_MODEL)
    assert b"garbage" not in seen.answer.body
    assert len(seen.asked) == 1
    assert seen.log[0]["dropped_events"] == 1


def test_11_a_stream_without_done_is_over_when_it_ends(seen: Seen) -> None:
    assert_whole(seen.answer, PRIMARY_MODEL)
    assert len(seen.asked) == 1
    assert seen.answer.seconds < seen.times.at_most(8)


def test_12_what_is_too_long_is_not_sent_to_the_same_model_again(seen: Seen) -> None:
    assert_whole(seen.answer, FALLBACK_MODEL)
    assert (len(seen.primary), len(seen.fallback)) == (1, 1)


def test_13_a_content_policys_refusal_is_the_answer(seen: Seen) -> None:
    assert seen.answer.status == 400
    assert seen.answer.error == {
        "message": "this is not allowed",
        "type": "invalid_request_error",
        "param": None,
        "code": "content_policy_violation",
    }
    assert seen.answer.headers["x-gateway-error-source"] == "provider"
    assert len(seen.asked) == 1


def test_14_a_stream_that_dies_is_not_resumed_by_prefill(seen: Seen) -> None:
    assert_whole_after_a_break(seen)
    assert {request.json["messages"][-1]["role"] for request in seen.asked} == {"user"}


def test_14_a_stream_that_dies_ends_with_its_own_error_where_the_other_says_something_else(seen: Seen) -> None:
    assert_told_of_a_break(seen, 40, "upstream_cut")
    assert {request.json["messages"][-1]["role"] for request in seen.asked} == {"user"}


def test_15_an_outage_is_noticed_and_so_is_its_end(seen: Seen) -> None:
    recovered = seen.primary[0].received + seen.times(BAD_FOR)
    assert len(seen.answers) == CALLS
    for answer in seen.answers:
        assert_whole(answer, FALLBACK_MODEL if "fallback" in answer.endpoint else PRIMARY_MODEL)
    back = min(answer.called for answer in seen.answers if answer.endpoint == seen.log[0]["name"])
    assert back - recovered < seen.times.at_most(BACK_WITHIN)
    down = [answer for answer in seen.answers if answer.ended < recovered]
    assert len([answer for answer in down if answer.attempts > 2]) <= 3 * WORKERS, "the circuit did not open"
    probes = [answer for answer in down if answer.attempts == 2]
    assert len(probes) <= WORKERS * (BAD_FOR / PROBE_AFTER + 1)


def test_16_the_answer_is_the_fallbacks_and_no_failure_counts_as_one(seen: Seen) -> None:
    assert_whole(seen.answer, FALLBACK_MODEL)
    primary = seen.log[0]["name"]
    assert seen.answer.endpoint == f"{primary}-fallback"
    line = seen.log[0]
    assert (line["endpoint"], line["model"], line["attempts"]) == (f"{primary}-fallback", f"{primary}-fallback", 4)
    assert (line["status"], line["error"], line["output_tokens"]) == (200, None, 62)
    assert [(failed["endpoint"], failed["error"]) for failed in line["failed_attempts"]] == [
        (primary, "provider_503")
    ] * 3
    assert seen.failed == {primary: 3}


def assert_whole_after_a_break(seen: Seen) -> None:
    """The caller has one answer from its beginning to its end, though its first provider broke off."""
    assert (seen.answer.status, seen.answer.error, seen.answer.is_cut) == (200, None, False)
    assert seen.answer.text == TEXT
    assert (seen.answer.finish, seen.answer.done) == (["stop"], True)
    assert seen.answer.usage == [USAGES[FALLBACK_MODEL]]
    assert len(seen.fallback) == 1
    assert len(seen.log[0]["failed_attempts"]) == len(seen.primary)


def assert_told_of_a_break(seen: Seen, tokens: int, *codes: str) -> None:
    """The caller has what the first provider said, and the error; nothing of the other, nothing that looks whole."""
    assert seen.answer.text == "".join(WORDS[:tokens])
    assert seen.answer.error is not None and seen.answer.error["code"] in codes
    assert (seen.answer.finish, seen.answer.done) == ([], False)
    assert seen.answer.models == {PRIMARY_MODEL}
    assert (len(seen.fallback), seen.log[0]["error"]) == (1, seen.answer.error["code"])
