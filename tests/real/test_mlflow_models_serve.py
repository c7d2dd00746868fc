"""`mlflow models serve` as it is, behind the gateway: models made on the spot, read by OpenAI's SDK.

WEIR_TEST_MLFLOW_PYTHON names a Python that has `mlflow` (the whole of it), which makes the models and serves them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import openai
import pytest
import requests
from openai import OpenAI

from tests.clients.openai_python import client_of
from tests.real import serving
from tests.running import RunningGateway, free_port

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

ASKED: Any = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How deep is Lake Baikal?"}]
TYPES = {"chat": "chat", "agent": "chat", "completions": "completions", "embeddings": "embeddings"}
TOOL: Any = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}},
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Name -> address of its server."""
    python = serving.interpreter("WEIR_TEST_MLFLOW_PYTHON", "mlflow")
    directory = tmp_path_factory.mktemp("models")
    serving.make(python, "mlflow_models.py", directory)
    with ExitStack() as servers:
        yield {name: servers.enter_context(_served(python, directory / name)) for name in TYPES}


def _served(python: Path, model: Path) -> AbstractContextManager[str]:
    port = free_port()
    command = [str(python), "-m", "mlflow", "models", "serve", "--model-uri", str(model)]
    options = ["--env-manager", "local", "--workers", "1", "--port", str(port)]
    return serving.running(python, [*command, *options], port, "/ping", model.with_suffix(".log"))


@pytest.fixture(scope="module")
def gateway(models: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    endpoints = [
        {
            "name": name,
            "endpoint_type": f"llm/v1/{TYPES[name]}",
            "model": {"provider": "mlflow-model-serving", "name": name, "config": {"model_server_url": url}},
        }
        for name, url in models.items()
    ]
    with RunningGateway({"endpoints": endpoints}, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture(scope="module")
def client(gateway: RunningGateway) -> Iterator[OpenAI]:
    with client_of(gateway) as made:
        yield made


def test_a_chat_model_hears_every_message_and_its_answer_comes_back_with_its_usage(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="chat", messages=ASKED, max_completion_tokens=50, stop="\n")

    [choice] = answer.choices
    assert choice.message.content == "system: How deep is Lake Baikal? (50, ['\\n'])"
    assert choice.finish_reason == "stop"
    assert answer.usage and answer.usage.total_tokens == 11


def test_content_parts_reach_a_chat_model_as_its_schema_has_it(client: OpenAI) -> None:
    parts: Any = [{"type": "text", "text": "How deep "}, {"type": "text", "text": "is it?"}]

    answer = client.chat.completions.create(model="chat", messages=[{"role": "user", "content": parts}])

    assert "How deep is it?" in (answer.choices[0].message.content or "")


def test_a_chat_model_calls_the_tool_that_it_is_given(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="chat", messages=ASKED, tools=[TOOL])

    [choice] = answer.choices
    [call] = choice.message.tool_calls or []
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city": "Brest"}')
    assert choice.finish_reason == "tool_calls"


def test_a_chat_model_takes_a_conversation_with_a_tools_result(client: OpenAI) -> None:
    first = client.chat.completions.create(model="chat", messages=ASKED, tools=[TOOL]).choices[0].message
    result: Any = {"role": "tool", "tool_call_id": "call_1", "content": "rain"}

    answer = client.chat.completions.create(model="chat", messages=[*ASKED, first.model_dump(), result])

    assert "system: rain" in (answer.choices[0].message.content or "")


def test_an_agents_last_message_is_the_answer_and_the_rest_is_kept(client: OpenAI) -> None:
    answer = client.chat.completions.create(model="agent", messages=ASKED, extra_body={"custom_inputs": {"unit": "m"}})

    assert answer.choices[0].message.content == "It is How deep is Lake Baikal?"
    kept: Any = answer.model_extra
    assert kept["provider_fields"]["mlflow"]["custom_outputs"] == {"heard": {"unit": "m"}}
    assert [message["content"] for message in kept["provider_fields"]["mlflow"]["messages"]] == ["I look it up."]


def test_each_prompt_is_completed_with_the_parameters_of_the_signature(client: OpenAI) -> None:
    answer = client.completions.create(model="completions", prompt=["Once", "Twice"], max_tokens=2, temperature=0.5)

    assert [choice.text for choice in answer.choices] == ["Once and on and on", "Twice and on and on"]
    assert [choice.index for choice in answer.choices] == [0, 1]


@pytest.mark.parametrize("asked", [{"encoding_format": "float"}, {}], ids=["float", "base64"])
def test_embeddings_come_back_in_their_order_as_precise_as_they_may_be(gateway: RunningGateway, asked: Any) -> None:
    # Strictly held, the SDK refuses the base64 that it asks for by itself.
    with client_of(gateway, _strict_response_validation="encoding_format" in asked) as client:
        answer = client.embeddings.create(model="embeddings", input=["a", "bcd"], **asked)

    vectors = [item.embedding for item in answer.data]
    assert vectors == [pytest.approx([1, 97, 1 / 3]), pytest.approx([3, 98, 1 / 3])]
    assert [item.index for item in answer.data] == [0, 1]


def test_a_model_that_fails_is_the_servers_error_without_its_stack(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:  # so the server has it
        client.chat.completions.create(model="chat", messages=[{"role": "user", "content": "Fail."}])

    assert caught.value.response.headers["x-gateway-error-source"] == "provider"
    assert "while evaluating the model" in caught.value.message
    assert "Traceback" not in caught.value.response.text


def test_what_the_models_schema_refuses_is_a_bad_request_in_its_words(client: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="chat", messages=ASKED, extra_body={"custom_inputs": "no object"})

    assert caught.value.response.headers["x-gateway-error-source"] == "provider"
    assert "custom_inputs" in caught.value.message


@pytest.mark.parametrize("payload", [{"messages": ASKED}, {"prompt": "Once"}], ids=["chat", "completions"])
def test_a_stream_is_refused_in_words_that_name_it(gateway: RunningGateway, payload: Any) -> None:
    name = "chat" if "messages" in payload else "completions"

    answer = requests.post(f"{gateway.url}/gateway/{name}/invocations", json={**payload, "stream": True}, timeout=30)

    assert answer.status_code == 422
    assert answer.headers["x-gateway-error-source"] == "gateway"
    assert "does not stream" in answer.text
