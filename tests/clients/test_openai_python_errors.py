"""OpenAI's own SDK for Python at /v1 when something is wrong: each error's class, words, code and place."""

from __future__ import annotations

from typing import Any, Literal

import openai
import pytest
from openai import OpenAI

from tests.clients.openai_python import HELLO


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
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        troubled_client.chat.completions.create(model="refusing", messages=HELLO, stream=stream)

    assert caught.value.code == "failed_on_purpose"
    assert "failed on purpose" in caught.value.message
    assert caught.value.response.headers["x-gateway-error-source"] == "provider"


@pytest.mark.parametrize("stream", [False, True])
def test_a_key_of_the_gateways_that_is_refused_is_told_from_the_callers(
    troubled_client: OpenAI, stream: Literal[True, False]
) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        troubled_client.chat.completions.create(model="unauthorized", messages=HELLO, stream=stream)

    assert caught.value.code == "upstream_auth"
    assert "refused the gateway's credentials for endpoint 'unauthorized'" in caught.value.message


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
    chunks = iter(troubled_client.chat.completions.create(model="cut", messages=HELLO, stream=True))
    received = [next(chunks), next(chunks)]

    with pytest.raises(openai.APIError) as caught:
        list(chunks)

    assert received[1].choices[0].delta.content
    assert caught.value.code == "upstream_cut"
    assert "broke off" in caught.value.message
