"""OpenAI, Azure OpenAI and compatible servers: where a call goes, and what it carries."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.call import Call
from tests.config.writing import endpoint, problems, read, with_config

AZURE = "openai_api_base: https://acme.openai.azure.com, openai_deployment_name: gpt, openai_api_version: '2024-06-01'"
QUOTED = "name: 'a/b c?&#'"
V1 = "openai_api_base: https://acme.openai.azure.com/openai/v1"


def url(directory: Path, config: str, provider: str = "openai") -> str:
    return endpoint(directory, config, provider).url


def headers(directory: Path, config: str, provider: str = "openai") -> dict[str, str]:
    found = endpoint(directory, config, provider)
    call = Call(found.url, {"Accept": "application/json"}, b"{}")
    authorized = found.provider.authorize(found.settings, call)
    assert (authorized.url, authorized.body, dict(call.headers)) == (
        call.url,
        call.body,
        {"Accept": "application/json"},
    )
    return dict(authorized.headers)


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("{openai_api_key: k}", "https://api.openai.com/v1/chat/completions"),
        ("{openai_api_key: k, openai_api_type: openai}", "https://api.openai.com/v1/chat/completions"),
        ("{openai_api_key: k, openai_api_type: null}", "https://api.openai.com/v1/chat/completions"),
        ("{openai_api_key: k, openai_api_base: http://127.0.0.1:8000/v1}", "http://127.0.0.1:8000/v1/chat/completions"),
        (
            "{openai_api_key: k, openai_api_base: http://127.0.0.1:8000/v1//}",
            "http://127.0.0.1:8000/v1/chat/completions",
        ),
        ("{openai_api_key: k, openai_api_base: http://llm}", "http://llm/chat/completions"),
        ("{openai_api_key: k, openai_api_base: 'http://[::1]:8000/v1'}", "http://[::1]:8000/v1/chat/completions"),
        ("{openai_api_key: k, openai_api_base: 'https://h/v1?tier=a%20b'}", "https://h/v1/chat/completions?tier=a+b"),
        (
            "{openai_api_key: k, openai_api_version: '2024-06-01'}",
            "https://api.openai.com/v1/chat/completions?api-version=2024-06-01",
        ),
        (
            f"{{openai_api_key: k, openai_api_type: azure, {AZURE}}}",
            "https://acme.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-06-01",
        ),
        (
            f"{{openai_api_key: k, openai_api_type: AzureAD, {AZURE.replace('.com', '.com/')}}}",
            "https://acme.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=2024-06-01",
        ),
        (
            f"{{openai_api_key: k, openai_api_type: azure, {AZURE.replace('name: gpt', QUOTED)}}}",
            "https://acme.openai.azure.com/openai/deployments/a%2Fb%20c%3F%26%23/chat/completions?api-version=2024-06-01",
        ),
        (
            f"{{openai_api_key: k, openai_api_type: azure, {AZURE.replace('2024-06-01', '1&x=y')}}}",
            "https://acme.openai.azure.com/openai/deployments/gpt/chat/completions?api-version=1%26x%3Dy",
        ),
        (f"{{openai_api_key: k, {V1}}}", "https://acme.openai.azure.com/openai/v1/chat/completions"),
        (
            f"{{openai_api_key: k, openai_api_type: azure, {V1}/}}",
            "https://acme.openai.azure.com/openai/v1/chat/completions",
        ),
        (
            f"{{openai_api_key: k, openai_api_type: azuread, openai_api_version: preview, {V1}}}",
            "https://acme.openai.azure.com/openai/v1/chat/completions?api-version=preview",
        ),
    ],
)
def test_where_an_openai_call_goes(tmp_path: Path, config: str, expected: str) -> None:
    assert url(tmp_path, config) == expected


@pytest.mark.parametrize(
    ("kind", "path"), [("chat", "chat/completions"), ("completions", "completions"), ("embeddings", "embeddings")]
)
def test_each_endpoint_type_has_its_path(tmp_path: Path, kind: str, path: str) -> None:
    text = with_config("{openai_api_key: k}").replace("llm/v1/chat", f"llm/v1/{kind}")
    assert read(tmp_path, text).endpoints["chat"].url == f"https://api.openai.com/v1/{path}"


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("{openai_api_key: k}", {"Authorization": "Bearer k"}),
        (
            "{openai_api_key: k, openai_organization: org-a, openai_project: p}",
            {"Authorization": "Bearer k", "OpenAI-Organization": "org-a", "OpenAI-Project": "p"},
        ),
        ("{openai_api_key: k, openai_organization: ''}", {"Authorization": "Bearer k"}),
        (f"{{openai_api_key: k, openai_api_type: azure, {AZURE}}}", {"api-key": "k"}),
        (f"{{openai_api_key: k, openai_api_type: AZURE, {AZURE}}}", {"api-key": "k"}),
        (f"{{openai_api_key: k, openai_api_type: azuread, {AZURE}}}", {"Authorization": "Bearer k"}),
    ],
)
def test_what_an_openai_call_carries(tmp_path: Path, config: str, expected: dict[str, str]) -> None:
    assert headers(tmp_path, config) == {"Accept": "application/json", **expected}


@pytest.mark.parametrize(
    ("provider", "expected"),
    [
        ("azure", {"api-key": "k"}),
        ("azuread", {"Authorization": "Bearer k"}),
        ("AzureAD", {"Authorization": "Bearer k"}),
    ],
)
def test_the_azure_providers_are_openai_of_that_type(tmp_path: Path, provider: str, expected: dict[str, str]) -> None:
    config = f"{{openai_api_key: k, {AZURE}}}"
    assert headers(tmp_path, config, provider) == {"Accept": "application/json", **expected}
    assert "/openai/deployments/gpt/chat/completions?" in url(tmp_path, config, provider)


def test_an_azure_provider_may_name_its_type_itself(tmp_path: Path) -> None:
    config = f"{{openai_api_key: k, openai_api_type: azuread, {AZURE}}}"
    assert "Authorization" in headers(tmp_path, config, "azure")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ("{}", {"openai_api_key": "is missing"}),
        (
            "{openai_api_key: k, openai_api_type: azur}",
            {"openai_api_type": "did you mean 'azure'? known: azure, azuread"},
        ),
        ("{openai_api_key: k, openai_api_type: 5}", {"openai_api_type": "should be a string"}),
        (
            "{openai_api_key: k, openai_api_type: azure}",
            {
                "openai_api_base": "is required with openai_api_type 'azure'",
                "openai_deployment_name": "is required with",
                "openai_api_version": "is required with",
            },
        ),
        (
            "{openai_api_key: k, openai_api_type: azuread, openai_api_base: nowhere, openai_deployment_name: d}",
            {"openai_api_base": "should be an http:// or https:// URL", "openai_api_version": "is required with"},
        ),
        (
            f"{{openai_api_key: k, openai_api_type: azure, openai_organization: o, {AZURE}}}",
            {"openai_organization": "is for openai_api_type 'openai' only"},
        ),
        ("{openai_api_key: k, openai_deployment_name: d}", {"openai_deployment_name": "'azure' or 'azuread' only"}),
        (
            f"{{openai_api_key: k, openai_api_type: azure, openai_deployment_name: d, {V1}}}",
            {"openai_deployment_name": "no place at a v1 address: there model.name names the deployment"},
        ),
        (f"{{openai_api_type: azure, {AZURE}}}", {"openai_api_key": "is missing"}),
        (
            "{openai_api_key: k, openai_api_base: 'ftp://h/v1'}",
            {"openai_api_base": "should be an http:// or https:// URL"},
        ),
        (
            "{openai_api_key: k, openai_api_base: 'https://'}",
            {"openai_api_base": "should be an http:// or https:// URL"},
        ),
        (
            "{openai_api_key: k, openai_api_base: 'https://h:99999'}",
            {"openai_api_base": "should be an http:// or https://"},
        ),
        (
            "{openai_api_key: k, openai_api_base: 'https://h /v1'}",
            {"openai_api_base": "should be an http:// or https://"},
        ),
        ("{openai_api_key: k, openai_api_base: 'https://u:p@h/v1'}", {"openai_api_base": "without user, password"}),
        ('{openai_api_key: k, openai_organization: "a\\nb"}', {"openai_organization": "printable ASCII"}),
        ("{openai_api_key: k, stream_usage: 'yes'}", {"stream_usage": "should be true or false, not a string"}),
        (
            "{openai_api_key: k, openai_api_version: 2024-06-01}",
            {"openai_api_version": "not a date: put it into quotes"},
        ),
        ("{openai_api_key: k, temperature: 0.1}", {"temperature": "unknown key 'temperature'"}),
    ],
)
def test_every_mistake_in_openai_settings_is_told_at_once(
    tmp_path: Path, config: str, expected: dict[str, str]
) -> None:
    told = problems(tmp_path, with_config(config))
    assert len(told) == len(expected), told
    for key, words in expected.items():
        assert any(key in problem and words in problem for problem in told), (key, told)


def test_a_compatible_server_needs_an_address_and_perhaps_a_key(tmp_path: Path) -> None:
    plain, keyed = "{api_base: 'http://127.0.0.1:8000/v1/'}", "{api_base: 'http://h/v1', api_key: k}"
    assert url(tmp_path, plain, "openai-compatible") == "http://127.0.0.1:8000/v1/chat/completions"
    assert headers(tmp_path, plain, "openai-compatible") == {"Accept": "application/json"}
    assert headers(tmp_path, keyed, "openai-compatible")["Authorization"] == "Bearer k"
    (told,) = problems(tmp_path, with_config("{}", "openai-compatible"))
    assert told == "4: endpoints[0].model.config: the key 'api_base' is missing or empty"
    (told,) = problems(tmp_path, with_config("{api_base: 'http://h', openai_api_key: k}", "openai-compatible"))
    assert "unknown key 'openai_api_key'; did you mean 'api_key'?" in told


def test_usage_is_asked_of_streams_unless_the_settings_say_no(tmp_path: Path) -> None:
    assert endpoint(tmp_path, "{openai_api_key: k}").asks_usage
    assert not endpoint(tmp_path, "{api_base: 'http://h', stream_usage: false}", "openai-compatible").asks_usage
