"""Answers in which any one thing is a lie: each becomes an answer that OpenAI's SDK takes, or an upstream error."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("botocore", reason="needs the extra: pip install 'weir[bedrock]'")

import orjson
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from app.chunks import stamped
from app.errors import UpstreamError
from tests.dialects.cases import Case, cases
from tests.dialects.test_mutilated import events_of, name, places

DIALECTS = ("cohere", "gemini", "mlflow_serving", "tgi")
OF_OPENAIS_TYPE = ("tgi/chat", "tgi/embeddings")
"""Read by another dialect."""
CASES = [case for case in cases() if case.dialect in DIALECTS and not case.name.startswith(OF_OPENAIS_TYPE)]
LIES: list[Any] = [None, [], {}, "x", 0, 1.5, True]
TYPES: dict[str, type[BaseModel]] = {
    "chat": ChatCompletion,
    "completions": Completion,
    "embeddings": CreateEmbeddingResponse,
}
STAMP = {"id": "i", "created": 1, "model": "m"}
"""What the gateway says where a provider did not."""


def lying(answer: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """(where, the answer with one thing gone or replaced there), for every place and lie."""
    for place in places(answer):
        *way, last = place
        for lie in [*LIES, ...]:
            told = holder = copy.deepcopy(answer)
            for key in way:
                holder = holder[key]
            if lie is ...:
                del holder[last]
            else:
                holder[last] = copy.deepcopy(lie)
            yield place, told


def check(kind: type[BaseModel], made: Any, place: tuple[Any, ...]) -> None:
    """Fail unless OpenAI's SDK takes what was made, in its strict mode, types and all."""
    try:
        kind.model_validate_json(orjson.dumps(made), strict=True)
    except ValueError as error:
        pytest.fail(f"a lie at {place}: {error}")


@pytest.mark.parametrize("case", [case for case in CASES if not case.streams], ids=name)
def test_a_lying_answer_is_one_all_the_same_or_an_upstream_error(case: Case) -> None:
    assert case.translator.response is not None
    for place, answer in lying(case.json("upstream_response.json")):
        try:
            made = case.translator.response(answer)
        except UpstreamError:
            continue
        check(TYPES[case.endpoint_type], stamped(made, STAMP), place)
        assert made["data" if case.endpoint_type == "embeddings" else "choices"]
        for choice in made.get("choices", ()):
            assert choice["finish_reason"] != "tool_calls" or choice["message"]["tool_calls"], f"a lie at {place}"


def heard(case: Case, events: list[Any]) -> list[Any]:
    """The chunks of a stream. Raises UpstreamError."""
    assert case.translator.stream is not None
    stream = case.translator.stream()
    chunks = next(stream)
    for event in events:
        if isinstance(event, dict):  # others do not come this far
            chunks = chunks + stream.send(event)
    try:
        return chunks + stream.send(None)
    except StopIteration:
        return chunks


@pytest.mark.parametrize("case", [case for case in CASES if case.streams], ids=name)
def test_a_lying_stream_is_whole_or_an_upstream_error(case: Case) -> None:
    for place, events in lying(events_of(case)):
        try:
            chunks = heard(case, events)
        except UpstreamError:
            continue
        said = [choice for chunk in chunks for choice in chunk["choices"]]
        ends = [choice["index"] for choice in said if choice["finish_reason"]]
        assert ends, f"a lie at {place}: the stream has no end"
        calls = any(choice["delta"].get("tool_calls") for choice in said if "delta" in choice)
        assert calls or all(choice["finish_reason"] != "tool_calls" for choice in said), f"a lie at {place}: no call"
        assert sorted(ends) == sorted({choice["index"] for choice in said}), f"a lie at {place}: an end for each choice"
        for chunk in chunks:
            if case.endpoint_type == "chat":
                check(ChatCompletionChunk, stamped(chunk, STAMP), place)
                continue
            ended = [{**choice, "finish_reason": "stop"} for choice in chunk["choices"]]  # the SDK's type has no null
            check(Completion, stamped({**chunk, "choices": ended}, STAMP), place)


def test_lies_can_be_told() -> None:
    """The check itself would notice: what a careless translation makes of a lie is refused."""
    careless = json.loads('{"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [true]}]}')
    with pytest.raises(pytest.fail.Exception):
        check(CreateEmbeddingResponse, {**careless, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}}, ())
