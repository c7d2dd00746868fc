"""Streams that break off when the caller has some of them: gone on with where another says the same, else not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.caller import Answer, heard
from tests.faults.pair import DOWN, QUICK, Pair, post
from tests.faults.scenarios import (
    FALLBACK_MODEL,
    OTHER_WORDS,
    PRIMARY_MODEL,
    TEXT,
    USAGES,
    WORDS,
    breaking_off,
    chunks,
    healthy,
)
from tests.serving import endpoint
from tests.telemetry.test_metrics import metric
from tests.upstream import Close, Hang, Pause, Reset, Step, chunk, event_bytes, sse_reply

Told = Callable[[], list[dict[str, Any]]]

BREAKS: dict[str, tuple[Step, ...]] = {
    "it closes": (Close(),),
    "it resets": (Pause(0.5), Reset()),
    "its message ends without a finish reason": (),
    "an error under the 200": (b'data: {"error": {"message": "overloaded", "code": 503}}\n\n',),
    "an error event": (b'event: error\ndata: {"message": "overloaded"}\n\n',),
}


def regrouped(*sizes: int, model: str = FALLBACK_MODEL, words: list[str] = WORDS) -> list[dict[str, Any]]:
    """A healthy stream whose chunks hold so many tokens each, and then one each."""
    left, groups = list(words), []
    for size in sizes:
        groups.append("".join(left[:size]))
        del left[:size]
    return chunks(model, [*groups, *left])


def assert_whole(answer: Answer) -> None:
    assert (answer.status, answer.text, answer.error) == (200, TEXT, None)
    assert (answer.finish, answer.done) == (["stop"], True)
    assert len({document["id"] for document in answer.documents}) == 1, "it goes on under another id"


def assert_broken(answer: Answer, tokens: int, *, lost: bool = False) -> None:
    """It ends with the error after so many tokens; or fewer, where a reset throws away what was not read yet."""
    said = "".join(WORDS[:tokens])
    assert said.startswith(answer.text) and answer.text and (lost or answer.text == said)
    assert (answer.status, answer.finish) == (200, [])
    assert answer.error is not None and answer.error["code"] != "internal_error" and not answer.done
    assert b'"error"' in answer.events[-1]


@pytest.mark.parametrize("provider", ["openai", "openai-compatible"])
@pytest.mark.parametrize("how", BREAKS)
def test_it_goes_on_in_the_fallback_where_that_says_the_same(pair: Pair, how: str, provider: str) -> None:
    pair.primary.replies = breaking_off(40, *BREAKS[how])
    answer = post(pair.serve(provider=provider), stream=True)
    assert_whole(answer)
    assert answer.usage == [USAGES[FALLBACK_MODEL]]
    assert pair.fallback.requests[0].json["messages"] == pair.primary.requests[0].json["messages"]


@pytest.mark.parametrize("how", BREAKS)
def test_it_ends_with_the_first_error_where_the_fallback_says_something_else(pair: Pair, how: str, told: Told) -> None:
    pair.primary.replies = breaking_off(40, *BREAKS[how])
    pair.fallback.replies = sse_reply(chunks(FALLBACK_MODEL, OTHER_WORDS))
    answer = post(pair.serve(), stream=True)
    assert_broken(answer, 40, lost=how == "it resets")
    if "error" in how:
        assert answer.error is not None and answer.error["message"] == "overloaded"
    (line,) = told()
    assert (line["endpoint"], line["error"], line["output_tokens"]) == (
        "chat",
        line["failed_attempts"][0]["error"],
        None,
    )
    differing = line["failed_attempts"][-1]
    assert (differing["endpoint"], differing["error"]) == ("standby", "upstream_differs")


@pytest.mark.parametrize("how", BREAKS)
@pytest.mark.parametrize("resume", [{"resume": "none"}, {"fallbacks": [], "retries": {"attempts": 0}}])
def test_it_ends_with_the_error_at_once_where_it_may_not_go_on(pair: Pair, how: str, resume: dict[str, Any]) -> None:
    pair.primary.replies = breaking_off(40, *BREAKS[how])
    assert_broken(post(pair.serve(**resume), stream=True), 40, lost=how == "it resets")
    assert pair.asked == (1, 0)


def test_a_cut_is_asked_for_again_at_the_same_provider_first(pair: Pair) -> None:
    pair.primary.replies = [breaking_off(40, Close()), sse_reply(chunks(PRIMARY_MODEL))]
    answer = post(pair.serve(), stream=True)
    assert_whole(answer)
    assert pair.asked == (2, 0)


def test_a_silence_is_asked_for_elsewhere(pair: Pair) -> None:
    pair.primary.replies = breaking_off(40, Hang())
    answer = post(pair.serve(timeouts={"idle": 0.5}), stream=True)
    assert_whole(answer)
    assert pair.asked == (1, 1)
    assert pair.primary.requests[0].client_left.wait(10), "nobody hung up"


def test_it_may_break_off_more_than_once(pair: Pair) -> None:
    pair.primary.replies = [breaking_off(count, Close()) for count in (20, 30, 10)]
    answer = post(pair.serve(), stream=True)
    assert_whole(answer)
    assert pair.asked == (3, 1)


def test_what_the_second_attempt_added_is_compared_too(pair: Pair) -> None:
    pair.primary.replies = [breaking_off(20, Close()), breaking_off(45, Close()), DOWN]
    pair.fallback.replies = sse_reply(chunks(FALLBACK_MODEL, [*WORDS[:30], *OTHER_WORDS[30:]]))
    assert_broken(post(pair.serve(), stream=True), 45)


@pytest.mark.parametrize("sizes", [(60,), (39,), (41,), (13, 13, 13, 13)])
def test_the_same_text_in_other_pieces_is_the_same_text(pair: Pair, sizes: tuple[int, ...]) -> None:
    pair.primary.replies = breaking_off(40, Close())
    pair.fallback.replies = sse_reply(regrouped(*sizes))
    assert_whole(post(pair.serve(), stream=True))


@pytest.mark.parametrize("tokens", [0, 20, 39])
def test_another_that_ends_before_what_was_sent_is_another(pair: Pair, tokens: int) -> None:
    pair.primary.replies = breaking_off(40, Close())
    pair.fallback.replies = sse_reply(chunks(FALLBACK_MODEL, WORDS[:tokens]))
    assert_broken(post(pair.serve(), stream=True), 40)


def test_another_that_says_it_is_over_before_what_was_sent_is_another(pair: Pair) -> None:
    pair.primary.replies = breaking_off(40, Close())
    pair.fallback.replies = sse_reply(chunks(FALLBACK_MODEL)[:21])
    assert_broken(post(pair.serve(), stream=True), 40)


def test_a_last_difference_counts(pair: Pair) -> None:
    """It differs in the last of the forty tokens that were sent."""
    pair.primary.replies = breaking_off(40, Close())
    pair.fallback.replies = sse_reply(chunks(FALLBACK_MODEL, [*WORDS[:39], "Than ", *WORDS[40:]]))
    assert_broken(post(pair.serve(), stream=True), 40)


def test_a_difference_after_what_was_sent_is_none(pair: Pair) -> None:
    """One completion may well go on otherwise: nothing of the first one says how."""
    pair.primary.replies = breaking_off(40, Close())
    pair.fallback.replies = sse_reply(chunks(FALLBACK_MODEL, [*WORDS[:40], "and ", "so ", "on "]))
    answer = post(pair.serve(), stream=True)
    assert (answer.text, answer.error, answer.done) == ("".join(WORDS[:40]) + "and so on ", None, True)


def test_nothing_that_is_compared_reaches_the_caller_twice(pair: Pair) -> None:
    pair.primary.replies = breaking_off(40, Close())
    answer = post(pair.serve(), stream=True)
    assert answer.body.count(WORDS[0].encode() + b'"') == answer.text.count(WORDS[0])
    assert [list(document["choices"][0]["delta"]) for document in answer.documents[:-1]].count(["role"]) <= 1
    assert len(answer.events) == 1 + 60 + 1 + 1 + 1, "role, tokens, finish, usage, [DONE]"


def test_where_nobody_else_answers_the_error_is_that_of_the_break(pair: Pair) -> None:
    pair.primary.replies = [breaking_off(40, Close()), DOWN]
    pair.fallback.replies = DOWN
    answer = post(pair.serve(), stream=True)
    assert_broken(answer, 40)
    assert answer.error is not None and answer.error["code"] == "upstream_cut"


def test_a_tool_call_goes_on_under_its_own_id(pair: Pair) -> None:
    def calling(id: str, model: str) -> list[dict[str, Any]]:
        first = {"index": 0, "id": id, "type": "function", "function": {"name": "weather", "arguments": ""}}
        pieces = [{"index": 0, "function": {"arguments": piece}} for piece in ('{"ci', 'ty": "Ha', 'mm"}')]
        deltas = [{"role": "assistant", "content": None}, *({"tool_calls": [call]} for call in (first, *pieces))]
        top = {"id": f"chatcmpl-{model}", "object": "chat.completion.chunk", "created": 1, "model": model}
        choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
        choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
        return [{**top, "choices": [choice]} for choice in choices]

    pair.primary.replies = sse_reply([*calling("call_a", PRIMARY_MODEL)[:4], Close()], done=False)
    pair.fallback.replies = sse_reply(calling("call_b", FALLBACK_MODEL))
    answer = post(pair.serve(), stream=True)
    deltas = [choice["delta"] for document in answer.documents for choice in document["choices"]]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert [call["id"] for call in calls if "id" in call] == ["call_a"]
    assert "".join(call["function"].get("arguments", "") for call in calls) == '{"city": "Hamm"}'
    assert (answer.finish, answer.done, answer.error) == (["tool_calls"], True, None)


def test_a_text_completion_goes_on_too(pair: Pair) -> None:
    def said(model: str) -> list[dict[str, Any]]:
        top = {"id": f"cmpl-{model}", "object": "text_completion", "created": 1, "model": model}
        texts = [{"index": 0, "text": word, "logprobs": None, "finish_reason": None} for word in WORDS]
        return [{**top, "choices": [one]} for one in (*texts, {**texts[0], "text": "", "finish_reason": "stop"})]

    pair.primary.replies = sse_reply([*said(PRIMARY_MODEL)[:40], Close()], done=False)
    pair.fallback.replies = sse_reply(said(FALLBACK_MODEL))
    client = pair.gateway(
        endpoint(pair.primary, "text", "completions", fallbacks=["standby"], retries=QUICK),
        endpoint(pair.fallback, "standby", "completions"),
    )
    answer = heard(client.post("/v1/completions", json={"model": "text", "prompt": "Say it.", "stream": True}))
    assert "".join(document["choices"][0]["text"] for document in answer.documents) == TEXT
    assert (answer.finish, answer.done, answer.error, pair.asked) == (["stop"], True, None, (3, 1))


def test_one_that_stands_in_may_break_off_too(pair: Pair) -> None:
    """The primary never began; who the caller hears, and is told of, is the fallback."""
    pair.fallback.replies = [
        sse_reply([*chunks(FALLBACK_MODEL)[:21], Close()], done=False),
        healthy(FALLBACK_MODEL, "stream"),
    ]
    client = pair.serve(top={"retries": QUICK})
    answer = post(client, stream=True)
    assert_whole(answer)
    assert (answer.endpoint, pair.asked) == ("standby", (3, 2))


def test_malformed_events_are_dropped_and_no_break(pair: Pair, told: Told) -> None:
    said = [event_bytes(one) for one in chunks(PRIMARY_MODEL)]
    pair.primary.replies = sse_reply([*said[:9], b"data: {broken\n\n", *said[9:20], b"data: 7\n\n", *said[20:]])
    answer = post(pair.serve(), stream=True)
    assert_whole(answer)
    assert pair.asked == (1, 0)
    assert told()[0]["dropped_events"] == 2


def test_a_broken_chunk_is_a_break(pair: Pair) -> None:
    whole = sse_reply(chunks(PRIMARY_MODEL)[:41], done=False)
    pair.primary.replies = sse_reply([], done=False)
    pair.primary.replies = type(whole)(200, whole.headers, (*whole.steps[:-1], b"zz\r\nnot a chunk\r\n", chunk(b"")))
    assert_whole(post(pair.serve(), stream=True))


def test_what_was_paid_for_and_not_used_is_told_apart(pair: Pair, told: Told) -> None:
    """A provider that reports usage as it goes, and dies: its tokens are no part of the answer's."""
    said: list[Any] = [
        {**one, "usage": {"prompt_tokens": 9, "completion_tokens": 33}} for one in chunks(PRIMARY_MODEL)[:41]
    ]
    pair.primary.replies = [sse_reply([*said, Close()], done=False), DOWN]
    assert_whole(post(pair.serve(provider="openai"), stream=True))
    (line,) = told()
    assert (line["endpoint"], line["output_tokens"]) == ("standby", USAGES[FALLBACK_MODEL]["completion_tokens"])
    assert [failed["output_tokens"] for failed in line["failed_attempts"]] == [33, None, None]


def test_what_came_of_it_is_counted(pair: Pair) -> None:
    client = pair.serve()
    before = client.get("/metrics").text

    def more(outcome: str) -> float:
        """By how much the metric grew, whichever endpoint it names."""
        name = "weir_resumed_streams_total"
        return metric(client.get("/metrics").text, name, outcome=outcome) - metric(before, name, outcome=outcome)

    pair.primary.replies = breaking_off(40, Close())
    post(client, stream=True)
    assert (more("resumed"), more("differs")) == (1, 0)
    pair.fallback.replies = sse_reply(chunks(FALLBACK_MODEL, OTHER_WORDS))
    post(client, stream=True)
    assert (more("resumed"), more("differs")) == (1, 1)


def test_mlflows_client_gets_one_array(pair: Pair) -> None:
    pair.primary.replies = breaking_off(40, Close())
    payload = {"messages": [{"role": "user", "content": "Say it."}], "stream": True}
    agent = {"User-Agent": "mlflow-python-client/3.17.2", "Accept": "*/*"}
    elements = pair.serve().post("/gateway/chat/invocations", json=payload, headers=agent).json
    assert "".join(element["choices"][0]["delta"].get("content") or "" for element in elements) == TEXT
    assert not any("error" in element for element in elements)
