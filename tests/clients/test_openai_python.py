"""OpenAI's own SDK for Python at /v1. Every answer and chunk is held against the SDK's own models, strictly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.running import RunningGateway

HELLO: Any = [{"role": "user", "content": "Hello from the SDK"}]

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


def _client(gateway: RunningGateway, **options: Any) -> OpenAI:
    return OpenAI(
        base_url=f"{gateway.url}/v1",
        api_key="not-needed",
        max_retries=0,
        _strict_response_validation=True,
        **options,
    )


@pytest.fixture(scope="module")
def client(gateway: RunningGateway) -> Iterator[OpenAI]:
    """The SDK at the gateway as it is shipped."""
    with _client(gateway) as made:
        yield made


@pytest.fixture(scope="module")
def troubled_client(troubled: RunningGateway) -> Iterator[OpenAI]:
    """The SDK at the gateway whose endpoints fail."""
    with _client(troubled) as made:
        yield made


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

    assert client.chat.completions.create(model="chat", messages=HELLO, max_tokens=1).choices[0].finish_reason == "length"


# Tools


def test_a_forced_tool_is_called_with_arguments_that_fit_and_takes_its_result(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="chat", messages=HELLO, tools=[WEATHER], tool_choice=FORCED)

    message = answer.choices[0].message
    assert message.tool_calls is not None
    [call] = message.tool_calls
    assert call.type == "function"
    assert call.function.name == "get_weather"
    _check_weather(call.function.arguments)

    result = {"role": "tool", "tool_call_id": call.id, "content": "21 degrees"}
    after = client.chat.completions.create(model="chat", messages=[*HELLO, message, result], tools=[WEATHER])
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


# Embeddings


def test_embeddings_are_numbers_whichever_way_they_travel(client: OpenAI) -> None:
    """The SDK asks for base64 by itself, for the size, and decodes it into numbers of 32 bits."""
    by_default = client.embeddings.create(model="embeddings", input=["one text", "and another"])
    as_floats = client.embeddings.create(model="embeddings", input=["one text", "and another"], encoding_format="float")

    assert [item.index for item in by_default.data] == [0, 1]
    for default, floats in zip(by_default.data, as_floats.data, strict=True):
        assert default.embedding == pytest.approx(floats.embedding, abs=1e-6)
    assert by_default.usage == as_floats.usage


def test_base64_travels_as_it_is_for_those_who_ask(client: OpenAI) -> None:
    # The SDK's own model says list[float], so this one answer cannot be held against it strictly.
    raw = client.embeddings.with_raw_response.create(model="embeddings", input="one text", encoding_format="base64")

    assert isinstance(json.loads(raw.content)["data"][0]["embedding"], str)


def test_embeddings_have_as_many_dimensions_as_are_asked_for(client: OpenAI) -> None:
    answer = client.embeddings.create(model="embeddings", input="one text", dimensions=64)

    [item] = answer.data
    assert len(item.embedding) == 64
    assert sum(number * number for number in item.embedding) == pytest.approx(1.0, abs=1e-5)


# Completions


def test_completions_answer_whole_and_in_pieces_alike(client: OpenAI) -> None:
    whole = client.completions.create(model="completions", prompt="Once upon a time", max_tokens=20)
    pieces = list(client.completions.create(model="completions", prompt="Once upon a time", max_tokens=20, stream=True))

    assert whole.choices[0].text
    assert "".join(piece.choices[0].text for piece in pieces) == whole.choices[0].text
    assert pieces[-1].choices[0].finish_reason == whole.choices[0].finish_reason == "length"
    assert whole.usage is not None
    assert whole.usage.completion_tokens == 20


# Models


def test_models_are_the_endpoints(client: OpenAI) -> None:
    listed = client.models.list()

    assert [model.id for model in listed] == ["chat", "completions", "embeddings"]
    assert client.models.retrieve("chat") == listed.data[0]


# Errors


def test_an_unknown_model_is_not_found_by_name(client: OpenAI) -> None:
    for call in (
        lambda: client.chat.completions.create(model="gpt-nope", messages=HELLO),
        lambda: client.chat.completions.create(model="gpt-nope", messages=HELLO, stream=True),
        lambda: client.embeddings.create(model="gpt-nope", input="text"),
        lambda: client.models.retrieve("gpt-nope"),
    ):
        with pytest.raises(openai.NotFoundError) as caught:
            call()
        assert caught.value.code == "model_not_found"
        assert caught.value.param == "model"
        assert caught.value.type == "invalid_request_error"
        assert "'gpt-nope' does not exist" in caught.value.message
        assert caught.value.request_id


def test_a_wrong_value_is_a_bad_request_that_names_it(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="chat", messages=HELLO, temperature=9)

    assert caught.value.param == "temperature"
    assert "less than or equal to 2" in caught.value.message
    assert caught.value.type == "invalid_request_error"


def test_a_wrong_place_deep_in_the_messages_is_named(client: OpenAI) -> None:
    messages: Any = [*HELLO, {"content": "who says this?"}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="chat", messages=messages)

    assert caught.value.param == "messages[1].role"


def test_a_model_of_another_type_is_a_bad_request_in_words(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Endpoint 'embeddings' is not a chat endpoint"):
        client.chat.completions.create(model="embeddings", messages=HELLO)


def test_a_path_that_is_not_served_is_not_found(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.moderations.create(input="text")

    assert caught.value.code == "not_found"


def test_a_limit_is_a_rate_limit_error_that_says_when_to_come_back(troubled_client: OpenAI) -> None:
    troubled_client.chat.completions.create(model="limited-python", messages=HELLO)

    with pytest.raises(openai.RateLimitError) as caught:
        troubled_client.chat.completions.create(model="limited-python", messages=HELLO, stream=True)

    assert "Rate limit exceeded: 1 per 1 hour" in caught.value.message
    assert caught.value.code == "rate_limit_exceeded"
    headers = caught.value.response.headers
    assert 3000 < int(headers["retry-after"]) <= 3601
    assert headers["x-ratelimit-limit"] == "1"
    assert headers["x-ratelimit-remaining"] == "0"


@pytest.mark.parametrize("stream", [False, True])
def test_a_providers_refusal_has_its_class_and_words(troubled_client: OpenAI, stream: Literal[True, False]) -> None:
    with pytest.raises(openai.PermissionDeniedError) as caught:
        troubled_client.chat.completions.create(model="refusing", messages=HELLO, stream=stream)

    assert caught.value.code == "failed_on_purpose"
    assert "failed on purpose" in caught.value.message
    assert caught.value.response.headers["x-gateway-error-source"] == "provider"


@pytest.mark.parametrize("stream", [False, True])
def test_an_overloaded_provider_says_when_to_come_back(troubled_client: OpenAI, stream: Literal[True, False]) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        troubled_client.chat.completions.create(model="overloaded", messages=HELLO, stream=stream)

    assert caught.value.status_code == 503
    assert caught.value.response.headers["retry-after"] == "7"


@pytest.mark.parametrize("stream", [False, True])
def test_an_unreachable_provider_is_a_server_error_in_words(
    troubled_client: OpenAI, stream: Literal[True, False]
) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        troubled_client.chat.completions.create(model="unreachable", messages=HELLO, stream=stream)

    assert caught.value.status_code == 502
    assert caught.value.code == "upstream_unreachable"
    assert "127.0.0.1" in caught.value.message


def test_a_stream_that_is_cut_raises_after_what_has_come(troubled_client: OpenAI) -> None:
    said = ""
    with pytest.raises(openai.APIError) as caught:
        for chunk in troubled_client.chat.completions.create(model="cut", messages=HELLO, stream=True):
            said += chunk.choices[0].delta.content or ""

    assert said, "what had come is the caller's"
    assert caught.value.code == "upstream_cut"
    assert "ended before" in caught.value.message


def test_a_client_with_a_key_of_its_own_is_served(gateway: RunningGateway) -> None:
    """Services that come from OpenAI send their key: without keys of our own it is neither needed nor passed on."""
    with _client(gateway, organization="org-1", project="proj-1") as client:
        assert client.chat.completions.create(model="chat", messages=HELLO).choices


def _check_weather(arguments: str) -> None:
    said = json.loads(arguments)
    assert set(said) == {"city", "unit", "days"}
    assert said["unit"] in {"celsius", "fahrenheit"}
    assert 1 <= said["days"] <= 7
