"""Events that are alike but for their texts: what is not parsed is known as surely as what is."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.alike import Alike

CHUNK: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "choices": [{"index": 0, "delta": {"content": "Hello"}, "logprobs": None, "finish_reason": None}],
    "usage": None,
    "obfuscation": "aB3",
}
LEARNED = json.dumps(CHUNK).encode()
HEAD, MIDDLE, TAIL = LEARNED.replace(b"Hello", b"\0").replace(b"aB3", b"\0").split(b"\0")

WRITTEN = st.one_of(
    st.text().map(lambda text: json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "surrogatepass")),
    st.text().map(lambda text: json.dumps(text)[1:-1].encode()),
    st.binary(max_size=12),
    st.lists(
        st.sampled_from([*rb'\ " u \u d83d \ud83d \ude00 \n a \\'.split(), b"\n", b"\r", b"\x00"]), max_size=6
    ).map(b"".join),
    st.sampled_from([b'"}, "error": {"message": "no"}, "x": {"content": "', b'", "finish_reason": "stop", "a": "']),
    st.just(MIDDLE),
)
"""What may stand between two quotes: any text, written in either way, and much that is none."""


def alike(learned: bytes = LEARNED, made: bytes | None = None) -> Alike:
    one = Alike()
    one.learn(learned, learned if made is None else made)
    return one


def event(content: str, padding: str = "") -> bytes:
    """One that differs from what was learned in its texts alone."""
    chunk = {**CHUNK, "choices": [{**CHUNK["choices"][0], "delta": {"content": content}}], "obfuscation": padding}
    return json.dumps(chunk).encode()


@pytest.mark.parametrize("content", ["", "Hi", '\n\t"\\/', "\x7f", "é", "水", "🌊", "\ud83c\udf0a", " {}[]", "\x00"])
def test_another_text_makes_an_event_alike(content: str) -> None:
    said = event(content, "x" * 20)
    assert alike().made(said) == said


def test_text_that_is_not_escaped_is_alike_too() -> None:
    said = json.dumps(json.loads(event("水 🌊 é")), ensure_ascii=False).encode()
    assert alike().made(said) == said


@pytest.mark.parametrize(
    "said",
    [
        event("a").replace(b"chatcmpl-1", b"chatcmpl-2"),
        event("a").replace(b'"finish_reason": null', b'"finish_reason": "stop"'),
        event("a").replace(b'"usage": null', b'"usage": {"prompt_tokens": 1}'),
        event("a").replace(b'"index": 0', b'"index": 1'),
        event("a").replace(b'"usage": null', b'"usage": true'),
        event("a")[:-1],
        event("a") + b" ",
        event("a") + event("a"),
        HEAD + b"a" + TAIL,
        HEAD + TAIL,
        HEAD,
        b"",
        b"[DONE]",
        b"{}",
    ],
)  # fmt: skip
def test_anything_else_is_not(said: bytes) -> None:
    assert alike().made(said) == b""


@given(WRITTEN, WRITTEN)
@example(b"\\ud83d\\ude00", b"\\ud83d")
@example(b"\\u0000", b"\xed\xa0\x80")
@example(b"\\", b"")
def test_what_is_alike_is_json_and_differs_in_its_texts_alone(content: bytes, padding: bytes) -> None:
    said = HEAD + content + MIDDLE + padding + TAIL
    if not alike().made(said):
        return
    chunk = orjson.loads(said)
    assert b"\n" not in said
    assert b"\r" not in said
    assert isinstance(chunk["choices"][0]["delta"].pop("content"), str)
    assert isinstance(chunk.pop("obfuscation"), str)
    rest = json.loads(LEARNED)
    del rest["choices"][0]["delta"]["content"], rest["obfuscation"]
    assert chunk == rest


@given(st.text(st.characters(exclude_categories=())), st.text())
def test_whatever_an_encoder_writes_is_alike(content: str, padding: str) -> None:
    said = event(content, padding)
    try:
        orjson.loads(said)
    except orjson.JSONDecodeError:  # half of a pair of surrogates
        assert alike().made(said) == b""
    else:
        assert alike().made(said) == said


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning", "text", "arguments"])
def test_a_text_may_have_any_of_the_names_that_texts_have(name: str) -> None:
    learned, said = (orjson.dumps({"a": [{name: text}]}) for text in ("one", "two"))
    assert alike(learned).made(said) == said


def test_a_string_of_another_name_is_no_text() -> None:
    learned, said = (orjson.dumps({"content": "a", "finish_reason": reason}) for reason in ("length", "stop"))
    assert alike(learned).made(said) == b""


def test_a_name_inside_a_text_is_a_part_of_it() -> None:
    learned, said = (orjson.dumps({"content": text}) for text in ('a "content": "b"', '"content":"'))
    assert alike(learned).made(said) == said


def test_what_was_made_of_the_one_is_made_of_the_other() -> None:
    named = LEARNED[:-1] + b', "provider": "openai"}'
    said = event("Hi", "x")
    assert alike(made=named).made(said) == said[:-1] + b', "provider": "openai"}'


@pytest.mark.parametrize(
    ("learned", "made"),
    [
        (b'{"content": "a",\n"b": 1}', b'{"content": "a",\n"b": 1}'),  # events of one line are what is told apart
        (b'{"id": "a"}', b'{"id": "a"}'),
        (LEARNED, b"{}" + LEARNED),
        (LEARNED, LEARNED.replace(b"Hello", b"HELLO")),
    ],
)
def test_what_could_not_be_made_by_its_example_is_not_learned(learned: bytes, made: bytes) -> None:
    assert alike(learned, made).made(learned) == b""


def test_the_last_that_was_learned_counts() -> None:
    both = alike(event("a").replace(b"chatcmpl-1", b"chatcmpl-2"))
    both.learn(LEARNED, LEARNED)
    assert both.made(event("b")) == event("b")


def test_a_stream_in_which_no_two_are_alike_is_not_learned_for_ever() -> None:
    one = Alike()
    for number in range(100):
        one.learn(f'{{"id": {number}, "content": "a"}}'.encode(), b"")
    one.learn(LEARNED, LEARNED)
    assert one.made(LEARNED) == b""
