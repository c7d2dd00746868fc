"""Providers of OpenAI's type: where a call goes, what it carries, and in what they differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.call import Call
from app.providers import Provider
from app.providers.compatible import PROVIDERS, row
from tests.config.writing import endpoint, problems, with_config

ROWS = {provider.name: provider for provider in PROVIDERS}


def headers(provider: Provider, settings: dict[str, Any]) -> dict[str, str]:
    return dict(provider.authorize(settings, Call("https://h", {"Accept": "a"}, b"")).headers)


@pytest.mark.parametrize(
    ("provider", "config", "url"),
    [
        ("groq", "{api_key: k}", "https://api.groq.com/openai/v1/chat/completions"),
        ("deepseek", "{api_key: k}", "https://api.deepseek.com/chat/completions"),
        ("xai", "{api_key: k}", "https://api.x.ai/v1/chat/completions"),
        ("openrouter", "{api_key: k}", "https://openrouter.ai/api/v1/chat/completions"),
        ("togetherai", "{togetherai_api_key: k}", "https://api.together.ai/v1/chat/completions"),
        ("fireworks", "{api_key: k}", "https://api.fireworks.ai/inference/v1/chat/completions"),
        ("nvidia", "{api_key: k}", "https://integrate.api.nvidia.com/v1/chat/completions"),
        ("mistral", "{mistral_api_key: k}", "https://api.mistral.ai/v1/chat/completions"),
        ("perplexity", "{api_key: k}", "https://api.perplexity.ai/chat/completions"),
        ("cerebras", "{api_key: k}", "https://api.cerebras.ai/v1/chat/completions"),
        ("moonshot", "{api_key: k}", "https://api.moonshot.ai/v1/chat/completions"),
        ("deepinfra", "{api_key: k}", "https://api.deepinfra.com/v1/openai/chat/completions"),
        ("portkey", "{api_key: k}", "https://api.portkey.ai/v1/chat/completions"),
        ("ollama", "{}", "http://localhost:11434/v1/chat/completions"),
        ("ollama", "{api_base: 'http://gpu:11434/'}", "http://gpu:11434/v1/chat/completions"),
        ("ollama", "{api_base: 'http://gpu:11434/v1'}", "http://gpu:11434/v1/chat/completions"),
        ("vllm", "{api_base: 'http://gpu:8000/v1'}", "http://gpu:8000/v1/chat/completions"),
        ("huggingface", "{api_key: k}", "https://router.huggingface.co/v1/chat/completions"),
        ("vllm", "{api_base: 'http://h/v1/?tier=a%20b'}", "http://h/v1/chat/completions?tier=a%20b"),
    ],
)  # fmt: skip
def test_where_a_row_goes(tmp_path: Path, provider: str, config: str, url: str) -> None:
    assert endpoint(tmp_path, config, provider).url == url


@pytest.mark.parametrize("provider", PROVIDERS, ids=[provider.name for provider in PROVIDERS])
def test_every_row_goes_to_another_address_if_told_so_and_shows_its_key(provider: Provider) -> None:
    fields = provider.settings().fields
    keys = {name: "k" for name in fields if name.endswith("api_key") and name != "provider_api_key"}
    settings = provider.settings().load({"api_base": "http://127.0.0.1:8000/v1", **keys})
    for found in provider.translators.values():
        assert provider.url(settings, "m", found.path).startswith("http://127.0.0.1:8000/")
    assert "k" in " ".join(headers(provider, settings).values()).split()


@pytest.mark.parametrize(
    "name", ["groq", "deepseek", "xai", "openrouter", "moonshot", "portkey", "mistral", "togetherai"]
)
def test_a_hosted_service_needs_a_key(tmp_path: Path, name: str) -> None:
    (told,) = problems(tmp_path, with_config("{}", name))
    assert "api_key' is missing or empty" in told


def test_a_key_goes_by_its_name_in_mlflow_only(tmp_path: Path) -> None:
    told = problems(tmp_path, with_config("{api_key: k}", "mistral"))
    assert any("unknown key 'api_key'" in problem for problem in told)
    assert any("'mistral_api_key' is missing" in problem for problem in told)


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("groq", {"chat"}), ("huggingface", {"chat"}), ("deepseek", {"chat", "completions"}),
        ("perplexity", {"chat", "embeddings"}), ("openrouter", {"chat", "completions", "embeddings"}),
    ],
)  # fmt: skip
def test_a_row_has_the_endpoint_types_that_its_service_has(name: str, types: set[str]) -> None:
    assert {kind.removeprefix("llm/v1/") for kind in ROWS[name].translators} == types


def test_usage_is_asked_for_only_where_the_question_is_understood() -> None:
    assert {name for name, provider in ROWS.items() if not provider.asks_usage} == {"mistral", "perplexity"}


@pytest.mark.parametrize(
    ("name", "kept"),
    [("groq", True), ("openrouter", True), ("portkey", True), ("vllm", False), ("deepinfra", False)],
)
def test_the_limit_has_its_newer_name_only_where_that_is_known(name: str, kept: bool) -> None:
    payload = {"messages": [], "max_completion_tokens": 5}
    body: Any = ROWS[name].translators["llm/v1/chat"].request("m", payload)
    assert body.json == {"messages": [], "model": "m", "max_completion_tokens" if kept else "max_tokens": 5}


@pytest.mark.parametrize("more", [{}, {"api_base": "https://api.deepseek.com/v1"}])
def test_completions_of_deepseek_are_in_its_beta(more: dict[str, str]) -> None:
    found = ROWS["deepseek"]
    settings = found.settings().load({"api_key": "k", **more})
    path = found.translators["llm/v1/completions"].path
    assert found.url(settings, "m", path) == "https://api.deepseek.com/beta/completions"


@pytest.mark.parametrize(
    ("model", "path"), [("codestral-latest", "fim/completions"), ("mistral-small", "chat/completions")]
)
def test_a_mistral_model_that_only_chats_completes_through_chat(model: str, path: str) -> None:
    found = ROWS["mistral"]
    settings = found.settings().load({"mistral_api_key": "k"})
    translator = found.translators["llm/v1/completions"]
    assert found.url(settings, model, translator.path) == f"https://api.mistral.ai/v1/{path}"


def test_portkey_is_told_which_provider_is_meant_and_with_which_key() -> None:
    found = ROWS["portkey"]
    plain = {"api_key": "pk", "portkey_config": "pc-1"}
    assert headers(found, plain) == {"Accept": "a", "x-portkey-api-key": "pk", "x-portkey-config": "pc-1"}
    behind = {"api_key": "pk", "portkey_provider": "openai", "provider_api_key": "sk"}
    assert headers(found, behind) == {
        "Accept": "a", "x-portkey-api-key": "pk", "x-portkey-provider": "openai", "Authorization": "Bearer sk",
    }  # fmt: skip


def test_a_provider_more_is_one_row() -> None:
    found = row("acme", "https://llm.acme.example/v1", "chat embeddings")
    settings = found.settings().load({"api_key": "k"})
    assert (
        found.url(settings, "m", found.translators["llm/v1/chat"].path)
        == "https://llm.acme.example/v1/chat/completions"
    )
    assert headers(found, settings) == {"Accept": "a", "Authorization": "Bearer k"}
