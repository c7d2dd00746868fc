"""Anthropic and Bedrock lie, at each place in turn and in every way: OpenAI's SDK can read what we say, or it is a 502.

test_mutilated.py throws dice over all dialects; here nothing is left to them, and what is read is looked at.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

pytest.importorskip("botocore", reason="needs the extra: pip install 'weir[bedrock]'")

import orjson
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from app.dialects import JSON, Translator
from app.errors import UpstreamError
from tests.dialects.cases import Case, cases
from tests.dialects.test_mutilated import events_of, places

CASES = [case for case in cases() if case.dialect in ("anthropic", "bedrock") and case.endpoint_type == "chat"]
GONE = object()
LIES: tuple[Any, ...] = (GONE, None, [], {}, "", "x", 0, -1, True, 1e30, [None], {"a": 1})
STAMP = {"id": "c-1", "created": 1, "model": "m"}

each_whole = pytest.mark.parametrize("case", [case for case in CASES if not case.streams], ids=lambda case: case.name)
each_stream = pytest.mark.parametrize("case", [case for case in CASES if case.streams], ids=lambda case: case.name)


def lies(value: Any) -> Iterator[Any]:
    """Copies, each with one thing gone or another in its place."""
    for *way, last in places(value):
        for lie in LIES:
            told = copy.deepcopy(value)
            holder = told
            for key in way:
                holder = holder[key]
            if lie is GONE:
                del holder[last]
            else:
                holder[last] = lie
            yield told


def readable(kind: Any, said: JSON) -> None:
    kind.model_validate_json(orjson.dumps({**said, **STAMP}), strict=True)


def found_out(read: Callable[[Any], object], value: Any) -> int:
    """How many of the lies are found out."""
    return sum(not _is_read(read, told) for told in lies(value))


def _is_read(read: Callable[[Any], object], told: Any) -> bool:
    try:
        read(told)
    except UpstreamError:
        return False
    return True


def whole(translator: Translator, answer: JSON) -> None:
    assert translator.response is not None
    readable(ChatCompletion, translator.response(answer))


def stream(translator: Translator, events: list[Any]) -> None:
    assert translator.stream is not None
    reading = translator.stream()
    next(reading)
    for event in (event for event in events if isinstance(event, dict)):  # others do not come this far
        for chunk in reading.send(event):
            readable(ChatCompletionChunk, chunk)
    with suppress(StopIteration):
        for chunk in reading.send(None):
            readable(ChatCompletionChunk, chunk)


@each_whole
def test_a_lie_in_an_answer_is_readable_or_a_502(case: Case) -> None:
    assert found_out(partial(whole, case.translator), case.json("upstream_response.json"))


@each_stream
def test_a_lie_in_a_stream_is_readable_or_a_502(case: Case) -> None:
    assert found_out(partial(stream, case.translator), events_of(case))


# --- what must not be half an answer: a piece of it that is no text is none, not an empty one

PIECES = {
    "anthropic/chat": ("content", 0, "text"),
    "anthropic/chat.thinking": ("content", 0, "thinking"),
    "anthropic/chat.tools": ("content", 0, "type"),
    "bedrock/chat": ("output", "message", "content", 0, "text"),
    "bedrock/chat.reasoning": ("output", "message", "content", 0, "reasoningContent", "reasoningText", "text"),
    "bedrock/chat.citations": ("output", "message", "content", 1, "citationsContent", "content", 0, "text"),
}


@pytest.mark.parametrize("name", PIECES)
@pytest.mark.parametrize("lie", [None, 0, [], {}, True], ids=json.dumps)
def test_a_text_that_is_none_is_no_empty_text(name: str, lie: Any) -> None:
    case = next(case for case in CASES if case.name == name)
    answer = case.json("upstream_response.json")
    *way, last = PIECES[name]
    holder = answer
    for key in way:
        holder = holder[key]
    assert last in holder
    holder[last] = lie
    with pytest.raises(UpstreamError):
        whole(case.translator, answer)
