"""Answers with something torn out or put in: each is read, or is an error of ours; never one of Python's."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

pytest.importorskip("botocore", reason="needs the extra: pip install 'weir[bedrock]'")

import orjson

from app.errors import GatewayError, InvalidPayload
from app.schemas.chat import ChatSchema
from tests.dialects.cases import Case, cases

CASES = list(cases())
ROUNDS = 60
JUNK: list[Any] = [
    None,
    1,
    -1,
    1.5,
    True,
    "x",
    "",
    [],
    {},
    [None],
    [[1]],
    ["x"],
    {"a": 1},
    {"text": None},
    {"type": "x"},
]


def name(case: Case) -> str:
    return case.name


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys and indexes that lead to each thing inside a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield (*at, key)
        yield from places(item, (*at, key))


def mutilated(value: Any, dice: random.Random) -> Any:
    """A copy with one to three things gone or replaced."""
    value = copy.deepcopy(value)
    for _ in range(dice.choice((1, 1, 2, 3))):
        if not (found := list(places(value))):
            break
        *way, last = dice.choice(found)
        holder = value
        for key in way:
            holder = holder[key]
        if dice.random() < 0.3:
            del holder[last]
        else:
            holder[last] = copy.deepcopy(dice.choice(JUNK))
    return value


def attempts(case: Case, value: Any, read: Callable[[Any], object]) -> None:
    dice = random.Random(case.name)
    for _ in range(ROUNDS):
        with suppress(GatewayError):
            read(mutilated(value, dice))


def events_of(case: Case) -> list[Any]:
    decoder = case.translator.decoder()
    return [json.loads(event) for event in decoder.feed(case.bytes) if event != b"[DONE]"]


@pytest.mark.parametrize("case", [case for case in CASES if not case.streams], ids=name)
def test_a_mutilated_answer_is_read_or_garbled(case: Case) -> None:
    translate = case.translator.response
    assert translate is not None
    attempts(case, case.json("upstream_response.json"), lambda answer: orjson.dumps(translate(answer)))


@pytest.mark.parametrize("case", [case for case in CASES if case.streams], ids=name)
def test_a_mutilated_stream_is_read_or_garbled(case: Case) -> None:
    begin = case.translator.stream
    assert begin is not None

    def read(events: list[Any]) -> None:
        stream = begin()
        next(stream)
        for event in events:
            if isinstance(event, dict):  # others do not come this far
                orjson.dumps(stream.send(event))
        with suppress(StopIteration):
            stream.send(None)

    attempts(case, events_of(case), read)


@pytest.mark.parametrize("case", [case for case in CASES if case.endpoint_type == "chat"], ids=name)
def test_a_mutilated_payload_that_passes_the_schema_is_said_or_refused(case: Case) -> None:
    schema = ChatSchema()

    def read(payload: Any) -> None:
        if schema.validate(payload):
            return
        with suppress(InvalidPayload):
            orjson.dumps(case.translator.request(case.model, payload).json)

    attempts(case, case.json("request.json"), read)
