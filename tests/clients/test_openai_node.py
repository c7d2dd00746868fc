"""OpenAI's own SDK for Node at /v1: openai_node/exercise.mjs runs once, and the tests read what it saw.

Needs Node and npm, and WEIR_TEST_NODE=1 because it installs the SDK from the package registry.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.running import RunningGateway

HERE = Path(__file__).parent / "openai_node"

OLDEST_NODE = 20

pytestmark = pytest.mark.timeout(180)  # a package registry may be slow


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the exercise and the SDK that it imports."""
    if os.environ.get("WEIR_TEST_NODE") != "1":
        pytest.skip("WEIR_TEST_NODE=1 is not set: this test installs a package with npm")
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    if (version := _node_version()) < OLDEST_NODE:
        pytest.skip(f"the SDK needs Node {OLDEST_NODE} or newer; this is {version}")
    directory: Path = tmp_path_factory.mktemp("node") / "sdk"
    shutil.copytree(HERE, directory, ignore=shutil.ignore_patterns("node_modules"))
    command = ["npm", "ci", "--prefix", str(directory), "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture(scope="module")
def seen(sdk: Path, gateway: RunningGateway, troubled: RunningGateway) -> Any:
    """What the exercise saw."""
    command = ["node", "exercise.mjs", f"{gateway.url}/v1", f"{troubled.url}/v1"]
    done = subprocess.run(command, cwd=sdk, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_chat_answers_with_text_usage_and_the_requests_id(seen: Any) -> None:
    [choice] = seen["chat"]["choices"]
    assert "Hello from Node" in choice["message"]["content"]
    assert choice["finish_reason"] == "stop"
    usage = seen["chat"]["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0
    assert seen["raw"] == {"id": "order-4711", "onAnswer": "order-4711", "contentType": "application/json"}


def test_a_stream_says_what_the_whole_answer_says(seen: Any) -> None:
    whole = seen["chat"]["choices"][0]["message"]["content"]

    assert len(seen["stream"]) > 5
    assert _text(seen["stream"]) == whole
    assert seen["stream"][-1]["choices"][0]["finish_reason"] == "stop"
    assert seen["helper"]["choices"][0]["message"]["content"] == whole
    assert not any(chunk.get("usage") for chunk in seen["stream"]), "nobody asked"


def test_a_stream_ends_with_usage_for_those_who_ask(seen: Any) -> None:
    *chunks, last = seen["streamWithUsage"]

    assert last["choices"] == []
    assert last["usage"] == seen["chat"]["usage"]
    assert _text(chunks) == seen["chat"]["choices"][0]["message"]["content"]


def test_a_stream_can_be_left_before_its_end_and_the_client_used_again(seen: Any) -> None:
    assert seen["left"] == "length"


def test_a_forced_tool_is_called_alike_whole_and_streamed(seen: Any) -> None:
    [whole] = seen["tool"]["choices"][0]["message"]["tool_calls"]
    assert whole["function"]["name"] == "get_weather"
    arguments = json.loads(whole["function"]["arguments"])
    assert set(arguments) == {"city", "days"}
    assert 1 <= arguments["days"] <= 7

    pieces = [piece for chunk in seen["toolStream"] for piece in chunk["choices"][0]["delta"].get("tool_calls") or []]
    assert "".join(piece["function"].get("arguments") or "" for piece in pieces) == whole["function"]["arguments"]
    [helped] = seen["toolHelper"]["choices"][0]["message"]["tool_calls"]
    assert helped["function"] == whole["function"]


def test_structured_output_is_parsed(seen: Any) -> None:
    parsed = seen["structured"]["choices"][0]["message"]["parsed"]

    assert set(parsed) == {"title", "minutes"}
    assert isinstance(parsed["title"], str)
    assert isinstance(parsed["minutes"], int)


def test_embeddings_are_numbers_whichever_way_they_travel(seen: Any) -> None:
    for default, floats in zip(seen["embeddings"]["data"], seen["embeddingsAsFloats"]["data"], strict=True):
        assert default["embedding"] == pytest.approx(floats["embedding"], abs=1e-6)
    assert [len(item["embedding"]) for item in seen["embeddingsShort"]["data"]] == [64, 64]


def test_completions_answer_whole_and_in_pieces_alike(seen: Any) -> None:
    whole = seen["completion"]["choices"][0]

    assert whole["text"]
    assert "".join(piece["choices"][0]["text"] for piece in seen["completionStream"]) == whole["text"]
    assert seen["completionStream"][-1]["choices"][0]["finish_reason"] == whole["finish_reason"] == "length"


def test_models_are_the_endpoints(seen: Any) -> None:
    assert [model["id"] for model in seen["models"]] == ["chat", "completions", "embeddings", "flaky"]
    retrieved = {key: value for key, value in seen["model"].items() if key != "_request_id"}
    assert retrieved == seen["models"][0]


@pytest.mark.parametrize("name", ["unknownModel", "unknownModelStream", "unknownModelRetrieved"])
def test_an_unknown_model_is_not_found_by_name(seen: Any, name: str) -> None:
    error = seen["errors"][name]

    assert (error["class"], error["status"]) == ("NotFoundError", 404)
    assert (error["code"], error["param"], error["type"]) == ("model_not_found", "model", "invalid_request_error")
    assert "'gpt-nope' does not exist" in error["message"]
    assert error["requestID"]


def test_a_wrong_value_is_a_bad_request_that_names_it(seen: Any) -> None:
    error = seen["errors"]["wrongValue"]

    assert (error["class"], error["param"]) == ("BadRequestError", "temperature")
    assert "less than or equal to 2" in error["message"]
    assert seen["errors"]["wrongType"]["class"] == "BadRequestError"
    assert "Endpoint 'embeddings' is not a chat endpoint" in seen["errors"]["wrongType"]["message"]


def test_a_limit_is_a_rate_limit_error_that_says_when_to_come_back(seen: Any) -> None:
    assert seen["errors"]["withinLimit"]["class"] is None
    error = seen["errors"]["limited"]
    assert (error["class"], error["code"]) == ("RateLimitError", "rate_limit_exceeded")
    assert 3000 < int(error["retryAfter"]) <= 3601


def test_a_providers_failures_have_their_class_code_and_words(seen: Any) -> None:
    errors = seen["errors"]
    expected = {
        "refusing": ("UnprocessableEntityError", "failed_on_purpose"),
        "unauthorized": ("AuthenticationError", "upstream_auth"),
        "overloaded": ("InternalServerError", "failed_on_purpose"),
        "unreachable": ("InternalServerError", "upstream_unreachable"),
        "cut": ("APIError", "upstream_cut"),
    }
    assert {name: (errors[name]["class"], errors[name]["code"]) for name in expected} == expected
    assert errors["overloaded"]["retryAfter"] == "7"
    assert "failed on purpose" in errors["refusing"]["message"]
    assert errors["refusing"]["seen"] == 0
    assert errors["cut"]["seen"] > 0, "what had come is the caller's"


def _node_version() -> int:
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.removeprefix("v").partition(".")[0])


def _text(chunks: list[Any]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
