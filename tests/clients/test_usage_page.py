"""Every command and every JSON example of the usage page, through curl, against the gateway as it is shipped."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.clients import usage_page
from tests.running import RunningGateway


@pytest.fixture
def shell(gateway: RunningGateway, curl: str) -> Any:
    """Runs a command of the page as its reader does: pasted into a shell. Gives what it prints."""

    def run(command: str) -> str:
        environment = {**os.environ, "PATH": f"{Path(curl).parent}:{os.environ['PATH']}"}
        pasted = usage_page.at(command, gateway.port)
        done = subprocess.run(
            ["/bin/sh", "-c", pasted], env=environment, capture_output=True, text=True, timeout=30, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def post(gateway: RunningGateway, curl: str) -> Any:
    """Sends a JSON example of the page to an endpoint; the answer's JSON."""

    def send(endpoint: str, body: str, family: str = "gateway") -> Any:
        url = f"http://localhost:{gateway.port}/{family}/{endpoint}/invocations"
        command = [curl, "-sS", "--fail", "-H", "Content-Type: application/json", "-d", "@-", url]
        done = subprocess.run(command, input=body, capture_output=True, text=True, timeout=30, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    return send


def test_the_chat_command_answers(shell: Any) -> None:
    answer = json.loads(shell(usage_page.CURL_CHAT))

    assert answer["object"] == "chat.completion"
    assert answer["provider"] == "local"
    message = answer["choices"][0]["message"]
    assert message["role"] == "assistant"
    assert "Hello, how are you?" in message["content"]
    assert answer["choices"][0]["finish_reason"] == "stop"
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


def test_the_completions_command_answers_within_its_tokens(shell: Any) -> None:
    answer = json.loads(shell(usage_page.CURL_COMPLETIONS))

    assert answer["object"] == "text_completion"
    assert answer["choices"][0]["text"].strip()
    assert 0 < answer["usage"]["completion_tokens"] <= 100


def test_the_embeddings_command_gives_a_vector_of_unit_length(shell: Any) -> None:
    answer = json.loads(shell(usage_page.CURL_EMBEDDINGS))

    assert answer["object"] == "list"
    [item] = answer["data"]
    assert item["index"] == 0
    assert sum(number * number for number in item["embedding"]) == pytest.approx(1.0)
    assert answer["usage"]["prompt_tokens"] == answer["usage"]["total_tokens"] > 0


def test_the_streaming_command_prints_events_that_say_what_a_whole_answer_says(shell: Any) -> None:
    whole = json.loads(shell(usage_page.CURL_STREAM.replace('"stream": true', '"stream": false')))

    blocks = shell(usage_page.CURL_STREAM).split("\n\n")

    assert blocks[-2:] == ["data: [DONE]", ""]
    chunks = [json.loads(block.removeprefix("data: ")) for block in blocks[:-2]]
    assert len(chunks) > 5, "it comes word by word"
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert {chunk["id"] for chunk in chunks} == {chunks[0]["id"]}
    assert all(chunk["choices"] for chunk in chunks), "nobody asked for the extra event with usage"
    assert _text(chunks) == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_the_stream_says_what_it_is_and_that_nothing_may_hold_it_up(shell: Any) -> None:
    printed = shell(usage_page.CURL_STREAM.replace("curl ", "curl -o /dev/null -D - ", 1))

    status, *lines = printed.strip().splitlines()
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    assert status.split()[1] == "200"
    assert headers["content-type"].split(";")[0] == "text/event-stream"
    assert headers["cache-control"] == "no-cache, no-transform"
    assert headers["x-accel-buffering"] == "no"
    assert headers["x-request-id"]


def test_the_chat_parameters_are_accepted_and_held_to(post: Any) -> None:
    answer = post("chat", usage_page.JSON_CHAT)

    choice = answer["choices"][0]
    assert choice["message"]["content"]
    assert "\n\n" not in choice["message"]["content"]
    assert answer["usage"]["completion_tokens"] <= 150


def test_the_completions_parameters_are_accepted_and_held_to(post: Any) -> None:
    answer = post("completions", usage_page.JSON_COMPLETIONS)

    choice = answer["choices"][0]
    assert choice["text"]
    assert not set(choice["text"]) & {".", "!"}
    assert choice["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] <= 100


def test_the_embeddings_parameters_give_one_vector_of_numbers_for_each_text(post: Any) -> None:
    answer = post("embeddings", usage_page.JSON_EMBEDDINGS)

    assert [item["index"] for item in answer["data"]] == [0, 1]
    first, second = (item["embedding"] for item in answer["data"])
    assert len(first) == len(second)
    assert all(isinstance(number, float | int) for number in first + second)
    assert first != second


@pytest.mark.parametrize(
    ("endpoint", "example"), [("chat", usage_page.JSON_CHAT), ("completions", usage_page.JSON_COMPLETIONS)]
)
def test_the_url_of_mlflows_client_gives_the_same_answer(post: Any, endpoint: str, example: str) -> None:
    assert post(endpoint, example, "endpoints")["choices"] == post(endpoint, example, "gateway")["choices"]


def _text(chunks: list[Any]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
