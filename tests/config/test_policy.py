"""What the file says of failures: each key's default, who overrides whom, and what is wrong in one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app.call import Timeouts
from app.config import BreakerLimits, Endpoint, Policy, Retries, Snapshot
from tests.config.writing import problems, read

BARE = Policy()


def chat(name: str, keys: str = "", kind: str = "chat") -> str:
    return f"- {{name: {name}, endpoint_type: llm/v1/{kind}, model: {{provider: local}}{keys and ', '}{keys}}}\n"


def file(a: str = "", top: str = "") -> str:
    """A file: endpoint `a` with these keys, `b`, `c`, and `e` for embeddings; then what stands at its top."""
    return "endpoints:\n" + chat("a", a) + chat("b") + chat("c") + chat("e", kind="embeddings") + top


def snapshot(tmp_path: Path, a: str = "", top: str = "") -> Snapshot:
    return read(tmp_path, file(a, top))


def first(tmp_path: Path, a: str = "", top: str = "") -> Endpoint:
    return snapshot(tmp_path, a, top).endpoints["a"]


def test_a_bare_endpoint_retries_nothing_and_has_all_four_timeouts(tmp_path: Path) -> None:
    bare = first(tmp_path)
    assert bare.policy == BARE == Policy(Retries(attempts=0), BreakerLimits(), None, False, None, None)
    assert bare.fallbacks == ()
    assert bare.timeouts == Timeouts(connect=5, first_token=30, idle=30, total=600)


def test_the_defaults_are_those_that_the_readme_gives() -> None:
    assert Retries() == Retries(attempts=2, backoff=0.5, max_backoff=8, budget=0.2)
    assert BreakerLimits() == BreakerLimits(failures=5, window=30, probe_after=10)


@pytest.mark.parametrize(
    ("keys", "policy"),
    [
        ("retries: {}", replace(BARE, retries=Retries())),
        ("retries: ", BARE),
        ("retries: {attempts: 0}", BARE),
        ("retries: {attempts: 5}", replace(BARE, retries=Retries(attempts=5))),
        ("retries: {backoff: 2, budget: 1}", replace(BARE, retries=Retries(backoff=2, budget=1))),
        ("retries: {max_backoff: 0.5, budget: 0}", replace(BARE, retries=Retries(max_backoff=0.5, budget=0))),
        ("fallbacks: [b]", replace(BARE, retries=Retries())),
        ("fallbacks: []", BARE),
        ("fallbacks: [b], retries: {attempts: 0}", BARE),
        ("fallbacks: [b], retries: {backoff: 3}", replace(BARE, retries=Retries(backoff=3))),
        ("breaker: {}", BARE),
        ("breaker: {failures: 1}", replace(BARE, breaker=BreakerLimits(failures=1))),
        ("breaker: {window: 5, probe_after: 0.5}", replace(BARE, breaker=BreakerLimits(5, 5, 0.5))),
        ("resume: verify", replace(BARE, resumes=True)),
        ("resume: none", replace(BARE, resumes=False)),
        ("on_content_policy: true", replace(BARE, on_content_policy=True)),
        ("on_content_policy: false", BARE),
        ("context: 128000", replace(BARE, context=128000)),
        ("max_in_flight: 1", replace(BARE, max_in_flight=1)),
    ],
)
def test_an_endpoint_says_what_holds_for_it(tmp_path: Path, keys: str, policy: Policy) -> None:
    found = snapshot(tmp_path, keys)
    assert found.endpoints["a"].policy == policy
    assert found.endpoints["b"].policy == BARE


@pytest.mark.parametrize(
    ("top", "keys", "policy"),
    [
        ("retries: {}", "", replace(BARE, retries=Retries())),
        ("retries: {attempts: 4, backoff: 1}", "", replace(BARE, retries=Retries(attempts=4, backoff=1))),
        ("retries: {attempts: 4, backoff: 1}", "retries: {attempts: 1}", replace(BARE, retries=Retries(1, 1))),
        ("retries: {attempts: 4}", "retries: {attempts: 0}", BARE),
        ("retries: {attempts: 4}", "retries: ", replace(BARE, retries=Retries(attempts=4))),
        ("fallbacks: [b]", "", replace(BARE, retries=Retries())),
        ("fallbacks: [b]", "fallbacks: []", BARE),
        ("breaker: {failures: 2, window: 9}", "breaker: {window: 3}", replace(BARE, breaker=BreakerLimits(2, 3))),
        ("resume: none", "", replace(BARE, resumes=False)),
        ("resume: none", "resume: verify", replace(BARE, resumes=True)),
        ("on_content_policy: true", "", replace(BARE, on_content_policy=True)),
        ("on_content_policy: true", "on_content_policy: false", BARE),
        ("max_in_flight: 7", "", BARE),
        ("max_in_flight: 7", "max_in_flight: 9", replace(BARE, max_in_flight=9)),
    ],
)
def test_the_top_of_the_file_holds_for_those_that_do_not_say_it_themselves(
    tmp_path: Path, top: str, keys: str, policy: Policy
) -> None:
    assert first(tmp_path, keys, f"{top}\n").policy == policy


def test_max_in_flight_at_the_top_is_the_process_and_in_an_endpoint_the_endpoints(tmp_path: Path) -> None:
    found = snapshot(tmp_path, "max_in_flight: 3", "max_in_flight: 50\n")
    assert found.max_in_flight == 50
    assert [each.policy.max_in_flight for each in found.endpoints.values()] == [3, None, None, None]
    assert snapshot(tmp_path).max_in_flight is None


def test_sessions_are_named_by_a_header_that_the_file_chooses(tmp_path: Path) -> None:
    assert snapshot(tmp_path).session_header == "X-Session-Id"
    assert snapshot(tmp_path, top="session_header: X-Conversation\n").session_header == "X-Conversation"


def test_fallbacks_stand_in_their_order_and_have_none_of_their_own(tmp_path: Path) -> None:
    text = "endpoints:\n" + chat("a", "fallbacks: [c, b]") + chat("b", "fallbacks: [a]") + chat("c", "context: 9")
    endpoints = read(tmp_path, text).endpoints
    assert [each.name for each in endpoints["a"].fallbacks] == ["c", "b"]
    assert [each.name for each in endpoints["b"].fallbacks] == ["a"]
    assert all(each.fallbacks == () for name in "ab" for each in endpoints[name].fallbacks)
    assert endpoints["a"].fallbacks[0].policy == endpoints["c"].policy == replace(BARE, context=9)


def test_fallbacks_of_the_file_hold_for_their_own_type_and_not_for_themselves(tmp_path: Path) -> None:
    endpoints = snapshot(tmp_path, top="fallbacks: [b, e]\n").endpoints
    names = {name: [each.name for each in endpoint.fallbacks] for name, endpoint in endpoints.items()}
    assert names == {"a": ["b"], "b": [], "c": ["b"], "e": []}
    own = snapshot(tmp_path, "fallbacks: [c]", "fallbacks: [b]\n").endpoints
    assert [each.name for each in own["a"].fallbacks] == ["c"]


def test_a_route_has_fallbacks_of_its_own(tmp_path: Path) -> None:
    arms = "destinations: [{name: a, traffic_percentage: 100}]"
    route = f"routes: [{{name: r, task_type: llm/v1/chat, {arms}, fallbacks: [c, b]}}]\n"
    found = snapshot(tmp_path, "fallbacks: [b]", route).routes["r"]
    assert [each.name for each in found.fallbacks] == ["c", "b"]
    ((arm, share),) = found.destinations
    assert ([each.name for each in arm.fallbacks], share) == (["b"], 100)


@pytest.mark.parametrize(
    ("said", "alone", "whole", "stream"),
    [
        ("", Timeouts(5, 30, 30, 600), Timeouts(5, 10, 30, 60), Timeouts(5, 10, 30, 600)),
        ("first_token: 20", Timeouts(5, 20, 30, 600), Timeouts(5, 20, 30, 60), Timeouts(5, 20, 30, 600)),
        ("total: 300", Timeouts(5, 30, 30, 300), Timeouts(5, 10, 30, 300), Timeouts(5, 10, 30, 300)),
        ("total: 5, idle: 2", Timeouts(5, 30, 2, 5), Timeouts(5, 10, 2, 5), Timeouts(5, 10, 2, 5)),
        ("connect: 1", Timeouts(1, 30, 30, 600), Timeouts(1, 10, 30, 60), Timeouts(1, 10, 30, 600)),
    ],
)
def test_there_is_less_patience_where_another_stands_ready_unless_the_file_says_otherwise(
    tmp_path: Path, said: str, alone: Timeouts, whole: Timeouts, stream: Timeouts
) -> None:
    for found in (first(tmp_path, f"timeouts: {{{said}}}"), first(tmp_path, top=f"timeouts: {{{said}}}\n")):
        assert found.timeouts == alone
        assert found.hurried == (whole, stream)


def test_timeouts_of_the_file_and_of_an_endpoint_are_joined_for_haste_too(tmp_path: Path) -> None:
    found = first(tmp_path, "timeouts: {total: 90}", "timeouts: {first_token: 3, total: 9}\n")
    assert found.timeouts == Timeouts(first_token=3, total=90)
    assert found.hurried == (Timeouts(first_token=3, total=90),) * 2


WRONG = [
    ("retries: 3", "retries", "should be a mapping, not a number"),
    ("retries: true", "retries", "should be a mapping, not true or false"),
    ("retries: {attempts: -1}", "retries.attempts", "should be between 0 and 10"),
    ("retries: {attempts: 11}", "retries.attempts", "should be between 0 and 10"),
    ("retries: {attempts: 1.5}", "retries.attempts", "should be a whole number, not a fraction"),
    ("retries: {attempts: '2'}", "retries.attempts", "should be a whole number, not a string"),
    ("retries: {attempts: true}", "retries.attempts", "should be a whole number, not true or false"),
    ("retries: {backoff: 0}", "retries.backoff", "should be seconds: more than 0, at most 86400"),
    ("retries: {max_backoff: -1}", "retries.max_backoff", "should be seconds: more than 0, at most 86400"),
    ("retries: {max_backoff: .inf}", "retries.max_backoff", "should be a"),
    ("retries: {budget: 1.1}", "retries.budget", "should be a share: between 0 and 1"),
    ("retries: {budget: -0.1}", "retries.budget", "should be a share: between 0 and 1"),
    ("retries: {budget: .nan}", "retries.budget", "should be a"),
    ("retries: {budget: 20%}", "retries.budget", "should be a number, not a string"),
    ("retries: {atempts: 2}", "retries.atempts", "unknown key 'atempts'; did you mean 'attempts'?"),
    ("breaker: []", "breaker", "should be a mapping, not a list"),
    ("breaker: {failures: 0}", "breaker.failures", "should be at least 1"),
    ("breaker: {window: 0}", "breaker.window", "should be seconds"),
    ("breaker: {probe_after: 0}", "breaker.probe_after", "should be seconds"),
    ("breaker: {probe: 1}", "breaker.probe", "unknown key 'probe'; did you mean 'probe_after'?"),
    ("timeouts: {first_tokens: 3}", "timeouts.first_tokens", "did you mean 'first_token'?"),
    ("resume: always", "resume", "unknown value 'always'"),
    ("resume: true", "resume", "should be a string, not true or false"),
    ("on_content_policy: 'yes'", "on_content_policy", "should be true or false, not a string"),
    ("max_in_flight: 0", "max_in_flight", "should be at least 1"),
    ("max_in_flight: 2.5", "max_in_flight", "should be a whole number, not a fraction"),
    ("fallbacks: b", "fallbacks", "should be a list, not a string"),
    ("fallbacks: {b: 1}", "fallbacks", "should be a list, not a mapping"),
    ("fallbacks: [7]", "fallbacks[0]", "should be a string, not a number: put it into quotes"),
    ("fallbacks: [null]", "fallbacks[0]", "should be a string, not nothing"),
    ("fallbacks: [bb]", "fallbacks[0]", "there is no endpoint 'bb'; did you mean 'b'?"),
    ("fallbacks: [b, nobody]", "fallbacks[1]", "there is no endpoint 'nobody'"),
    ("fallback: [b]", "fallback", "unknown key 'fallback'; did you mean 'fallbacks'?"),
]


@pytest.mark.parametrize(("keys", "path", "words"), WRONG)
def test_a_mistake_is_one_sentence_with_its_place_in_an_endpoint_and_at_the_top(
    tmp_path: Path, keys: str, path: str, words: str
) -> None:
    (told,) = problems(tmp_path, file(keys))
    assert told.startswith(f"2: endpoints[0].{path}: ")
    assert words in told
    (told,) = problems(tmp_path, file(top=f"{keys}\n"))
    assert told.startswith(f"6: {path}: ")
    assert words in told


@pytest.mark.parametrize(
    ("keys", "path", "words"),
    [
        ("fallbacks: [a]", "fallbacks[0]", "'a' cannot stand in for itself"),
        ("fallbacks: [b, a]", "fallbacks[1]", "'a' cannot stand in for itself"),
        ("fallbacks: [e]", "fallbacks[0]", "endpoint 'e' is llm/v1/embeddings, and not llm/v1/chat"),
        ("context: 0", "context", "should be at least 1"),
        ("context: 8k", "context", "should be a whole number, not a string"),
    ],
)
def test_a_mistake_that_only_an_endpoint_can_make_is_one_sentence_too(
    tmp_path: Path, keys: str, path: str, words: str
) -> None:
    (told,) = problems(tmp_path, file(keys))
    assert told == f"2: endpoints[0].{path}: {words}"


@pytest.mark.parametrize(
    ("top", "told"),
    [
        ("context: 5", "6: context: unknown key 'context'"),
        ("session_header: ''", "6: session_header: '' is not a header's name"),
        ("session_header: 'X Y'", "6: session_header: 'X Y' is not a header's name"),
        ("session_header: 'X:'", "6: session_header: 'X:' is not a header's name"),
        ("session_header: 7", "6: session_header: should be a string, not a number: put it into quotes"),
        ("session_headr: X", "6: session_headr: unknown key 'session_headr'; did you mean 'session_header'?"),
    ],
)
def test_a_mistake_at_the_top_is_one_sentence(tmp_path: Path, top: str, told: str) -> None:
    (found,) = problems(tmp_path, file(top=f"{top}\n"))
    assert found.startswith(told)


@pytest.mark.parametrize(
    ("fallbacks", "told"),
    [
        ("[bb]", "there is no endpoint 'bb'; did you mean 'b'?"),
        ("[e]", "endpoint 'e' is llm/v1/embeddings, and not llm/v1/chat"),
        ("[r]", "there is no endpoint 'r'"),
    ],
)
def test_a_routes_fallbacks_are_endpoints_of_its_type(tmp_path: Path, fallbacks: str, told: str) -> None:
    arms = "destinations: [{name: a, traffic_percentage: 100}]"
    route = f"routes:\n- {{name: r, task_type: llm/v1/chat, {arms}, fallbacks: {fallbacks}}}\n"
    (found,) = problems(tmp_path, file(top=route))
    assert found.startswith(f"7: routes[0].fallbacks[0]: {told}")


def test_a_fallback_that_is_itself_wrong_is_blamed_once(tmp_path: Path) -> None:
    text = "endpoints:\n" + chat("a", "fallbacks: [b]") + chat("b", "retries: 3")
    assert problems(tmp_path, text) == ["3: endpoints[1].retries: should be a mapping, not a number"]
