"""The usage page's Python blocks, and what else MLflow's own client does, each as a script that its user would run.

The interpreter that has MLflow is this one, or the one that WEIR_TEST_MLFLOW_PYTHON names (`mlflow-skinny` is enough).
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients import usage_page
from tests.running import RunningGateway

Run = Callable[[RunningGateway, str], str]

VERSION = "3.17."


@pytest.fixture(scope="module")
def interpreter() -> str:
    """A Python that has the MLflow client whose behaviour is promised."""
    named = os.environ.get("WEIR_TEST_MLFLOW_PYTHON")
    if named is None and importlib.util.find_spec("mlflow") is None:
        pytest.skip("mlflow is not installed here, and WEIR_TEST_MLFLOW_PYTHON names no interpreter that has it")
    python = named or sys.executable
    ask = "import importlib.metadata as m; print({d.name: d.version for d in m.distributions()}.get('mlflow-skinny'))"
    version = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip()
    assert version.startswith(VERSION), f"these tests speak of MLflow {VERSION}*; {python} has {version}"
    return python


@pytest.fixture
def run(interpreter: str, tmp_path: Path) -> Run:
    """Runs a script against a gateway, at the address that the page uses but for the port; gives what it prints."""

    def run(gateway: RunningGateway, script: str) -> str:
        path = tmp_path / "script.py"
        path.write_text(usage_page.at(script, gateway.port))
        ours = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        done = subprocess.run(
            [interpreter, str(path)], cwd=tmp_path, env=ours, capture_output=True, text=True, timeout=50, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_pages_first_block_prints_the_answer(run: Run, gateway: RunningGateway) -> None:
    assert "What is MLflow?" in run(gateway, usage_page.PYTHON_CHAT)


def test_the_pages_streaming_and_embeddings_block_runs(run: Run, gateway: RunningGateway) -> None:
    shown = "print(); print([[len(e), all(isinstance(n, float) for n in e)] for e in embeddings])"

    printed = run(gateway, usage_page.PYTHON_ADVANCED + shown)

    text, _, vectors = printed.strip().rpartition("\n")
    assert "Explain quantum computing" in text
    assert vectors == "[[256, True], [256, True]]"


def test_the_pages_error_handling_block_prints_the_answer(run: Run, gateway: RunningGateway) -> None:
    printed = run(gateway, usage_page.PYTHON_ERRORS)

    assert printed.startswith("{'id': ")
    assert "Hello" in printed


def test_the_pages_error_handling_block_shows_the_gateways_words(run: Run, gateway: RunningGateway) -> None:
    """The page's own `except`: what this client raises for an error's status is no MlflowException."""
    printed = run(gateway, usage_page.PYTHON_ERRORS.replace('endpoint="chat"', 'endpoint="chatt"'))

    assert printed.startswith("Unexpected error: 404 Client Error")
    assert "The endpoint 'chatt' is not present or active on the server." in printed


def test_the_pages_health_block_runs(run: Run, gateway: RunningGateway) -> None:
    assert run(gateway, usage_page.PYTHON_HEALTH) == "Status: 200\nGateway is healthy\n"


def test_the_pages_management_block_fails_in_the_clients_own_classes(run: Run, gateway: RunningGateway) -> None:
    """Whatever a server answers: `Endpoint` has neither `[...]` nor `.get`. The next test shows what works instead."""
    setup, _, rest = usage_page.PYTHON_MANAGEMENT.partition("for endpoint in endpoints:\n")
    listing, _, details = rest.partition("\n\n")
    script = f"""{setup}
def show_refusal(block):
    try:
        exec(block, {{"client": client, "endpoint": endpoints[0]}})
    except Exception as error:
        print(type(error).__name__, error)

show_refusal({listing.strip()!r})
show_refusal({details!r})
"""

    assert run(gateway, script).splitlines() == [
        "TypeError 'Endpoint' object is not subscriptable",
        "AttributeError 'Endpoint' object has no attribute 'get'",
    ]


MANAGEMENT_THAT_WORKS = """\
from mlflow.deployments import get_deploy_client

client = get_deploy_client("http://localhost:5000")

# List available endpoints
endpoints = client.list_endpoints()
for endpoint in endpoints:
    print(f"Endpoint: {endpoint.name}")

# Get endpoint details
endpoint_info = client.get_endpoint("chat")
print(f"Model: {endpoint_info.model.name}")
print(f"Provider: {endpoint_info.model.provider}")

# As a dictionary, if that is what you need
print(endpoint_info.model_dump())
"""


def test_the_management_block_works_with_attributes(run: Run, gateway: RunningGateway) -> None:
    """The README shows this block."""
    assert run(gateway, MANAGEMENT_THAT_WORKS).splitlines() == [
        "Endpoint: chat",
        "Endpoint: completions",
        "Endpoint: embeddings",
        "Endpoint: flaky",
        "Model: weir-local",
        "Provider: local",
        str(
            {
                "name": "chat",
                "endpoint_type": "llm/v1/chat",
                "model": {"name": "weir-local", "provider": "local"},
                "endpoint_url": f"http://localhost:{gateway.port}/gateway/chat/invocations",
                "limit": None,
            }
        ),
    ]


STREAMS = """
import json
from mlflow.deployments import get_deploy_client

client = get_deploy_client("http://localhost:5000")
asked = {"messages": [{"role": "user", "content": "Hello"}]}
with_usage = {"stream": True, "stream_options": {"include_usage": True}}
print(json.dumps({
    "whole": client.predict(endpoint="chat", inputs=asked),
    "chat": client.predict(endpoint="chat", inputs={**asked, "stream": True}),
    "usage": client.predict(endpoint="chat", inputs={**asked, **with_usage}),
    "completions": client.predict(endpoint="completions", inputs={"prompt": "Hello", "stream": True}),
}))
"""


def test_a_stream_is_a_list_of_chunks_each_with_a_choice(run: Run, gateway: RunningGateway) -> None:
    answers: dict[str, Any] = json.loads(run(gateway, STREAMS))

    whole = answers["whole"]
    for name in ("chat", "usage"):
        chunks = answers[name]
        assert len(chunks) > 5
        assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
        said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)
        assert said == whole["choices"][0]["message"]["content"]
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert answers["usage"][-1]["usage"] == whole["usage"]
    assert not any(chunk.get("usage") for chunk in answers["chat"]), "nobody asked for usage"
    assert "".join(chunk["choices"][0]["text"] for chunk in answers["completions"]).strip()


ERRORS = """
import json
from mlflow.deployments import get_deploy_client

client = get_deploy_client("http://localhost:5000")
hello = [{"role": "user", "content": "Hello"}]

def error(call, *arguments, **named):
    try:
        call(*arguments, **named)
    except Exception as raised:
        return [type(raised).__name__, str(raised), raised.response.json()]

print(json.dumps({
    "unknown": error(client.predict, endpoint="nope", inputs={"messages": hello}),
    "unknown, listed": error(client.get_endpoint, "nope"),
    "missing": error(client.predict, endpoint="chat", inputs={}),
    "range": error(client.predict, endpoint="chat", inputs={"messages": hello, "temperature": 9}),
    "model": error(client.predict, endpoint="chat", inputs={"messages": hello, "model": "gpt-5"}),
    "stream": error(client.predict, endpoint="chat", inputs={"messages": [], "stream": True}),
}))
"""


def test_an_error_of_the_callers_comes_at_once_with_words_that_say_what_to_mend(
    run: Run, gateway: RunningGateway
) -> None:
    before = _invocations(gateway)

    errors = json.loads(run(gateway, ERRORS))

    # This client tries some statuses up to eight times, over four minutes. One line in the log is one try.
    made = _invocations(gateway)[len(before) :]
    assert [line["status"] for line in made] == [404, 422, 422, 422, 422]
    assert {kind for kind, _, _ in errors.values()} == {"HTTPError"}
    for name in ("unknown", "unknown, listed"):
        _, words, body = errors[name]
        assert "404 Client Error" in words
        assert "The endpoint 'nope' is not present or active on the server." in words
        assert body["error"]["message"] == body["detail"]
    assert errors["missing"][2]["detail"] == [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]
    assert errors["range"][2]["detail"][0]["loc"] == ["body", "temperature"]
    assert "less than or equal to 2" in errors["range"][1]
    assert "The parameter 'model' is not permitted to be passed." in errors["model"][2]["detail"]
    assert errors["stream"][2]["detail"][0]["loc"] == ["body", "messages"]


REFUSED = """
from mlflow.deployments import get_deploy_client

client = get_deploy_client("http://localhost:5000")
try:
    client.predict(endpoint="refusing", inputs={"messages": [{"role": "user", "content": "Hello"}], "stream": True})
except Exception as error:
    print(error)
"""


def test_a_providers_refusal_is_no_stream_but_an_error_and_is_not_tried_again(
    run: Run, troubled: RunningGateway
) -> None:
    before = _invocations(troubled, "refusing")

    printed = run(troubled, REFUSED)

    assert printed.startswith("422 Client Error")
    assert "fail_rate is 1" in printed
    assert len(_invocations(troubled, "refusing")) == len(before) + 1


BUSY = """
from mlflow.deployments import get_deploy_client

client = get_deploy_client("http://localhost:5000")
for greeting in ("one", "two"):
    answer = client.predict(endpoint="busy", inputs={"messages": [{"role": "user", "content": greeting}]})
    print(greeting in answer["choices"][0]["message"]["content"])
"""


def test_over_a_limit_the_client_waits_as_it_is_told_and_then_succeeds(run: Run, troubled: RunningGateway) -> None:
    assert run(troubled, BUSY).split() == ["True", "True"]

    statuses = [line["status"] for line in _invocations(troubled, "busy")]
    assert statuses == [200, 429, 200], "it tries again once, when the window has ended"


def _invocations(gateway: RunningGateway, name: str | None = None) -> list[dict[str, Any]]:
    return [line for line in gateway.log_lines() if name in (None, line["name"])]
