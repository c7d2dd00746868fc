"""Streams that break off: another that says the same goes on where the first one stopped, and nothing else does."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from random import Random
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.failover.resume import MOST_CHARACTERS, Differs, Rest, Sent
from tests.failover.answers import Answer, answers, heard, odd_chunks, whole, words
from tests.failover.making import steady

seeds = st.integers(0, 2**32).map(Random)


def sent(chunks: Iterable[bytes]) -> Sent:
    made = Sent()
    for chunk in chunks:
        made.add([chunk])
    return made


def in_batches(chunks: list[bytes], random: Random) -> list[list[bytes]]:
    """As reads bring them: some at once, sometimes none."""
    batches: list[list[bytes]] = [[]]
    for chunk in chunks:
        if random.random() < 0.5:
            batches.append([])
        batches[-1].append(chunk)
    return batches


def goes_on(rest: Rest, chunks: list[bytes], random: Random) -> list[bytes]:
    return [new for batch in in_batches(chunks, random) for new in rest.take(batch)]


@steady
@given(answers, seeds, st.data())
def test_a_cut_stream_and_the_rest_of_another_are_one_whole_answer(
    answer: Answer, random: Random, data: st.DataObject
) -> None:
    first, second = answer.stream(random, "first"), answer.stream(random, "second")
    cut = data.draw(st.integers(0, len(first)))
    had = Sent()
    for batch in in_batches(first[:cut], random):
        had.add(batch)
    rest = had.rest()
    new = goes_on(rest, second, random)
    assert rest.agrees
    check(heard([*first[:cut], *new]), answer, heard(first[:cut]), heard(second))


def check(got: Any, answer: Answer, before: Any, after: Any) -> None:
    """That a client has heard an answer whole and once. `before`, `after`: what it had, and the stream that went on."""
    assert got.texts == whole(answer)
    assert got.ids == {**after.ids, **before.ids}
    assert got.usages == answer.is_counted
    assert set(got.finishes.values()) == {1}
    assert got.roles == after.roles
    assert got.heads == (before.heads or after.heads)


@steady
@given(answers, seeds, st.data())
def test_what_goes_on_may_break_off_as_well_and_again(answer: Answer, random: Random, data: st.DataObject) -> None:
    had, got, firsts = Sent(), [], []
    for name in ("first", "second", "third"):
        chunks = answer.stream(random, name)
        cut = data.draw(st.integers(0, len(chunks)))
        rest = had.rest()
        for batch in in_batches(chunks[:cut], random):
            new = rest.take(batch)
            had.add(new)
            got += new
        firsts.append(heard(got))
    last = answer.stream(random, "last")
    rest = had.rest()
    got += goes_on(rest, last, random)
    assert rest.agrees
    before = firsts[-1]
    check(heard(got), answer, before, heard(last))


@steady
@given(answers, seeds, st.data())
def test_one_other_character_before_the_cut_is_never_passed_over(
    answer: Answer, random: Random, data: st.DataObject
) -> None:
    first = answer.stream(random, "first")
    cut = data.draw(st.integers(1, len(first)))
    had = heard(first[:cut]).texts
    assume(had)
    index, place = data.draw(st.sampled_from(sorted(had, key=str)))
    at = data.draw(st.integers(0, len(had[index, place]) - 1))
    change = data.draw(st.sampled_from(["other", "less", "more"]))

    def wrong(text: str) -> str:
        return text[:at] + {"other": "X" + text[at + 1 :], "less": "", "more": "X" + text[at:]}[change]

    said = list(answer.choices)
    said[index] = tuple((where, wrong(text) if where == place else text) for where, text in said[index])
    other = Answer(tuple(said), answer.is_counted).stream(random, "other")
    rest, new = sent(first[:cut]).rest(), []
    try:
        for chunk in other:
            new += rest.take([chunk])
        differs = not rest.agrees
    except Differs:
        differs = True
    assert differs
    assert not [key for key in heard(new).texts if key[0] == index]  # nor does anything of it come through
    assert heard(new).usages == 0


@steady
@given(answers, seeds, st.data())
def test_a_stream_that_ends_before_the_cut_does_not_agree(answer: Answer, random: Random, data: st.DataObject) -> None:
    first = answer.stream(random, "first")
    cut = data.draw(st.integers(1, len(first)))
    assume(heard(first[:cut]).texts)
    chunks = answer.stream(random, "second")
    shorter = next(n for n in range(len(chunks) + 1) if covers(chunks[:n], first[:cut])) - 1
    rest = sent(first[:cut]).rest()
    rest.take(chunks[:shorter])
    assert not rest.agrees


def covers(chunks: list[bytes], others: list[bytes]) -> bool:
    """Whether some chunks say all that others do."""
    said = heard(chunks).texts
    return all(said[key].startswith(text) for key, text in heard(others).texts.items())


@steady
@given(words, words, words, seeds, st.sampled_from(["content", "text", "call"]), st.data())
def test_after_the_cut_another_continuation_is_taken_as_it_is(
    common: str, tail: str, other: str, random: Random, kind: str, data: st.DataObject
) -> None:
    def saying(text: str, finish: str) -> Answer:
        where: tuple[Any, ...] = ("tool_calls", 0, "function", "arguments") if kind == "call" else (kind,)
        name = [(("tool_calls", 0, "function", "name"), "f")] if kind == "call" else []
        return Answer(((*name, (where, text), (("finish_reason",), finish)),))

    first = saying(common + tail, "stop").stream(random, "first")
    cuts = [n for n in range(len(first)) if covers(saying(common, "x").stream(random, "x"), first[:n])]
    cut = data.draw(st.sampled_from(cuts))
    second = saying(common + other, "length")
    chunks = second.stream(random, "second")
    new = goes_on(sent(first[:cut]).rest(), chunks, random)
    check(heard([*first[:cut], *new]), second, heard(first[:cut]), heard(chunks))


def chunk(delta: Any = None, **more: Any) -> bytes:
    """A chunk of a chat with one choice; `index` and what else stands in it are `more`."""
    said = {} if delta is None else {"delta": delta}
    return orjson.dumps({"id": "x", "created": 1, "choices": [{"index": 0, "finish_reason": None, **said, **more}]})


def content(text: str, **more: Any) -> bytes:
    return chunk({"content": text}, **more)


def taken(rest: Rest, *chunks: bytes) -> str:
    """What of some chunks is new, as a client reads it."""
    return heard(rest.take(list(chunks))).texts[0, ("content",)]


def test_long_answers_are_compared_like_short_ones() -> None:
    """Beyond 32 KiB chunks are read and put together as they go out."""
    text = "".join(f"{number} bottles of beer on the wall\n" for number in range(1500))
    pieces = [text[at : at + 7] for at in range(0, len(text), 7)]
    had = sent(map(content, pieces))
    assert taken(had.rest(), content(text), content(" and no more")) == " and no more"
    hundreds = [content(text[at : at + 100]) for at in range(0, len(text), 100)]
    assert taken(had.rest(), *hundreds, content("!")) == "!"
    wrong = text[:-1] + "?"
    with pytest.raises(Differs):
        had.rest().take([content(wrong)])


def test_what_is_beyond_a_million_characters_is_not_resumed_and_forgotten() -> None:
    page = "x" * 1024
    had = sent(content(page) for _ in range(MOST_CHARACTERS // 1024))
    assert taken(had.rest(), *[content(page) for _ in range(MOST_CHARACTERS // 1024)], content("more")) == "more"
    had.add([content("x")])
    with pytest.raises(Differs):
        had.rest()
    for _ in range(100):
        had.add([content(page)])
    with pytest.raises(Differs):
        had.rest()


def test_probabilities_pass_with_whole_tokens_and_are_not_split() -> None:
    had = sent([content("ab", logprobs={"content": [{"token": "ab"}]})])
    told = {"content": [{"token": "cd"}]}
    (new,) = had.rest().take([content("ab"), content("cd", logprobs=told)])
    assert orjson.loads(new)["choices"][0]["logprobs"] == told
    with pytest.raises(Differs):
        had.rest().take([content("abcd", logprobs={"content": [{"token": "abcd"}]})])


@pytest.mark.parametrize(
    "delta", [{"audio": {"data": "x"}}, {"function_call": {"name": "f"}}, {"content": [{}]}, {"text": "x"}, "x", 7]
)
def test_what_cannot_be_compared_is_not_resumed_but_passes_after_the_cut(delta: Any) -> None:
    with pytest.raises(Differs):
        sent([content("a"), chunk(delta)]).rest()
    with pytest.raises(Differs):
        sent([content("ab")]).rest().take([content("a"), chunk(delta)])
    if isinstance(delta, dict):
        rest = sent([content("a")]).rest()
        rest.take([content("a")])
        (new,) = rest.take([chunk(delta)])
        assert orjson.loads(new)["choices"][0]["delta"] == delta


@pytest.mark.parametrize("delta", [{"provider_fields": {"x": 1}}, {"annotations": [{}]}, {"content": None}, {}, None])
def test_what_two_answers_never_share_is_passed_over(delta: Any) -> None:
    had = sent([content("a"), chunk(delta)])
    assert taken(had.rest(), chunk(delta), content("ab")) == "b"


def test_a_call_that_began_without_an_id_is_not_said_twice() -> None:
    call = {"index": 0, "function": {"name": "f", "arguments": '{"a"'}}
    more = {"index": 0, "id": "b", "function": {"name": "f", "arguments": '{"a":1}'}}
    (new,) = sent([chunk({"tool_calls": [call]})]).rest().take([chunk({"tool_calls": [more]})])
    assert orjson.loads(new)["choices"][0]["delta"] == {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]}


def test_calls_that_cannot_be_told_apart_are_not_compared() -> None:
    for calls in (
        [{"id": "a", "function": {"name": "f"}}],
        [{"index": 0, "function": {"arguments": "a"}}, {"index": 0, "function": {"arguments": "b"}}],
    ):
        with pytest.raises(Differs):
            sent([chunk({"tool_calls": calls})]).rest()


def test_an_end_that_is_only_begun_alike_is_another() -> None:
    had = sent([content("a"), content("", finish_reason="stop")])
    for reason in ("st", "stopped", "length"):
        with pytest.raises(Differs):
            had.rest().take([content("a"), content("", finish_reason=reason)])


def test_a_choice_that_has_ended_says_nothing_more() -> None:
    had = sent([content("a"), content("", finish_reason="stop")])
    with pytest.raises(Differs):
        had.rest().take([content("ab", finish_reason="stop")])
    rest = had.rest()
    assert rest.take([content("a", finish_reason="stop"), content("b"), content("", finish_reason="stop")]) == []
    assert rest.agrees


def test_it_goes_on_under_the_first_name_that_the_first_one_had() -> None:
    head = orjson.dumps({"id": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []})
    first = orjson.dumps({"id": "first", "created": 7, "choices": [{"index": 0, "delta": {"content": "a"}}]})
    (new,) = sent([head, first]).rest().take([content("ab")])
    assert (orjson.loads(new)["id"], orjson.loads(new)["created"]) == ("first", 7)


def test_a_usage_that_the_client_has_is_not_told_again() -> None:
    usage = orjson.dumps({"id": "x", "created": 1, "choices": [], "usage": {"total_tokens": 3}})
    whole = [content("a", finish_reason="stop"), usage]
    assert sent(whole).rest().take(whole) == []
    assert sent(whole[:1]).rest().take(whole) == [usage]


@steady
@given(st.lists(odd_chunks | st.just(content("a")), max_size=4), st.lists(odd_chunks, max_size=4), st.booleans())
def test_no_shape_is_an_error_of_ours(first: list[bytes], second: list[bytes], again: bool) -> None:
    had = sent(first)
    try:
        rest = had.rest()
        had.add(rest.take([*(first if again else ()), *second]))
        had.rest()
    except Differs:
        return


@steady
@given(st.lists(odd_chunks, max_size=4))
def test_what_is_odd_after_the_cut_is_no_error_of_ours_either(odd: list[bytes]) -> None:
    rest = sent([chunk({"role": "assistant", "content": "a"})]).rest()
    assert rest.take([content("a")]) == []
    for each in odd:
        with suppress(Differs):
            assert len(rest.take([each])) <= 1
