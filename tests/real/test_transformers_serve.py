"""`transformers serve` as it is, behind the gateway: a tiny model made on the spot, read by OpenAI's SDK.

WEIR_TEST_TRANSFORMERS_PYTHON names a Python that has `transformers[serving]` (5 or later) and `torch`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai import OpenAI

from tests.clients.openai_python import client_of
from tests.real import serving
from tests.running import RunningGateway, free_port

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

# What the model has learnt: see language_model.py.
GREET: Any = [{"role": "user", "content": "Greet me."}]
GREETING = "Grüß dich, 世界 🙂!"
COUNT: Any = [{"role": "user", "content": "Two and two?"}]
WEATHER: Any = [{"role": "user", "content": "The weather in Brest?"}]
TOOL: Any = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}

PROVIDERS = ["openai-compatible", "vllm"]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """A chat endpoint per provider, two for completions, and two that ask for what the server does not have."""
    python = serving.interpreter("WEIR_TEST_TRANSFORMERS_PYTHON", "transformers[serving] and torch")
    model = tmp_path_factory.mktemp("model")
    serving.make(python, "language_model.py", model)
    port = free_port()
    command = [str(python.with_name("transformers")), "serve", "--host", "127.0.0.1", "--port", str(port)]
    log = model.with_suffix(".log")
    with serving.running(python, [*command, "--device", "cpu"], port, "/health", log) as url:
        with RunningGateway({"endpoints": _endpoints(url, model)}, tmp_path_factory.mktemp("gateway")) as running:
            yield running


def _endpoints(url: str, model: Path) -> list[dict[str, Any]]:
    def endpoint(name: str, kind: str, provider: str, named: Any = model) -> dict[str, Any]:
        settings = {"api_base": f"{url}/v1", "api_key": "not-needed"}
        asked = {"provider": provider, "name": str(named), "config": settings}
        return {"name": name, "endpoint_type": f"llm/v1/{kind}", "model": asked}

    return [
        *(endpoint(provider, "chat", provider) for provider in PROVIDERS),
        endpoint("completions", "completions", "openai-compatible"),
        endpoint("vllm-completions", "completions", "vllm"),
        endpoint("embeddings", "embeddings", "openai-compatible"),
        endpoint("nowhere", "chat", "openai-compatible", "nobody/nothing"),
    ]


@pytest.fixture(scope="module")
def client(gateway: RunningGateway) -> Iterator[OpenAI]:
    with client_of(gateway) as made:
        yield made


@pytest.fixture(params=PROVIDERS)
def chat(request: pytest.FixtureRequest) -> str:
    """The name of a chat endpoint, one per provider."""
    name: str = request.param
    return name


def test_a_whole_answer_comes_with_its_end_and_its_usage(client: OpenAI, chat: str) -> None:
    answer = client.chat.completions.create(model=chat, messages=GREET)

    [choice] = answer.choices
    assert choice.message.content == GREETING
    assert choice.finish_reason == "stop"
    assert answer.usage
    assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens > len(GREETING.split())
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_a_system_message_is_heard(client: OpenAI, chat: str) -> None:
    brief: Any = [{"role": "system", "content": "Be brief."}, *GREET]

    assert client.chat.completions.create(model=chat, messages=brief).choices[0].message.content == "Hi."


def test_a_limit_ends_the_answer_for_its_length(client: OpenAI, chat: str) -> None:
    answer = client.chat.completions.create(model=chat, messages=GREET, max_completion_tokens=3)

    assert answer.choices[0].finish_reason == "length"
    assert answer.usage and answer.usage.completion_tokens == 3


def test_a_stream_says_the_same_in_pieces_with_one_end(client: OpenAI, chat: str) -> None:
    chunks = list(client.chat.completions.create(model=chat, messages=GREET, stream=True))

    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert [choice.delta.role for choice in choices if choice.delta.role] == ["assistant"]
    assert choices[0].delta.role == "assistant"
    pieces = [choice.delta.content for choice in choices if choice.delta.content]
    assert "".join(pieces) == GREETING
    assert len(pieces) > 3
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop"]


def test_the_usage_comes_last_and_alone_for_a_client_that_asks_for_it(client: OpenAI, chat: str) -> None:
    whole = client.chat.completions.create(model=chat, messages=GREET)

    *chunks, last = client.chat.completions.create(
        model=chat, messages=GREET, stream=True, stream_options={"include_usage": True}
    )

    assert last.choices == [] and last.usage == whole.usage
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_no_usage_comes_to_a_client_that_does_not_ask_for_it(client: OpenAI, chat: str) -> None:
    chunks = list(client.chat.completions.create(model=chat, messages=GREET, stream=True))

    assert all(chunk.choices and chunk.usage is None for chunk in chunks)


def test_a_failure_after_the_streams_start_is_an_error_in_the_servers_words(client: OpenAI, chat: str) -> None:
    heard = []
    with pytest.raises(openai.APIError, match="sequence_bias"):  # noqa: PT012
        for chunk in client.chat.completions.create(model=chat, messages=GREET, stream=True, logit_bias={"99999": 5}):
            heard.append(chunk)  # noqa: PERF402

    assert [chunk.choices[0].delta.role for chunk in heard] == ["assistant"]


def test_a_stream_ends_with_done_though_the_server_does_not_say_it(client: OpenAI, chat: str) -> None:
    with client.chat.completions.with_streaming_response.create(model=chat, messages=GREET, stream=True) as answer:
        lines = [line for line in answer.iter_lines() if line]

    assert lines[-1] == "data: [DONE]"
    assert [line for line in lines if not line.startswith("data: {")] == ["data: [DONE]"]


def test_a_thought_is_apart_from_the_answer_whole_and_streamed(client: OpenAI, chat: str) -> None:
    message: Any = client.chat.completions.create(model=chat, messages=COUNT).choices[0].message
    deltas: Any = [
        chunk.choices[0].delta for chunk in client.chat.completions.create(model=chat, messages=COUNT, stream=True)
    ]

    assert (message.reasoning_content.strip(), message.content.strip()) == ("On two hands.", "Four.")
    thought = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert (thought.strip(), "".join(delta.content or "" for delta in deltas).strip()) == ("On two hands.", "Four.")


def test_a_tool_is_called_and_its_result_is_heard(client: OpenAI, chat: str) -> None:
    first = client.chat.completions.create(model=chat, messages=WEATHER, tools=[TOOL])
    [call] = first.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Brest"}')
    assert first.choices[0].finish_reason == "tool_calls"

    said: Any = first.choices[0].message.model_dump(exclude_none=True)
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    second = client.chat.completions.create(model=chat, messages=[*WEATHER, said, result], tools=[TOOL])
    assert second.choices[0].message.content == "It rains."


def test_a_streamed_tool_call_is_the_same_call(client: OpenAI, chat: str) -> None:
    with client.chat.completions.stream(model=chat, messages=WEATHER, tools=[TOOL]) as stream:
        choice = stream.get_final_completion().choices[0]

    [call] = choice.message.tool_calls or []
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Brest"}')
    assert call.id
    assert choice.finish_reason == "tool_calls"


def test_nulls_in_a_message_do_not_reach_a_server_that_stumbles_over_them(client: OpenAI) -> None:
    said: Any = {"role": "assistant", "content": GREETING, "refusal": None, "tool_calls": None}

    answer = client.chat.completions.create(model="vllm", messages=[*GREET, said, *GREET], max_tokens=1)

    assert answer.choices[0].finish_reason == "length"


def test_a_completion_goes_on_with_the_prompt(client: OpenAI) -> None:
    whole = client.completions.create(model="completions", prompt="Once upon", max_tokens=20)

    assert whole.choices[0].text == " a time, a fox."
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage and whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens


def test_a_streamed_completion_is_the_whole_one_in_pieces(gateway: RunningGateway) -> None:
    with client_of(gateway, _strict_response_validation=False) as lenient:
        chunks = list(lenient.completions.create(model="completions", prompt="Once upon", stream=True))

    choices = [choice for chunk in chunks for choice in chunk.choices]
    assert "".join(choice.text for choice in choices) == " a time, a fox."
    assert choices[-1].finish_reason == "stop"


def test_a_row_gives_every_chunk_of_a_completion_its_finish_reason(gateway: RunningGateway) -> None:
    with client_of(
        gateway, _strict_response_validation=False
    ) as lenient:  # the SDK's type has no null, which OpenAI sends
        chunks = list(lenient.completions.create(model="vllm-completions", prompt="Once upon", stream=True))

    assert "finish_reason" in chunks[0].choices[0].to_dict(exclude_unset=True)


def test_a_path_that_the_server_does_not_have_is_its_404(client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.embeddings.create(model="embeddings", input="fox")

    assert caught.value.response.headers["x-gateway-error-source"] == "provider"
    assert "Not Found" in caught.value.message


def test_a_field_that_the_server_does_not_know_is_its_422_in_its_words(client: OpenAI, chat: str) -> None:
    with pytest.raises(openai.UnprocessableEntityError) as caught:
        client.chat.completions.create(model=chat, messages=GREET, extra_body={"flavour": "salty"})

    assert caught.value.response.headers["x-gateway-error-source"] == "provider"
    assert "Unexpected fields in the request: {'flavour'}" in caught.value.message


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
def test_a_model_that_it_cannot_load_is_the_servers_failure_as_a_real_status(client: OpenAI, streamed: bool) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="nowhere", messages=GREET, stream=streamed)

    assert caught.value.status_code == 500  # so the server has it: text/plain, no word of why
    assert caught.value.response.headers["x-gateway-error-source"] == "provider"
    assert "Internal Server Error" in caught.value.message
