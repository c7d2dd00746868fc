"""OpenAI's own SDK for Python at /v1. What comes back is held strictly against the SDK's own models."""

from __future__ import annotations

import json
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.clients import openai_python
from tests.clients.openai_python import HELLO
from tests.running import RunningGateway

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a place",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 1, "maximum": 7},
            },
            "required": ["city", "unit", "days"],
            "additionalProperties": False,
        },
    },
}
FORCED: Any = {"type": "function", "function": {"name": "get_weather"}}


class Attendee(BaseModel):
    """One who comes to a meeting."""

    name: str
    role: Literal["host", "guest"]


class Meeting(BaseModel):
    """A document with what schemas have: nesting, lists, an enumeration, an optional."""

    title: str
    attendees: list[Attendee]
    minutes: int
    place: str | None


# Chat


def test_chat_answers_with_text_usage_and_the_requests_id(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="chat", messages=HELLO)

    [choice] = answer.choices
    assert "Hello from the SDK" in (choice.message.content or "")
    assert choice.finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer._request_id


def test_a_request_id_of_the_callers_comes_back(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model="chat", messages=HELLO, extra_headers={"X-Request-ID": "order-4711"}
    )

    assert raw.headers["x-request-id"] == raw.request_id == "order-4711"
    assert raw.headers["content-type"] == "application/json"
    assert raw.parse()._request_id == "order-4711"


def test_a_stream_says_what_the_whole_answer_says(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="chat", messages=HELLO)

    chunks = list(client.chat.completions.create(model="chat", messages=HELLO, stream=True))

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == whole.choices[0].message.content
    assert [chunk.choices[0].delta.role for chunk in chunks if chunk.choices[0].delta.role] == ["assistant"]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.usage is None for chunk in chunks), "nobody asked"


def test_a_stream_ends_with_usage_for_those_who_ask(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="chat", messages=HELLO)

    *chunks, last = client.chat.completions.create(
        model="chat", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )

    assert last.choices == []
    assert last.usage == whole.usage
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


def test_the_sdks_stream_helper_puts_a_stream_together(client: OpenAI) -> None:
    with client.chat.completions.stream(model="chat", messages=HELLO) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()

    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert "Hello from the SDK" in (final.choices[0].message.content or "")


def test_several_choices_are_told_apart_in_a_stream(client: OpenAI) -> None:
    whole = client.chat.completions.create(model="chat", messages=HELLO, n=2)

    said = ["", ""]
    for chunk in client.chat.completions.create(model="chat", messages=HELLO, n=2, stream=True):
        for choice in chunk.choices:
            said[choice.index] += choice.delta.content or ""

    assert said == [choice.message.content for choice in whole.choices]


def test_a_stream_can_be_left_before_its_end_and_the_client_used_again(client: OpenAI) -> None:
    with client.chat.completions.create(model="chat", messages=HELLO, stream=True) as stream:
        next(stream)

    assert (
        client.chat.completions.create(model="chat", messages=HELLO, max_tokens=1).choices[0].finish_reason == "length"
    )


def test_a_client_with_a_key_of_its_own_is_served(gateway: RunningGateway) -> None:
    """Services that come from OpenAI send their key: without keys of our own it is neither needed nor passed on."""
    with openai_python.client_of(gateway, organization="org-1", project="proj-1") as client:
        assert client.chat.completions.create(model="chat", messages=HELLO).choices


# Tools


def test_a_forced_tool_is_called_with_arguments_that_fit_and_takes_its_result(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="chat", messages=HELLO, tools=[WEATHER], tool_choice=FORCED)

    message = answer.choices[0].message
    assert message.tool_calls is not None
    [call] = message.tool_calls
    assert call.type == "function"
    assert call.function.name == "get_weather"
    _check_weather(call.function.arguments)

    said: Any = [*HELLO, message, {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}]
    after = client.chat.completions.create(model="chat", messages=said, tools=[WEATHER])
    assert after.choices[0].message.content


def test_a_streamed_tool_call_is_the_whole_ones(client: OpenAI) -> None:
    asked: Any = {"model": "chat", "messages": HELLO, "tools": [WEATHER], "tool_choice": FORCED}
    whole = client.chat.completions.create(**asked).choices[0].message.tool_calls

    names, arguments, finish = [], "", None
    for chunk in client.chat.completions.create(**asked, stream=True):
        [choice] = chunk.choices
        finish = choice.finish_reason or finish
        for piece in choice.delta.tool_calls or []:
            assert piece.index == 0
            if piece.function and piece.function.name:
                names.append(piece.function.name)
            arguments += (piece.function and piece.function.arguments) or ""

    assert names == ["get_weather"]
    assert whole is not None
    assert whole[0].type == "function"
    assert arguments == whole[0].function.arguments
    assert finish


# Structured output


def test_structured_output_parses_into_the_callers_model(client: OpenAI) -> None:
    answer = client.chat.completions.parse(model="chat", messages=HELLO, response_format=Meeting)

    assert isinstance(answer.choices[0].message.parsed, Meeting)
    assert answer.choices[0].finish_reason == "stop"


def test_structured_output_parses_when_it_is_streamed(client: OpenAI) -> None:
    with client.chat.completions.stream(model="chat", messages=HELLO, response_format=Meeting) as stream:
        final = stream.get_final_completion()

    assert isinstance(final.choices[0].message.parsed, Meeting)


def test_a_strict_tool_parses_into_the_callers_model(client: OpenAI) -> None:
    tool = openai.pydantic_function_tool(Meeting)

    answer = client.chat.completions.parse(model="chat", messages=HELLO, tools=[tool], tool_choice="required")

    calls = answer.choices[0].message.tool_calls
    assert calls is not None
    assert isinstance(calls[0].function.parsed_arguments, Meeting)


def test_json_mode_gives_a_json_object(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model="chat",
        messages=[{"role": "user", "content": "Answer in JSON"}],
        response_format={"type": "json_object"},
    )

    assert isinstance(json.loads(answer.choices[0].message.content or ""), dict)


# Embeddings: the SDK asks for base64 by itself, and holds what came against `list[float]` before it decodes it, so only
# what was asked for as floats can be checked strictly.


def test_embeddings_are_numbers_whichever_way_they_travel(client: OpenAI, lenient_client: OpenAI) -> None:
    asked: Any = {"model": "embeddings", "input": ["one text", "and another"]}
    by_default = lenient_client.embeddings.create(**asked)
    as_floats = client.embeddings.create(**asked, encoding_format="float")

    assert [item.index for item in by_default.data] == [0, 1]
    for default, floats in zip(by_default.data, as_floats.data, strict=True):
        assert default.embedding == pytest.approx(floats.embedding, abs=1e-6)
    assert by_default.usage == as_floats.usage


def test_embeddings_are_asked_for_and_travel_as_base64_unless_the_caller_says_otherwise(lenient_client: OpenAI) -> None:
    raw = lenient_client.embeddings.with_raw_response.create(model="embeddings", input="one text")

    assert isinstance(json.loads(raw.content)["data"][0]["embedding"], str)


@pytest.mark.parametrize("encoding", [{}, {"encoding_format": "float"}])
def test_embeddings_have_as_many_dimensions_as_are_asked_for(lenient_client: OpenAI, encoding: Any) -> None:
    answer = lenient_client.embeddings.create(model="embeddings", input="one text", dimensions=64, **encoding)

    [item] = answer.data
    assert len(item.embedding) == 64
    assert sum(number * number for number in item.embedding) == pytest.approx(1.0, abs=1e-5)


# Completions


def test_completions_answer_whole_and_in_pieces_alike(client: OpenAI, lenient_client: OpenAI) -> None:
    # In a stream `finish_reason` is null until the end, at OpenAI too; the SDK's model knows no null there.
    asked: Any = {"model": "completions", "prompt": "Once upon a time", "max_tokens": 20}
    whole = client.completions.create(**asked)
    pieces = list(lenient_client.completions.create(**asked, stream=True))

    assert whole.choices[0].text
    assert "".join(piece.choices[0].text for piece in pieces) == whole.choices[0].text
    assert pieces[-1].choices[0].finish_reason == whole.choices[0].finish_reason == "length"
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 20


# Models


def test_models_are_the_endpoints(client: OpenAI) -> None:
    listed = client.models.list()

    assert [model.id for model in listed] == ["chat", "completions", "embeddings", "flaky"]
    assert client.models.retrieve("chat") == listed.data[0]


def _check_weather(arguments: str) -> None:
    said = json.loads(arguments)
    assert set(said) == {"city", "unit", "days"}
    assert said["unit"] in {"celsius", "fahrenheit"}
    assert 1 <= said["days"] <= 7
