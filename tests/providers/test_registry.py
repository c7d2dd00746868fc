"""The registry: who is in it, who is not and why, and who comes from other packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from marshmallow import fields

pytest.importorskip("botocore", reason="needs the extra: pip install 'weir[bedrock]'")
pytest.importorskip("google.auth", reason="needs the extra: pip install 'weir[vertex]'")

from app.call import Call
from app.dialects import Translator
from app.providers import NOT_OURS, PROVIDERS, Provider, find, known_names
from tests.config.writing import problems, read, with_config, write

TABLE = set(
    """
    openai azure azuread openai-compatible groq deepseek xai openrouter togetherai fireworks nvidia
    mistral perplexity cerebras moonshot deepinfra portkey ollama vllm databricks huggingface anthropic
    gemini vertex_ai bedrock amazon-bedrock cohere huggingface-text-generation-inference
    mlflow-model-serving ai21labs mosaicml palm local
    """.split()  # noqa: SIM905 - a list of words reads best
)

SAID: dict[str, dict[str, Any]] = {
    "openai": {"openai_api_key": "k"},
    "azure": {
        "openai_api_key": "k",
        "openai_api_base": "https://acme.example",
        "openai_deployment_name": "d",
        "openai_api_version": "2024-06-01",
    },
    "databricks": {"host": "w.example", "token": "t"},
    "databricks-model-serving": {"host": "w.example", "client_id": "i", "client_secret": "s"},
    "bedrock": {"aws_config": {"aws_region": "us-east-1", "aws_bearer_token": "t"}},
    "vertex_ai": {"vertex_project": "p"},
    "huggingface-text-generation-inference": {"hf_server_url": "http://h"},
    "mlflow-model-serving": {"model_server_url": "http://h"},
}
SAID |= {"azuread": SAID["azure"], "amazon-bedrock": SAID["bedrock"]}
"""What some need beyond the keys and addresses that their schemas call required."""

MODELS = {
    "bedrock": "amazon.titan-embed-text-v2:0",
    "amazon-bedrock": "cohere.embed-v4:0",
    "vertex_ai": "text-embedding",
}
"""A model for every endpoint type, where the model decides what there is."""

TOKEN_FROM_ELSEWHERE = {"vertex-ai"}
"""Google's library asks for the token; its own tests have a server that gives one."""


def settings(provider: Provider) -> dict[str, Any]:
    """The least that a provider wants to be told."""
    schema = provider.settings()
    required = {name for name, field in schema.fields.items() if field.required}
    said = {name: "https://h.example" if name.endswith(("base", "url")) else "k" for name in required}
    assert all(isinstance(schema.fields[name], fields.String) for name in required)
    loaded: dict[str, Any] = schema.load({**said, **SAID.get(provider.name, {})})
    return loaded


def test_every_provider_that_is_promised_is_there() -> None:
    assert set(known_names()) >= TABLE


@pytest.mark.parametrize("name", sorted(PROVIDERS))
def test_every_row_has_an_address_for_all_it_can_with_the_least_settings(name: str) -> None:
    provider = PROVIDERS[name]
    loaded = settings(provider)
    for kind in provider.translators:
        model = MODELS.get(provider.name, "m")
        found = provider.translator(loaded, kind, model)
        assert isinstance(found, Translator), kind
        for path in (found.path, found.stream_path or found.path):
            address = provider.url(loaded, model, path)
            assert "://" in address and "{" not in address


@pytest.mark.parametrize("name", sorted(set(PROVIDERS) - TOKEN_FROM_ELSEWHERE))
def test_every_row_that_wants_a_key_puts_it_on_the_call(name: str) -> None:
    provider = PROVIDERS[name]
    loaded = settings(provider)
    call = provider.authorize(loaded, Call("https://h.example", {"User-Agent": "weir"}, b"{}"))
    assert call.headers["User-Agent"] == "weir"
    wants = any("key" in key and value == "k" for key, value in loaded.items())
    assert any("k" in value.split() for value in call.headers.values()) or not wants
    assert provider.grant(loaded) is None or "Authorization" not in call.headers


@pytest.mark.parametrize("spelling", ["vertex_ai", "vertex-ai", " Vertex_AI ", "VERTEX-AI"])
def test_case_hyphens_and_underscores_make_no_difference(spelling: str) -> None:
    assert find(spelling) is PROVIDERS["vertex-ai"]


def test_azure_is_put_right_and_openai_is_passed_on() -> None:
    openai, azure = PROVIDERS["openai"], PROVIDERS["azure"]
    as_azure = {"openai_api_type": "azure", **SAID["azure"]}
    for kind in openai.translators:
        plain = openai.translator(openai.settings().load({"openai_api_key": "k"}), kind, "m")
        typed = openai.translator(openai.settings().load(as_azure), kind, "m")
        named = azure.translator(settings(azure), kind, "m")
        assert plain is not None and plain.response is None
        assert typed is named and typed is not None and typed.response is not None


# --- retired, and not ours


@pytest.mark.parametrize(
    ("provider", "config", "kind", "since", "url"),
    [
        (
            "ai21labs",
            "{ai21labs_api_key: k}",
            "chat",
            "9 August 2026",
            "https://api.ai21.com/studio/v1/chat/completions",
        ),
        (
            "mosaicml",
            "{mosaicml_api_key: k, mosaicml_api_base: 'http://h/x'}",
            "completions",
            "Databricks",
            "http://h/x/gpt-4o-mini/v1/predict",
        ),
        (
            "palm",
            "{palm_api_key: k, api_base: 'http://h/v1'}",
            "chat",
            "15 August 2024",
            "http://h/v1/models/gpt-4o-mini:generateContent",
        ),
    ],
)
def test_a_retired_provider_warns_and_still_calls(
    tmp_path: Path, provider: str, config: str, kind: str, since: str, url: str
) -> None:
    snapshot = read(tmp_path, with_config(config, provider).replace("llm/v1/chat", f"llm/v1/{kind}"))
    (warning,) = snapshot.warnings
    assert warning.startswith("endpoint 'chat': ") and since in warning
    assert snapshot.endpoints["chat"].url == url


def test_mosaicmls_dialect_goes_both_ways() -> None:
    able = PROVIDERS["mosaicml"].translators
    complete, embed = able["llm/v1/completions"], able["llm/v1/embeddings"]
    body = complete.request("mpt-7b-instruct", {"prompt": "hi", "max_tokens": 5, "temperature": 0.5}).json
    assert body == {"inputs": ["hi"], "parameters": {"max_new_tokens": 5, "temperature": 0.5}}
    assert complete.response is not None and embed.response is not None
    assert complete.response({"outputs": ["there"]})["choices"][0]["text"] == "there"
    assert embed.request("instructor-large", {"input": "hi"}).json == {"inputs": ["hi"]}
    assert embed.response({"outputs": [[0.5, 1.0]]})["data"][0]["embedding"] == [0.5, 1.0]


@pytest.mark.parametrize("name", sorted(NOT_OURS))
def test_a_provider_of_mlflows_that_is_not_ours_is_named_so(tmp_path: Path, name: str) -> None:
    (told,) = problems(tmp_path, with_config("{}", name.replace("-", "_")))
    assert f"this gateway does not have MLflow's provider '{name.replace('-', '_')}': {NOT_OURS[name]}" in told
    assert name not in known_names()


# --- of other packages


def install(directory: Path, package: str, version: str, points: dict[str, str], code: str = "") -> None:
    """A package as pip leaves it: its module, and beside that what it says of itself."""
    if code:
        (directory / f"{package}.py").write_text(code)
    info = directory / f"{package}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    lines = "".join(f"{name} = {value}\n" for name, value in points.items())
    (info / "entry_points.txt").write_text(f"[weir.providers]\n{lines}")


def outcome(directory: Path, code: str) -> Any:
    """What a Python of its own, which sees the packages in a directory, prints as JSON."""
    path = os.pathsep.join([str(directory), str(Path(__file__).parents[2])])
    environment = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=50)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


LOAD = """
import json, sys
from pathlib import Path
from app.call import Call
from app.config import load
from app.errors import ConfigError
try:
    found = load(Path(sys.argv[1] if len(sys.argv) > 1 else FILE)).endpoints["chat"]
    call = found.provider.authorize(found.settings, Call(found.url, {}, b""))
    print(json.dumps([found.provider.name, call.url, dict(call.headers)]))
except ConfigError as error:
    print(json.dumps(error.problems))
"""


def loaded(directory: Path, provider: str, config: str, first: str = "") -> Any:
    file = write(directory, with_config(config, provider))
    return outcome(directory, f"{first}\nFILE = {str(file)!r}\n{LOAD}")


@pytest.mark.parametrize("first", ["", "import acme_weir"])
def test_another_package_brings_a_provider(tmp_path: Path, first: str) -> None:
    install(tmp_path, "acme_weir", "1.0", {"acme": "acme_weir:ACME"})
    shutil.copy(Path(__file__).with_name("plugin_example.py"), tmp_path / "acme_weir.py")
    expected = ["acme", "https://llm.acme.example/v1/chat/completions", {"X-Acme-Key": "k"}]
    assert loaded(tmp_path, "ACME", "{acme_api_key: k}", first) == expected


def test_a_provider_of_openais_type_is_one_line(tmp_path: Path) -> None:
    code = 'from app.providers import row\nONE = row("one_line", "https://h.example/v1", "chat", key="one_key")\n'
    install(tmp_path, "one_line", "1.0", {"one": "one_line:ONE"}, code)
    expected = ["one_line", "https://h.example/v1/chat/completions", {"Authorization": "Bearer k"}]
    assert loaded(tmp_path, "one-line", "{one_key: k}") == expected


def test_what_another_package_gets_wrong_is_told_at_boot(tmp_path: Path) -> None:
    code = 'from app.providers import Provider, row\nCLASH = row("OpenAI", "https://h/v1", "chat")\nTEXT = "acme"\n'
    points = {
        "a": "wrong:CLASH",
        "b": "wrong:Provider",
        "c": "wrong:TEXT",
        "d": "wrong:NOTHING",
        "e": "nowhere:ACME",
    }
    install(tmp_path, "wrong", "2.1", points, code)
    told = loaded(tmp_path, "openai", "{openai_api_key: k}")
    words = [
        "is a provider called 'OpenAI', and there is one of that name",
        "should be a Provider, a value, not the class Provider",
        "should be a Provider, a value, not a str",
        "cannot be loaded: AttributeError",
        "cannot be loaded: ModuleNotFoundError",
    ]
    assert len(told) == len(words)
    for problem, (name, value), expected in zip(told, points.items(), words, strict=True):
        assert f": the entry point '{name} = {value}' of weir.providers (package wrong 2.1) {expected}" in problem
