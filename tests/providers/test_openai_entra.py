"""Azure OpenAI without a key: azure-identity's own credentials, and a managed identity's server on loopback."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

pytest.importorskip("azure.identity", reason="needs the extra: pip install 'weir[azure]'")

from app.errors import ConfigError, UpstreamError
from app.providers import PROVIDERS, Call, entra
from tests import replies
from tests.config.writing import endpoint
from tests.providers.loopback import LoopbackServer
from tests.serving import CHAT, Gateway
from tests.upstream import Upstream

AZURE = "openai_api_base: https://acme.openai.azure.com, openai_deployment_name: gpt, openai_api_version: '2024-06-01'"


class Microsoft(LoopbackServer):
    """Gives tokens on loopback, as the managed identity's endpoint of an App Service does."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.lasts = 3600
        self.status = 200
        super().__init__()
        self.url += "/msi/token"

    def reply(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        query = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        self.asked.append({**query, "secret": headers["x-identity-header"]})
        return self.status, json.dumps(self.answer()).encode()

    def answer(self) -> dict[str, Any]:
        if self.status != 200:
            return {"statusCode": self.status, "message": "no identity for tenant acme-1"}
        ends = str(int(time.time()) + self.lasts)
        return {"access_token": f"eyJ-{len(self.asked)}", "expires_on": ends, "token_type": "Bearer", "resource": "r"}


@pytest.fixture
def microsoft(monkeypatch: pytest.MonkeyPatch) -> Iterator[Microsoft]:
    running = Microsoft()
    for name in [name for name in os.environ if name.startswith("AZURE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")  # or it would look for the Azure CLI
    monkeypatch.setenv("IDENTITY_ENDPOINT", running.url)
    monkeypatch.setenv("IDENTITY_HEADER", "canary-7f3a")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    entra._token.cache_clear()
    yield running
    running.close()
    entra._token.cache_clear()


def token() -> str:
    settings = {"openai_api_type": "azuread"}
    return PROVIDERS["openai"].authorize(settings, Call("https://h", {}, b"")).headers["Authorization"]


@pytest.mark.parametrize("provider", ["azure", "openai", "azuread"])
def test_without_a_key_the_token_is_that_of_the_process(tmp_path: Path, microsoft: Microsoft, provider: str) -> None:
    found = endpoint(tmp_path, f"{{openai_api_type: azuread, {AZURE}}}", provider)
    assert found.url.startswith("https://acme.openai.azure.com/openai/deployments/gpt/")
    call = found.provider.authorize(found.settings, Call(found.url, {"Accept": "a"}, b""))
    assert call.headers == {"Accept": "a", "Authorization": "Bearer eyJ-1"}
    (asked,) = microsoft.asked
    assert (asked["resource"], asked["secret"]) == ("https://cognitiveservices.azure.com", "canary-7f3a")


def test_a_key_beside_the_type_is_the_token(tmp_path: Path, microsoft: Microsoft) -> None:
    found = endpoint(tmp_path, f"{{openai_api_type: azuread, openai_api_key: t, {AZURE}}}", "azure")
    call = found.provider.authorize(found.settings, Call(found.url, {}, b""))
    assert (call.headers["Authorization"], microsoft.asked) == ("Bearer t", [])


def test_a_token_is_asked_for_once_by_many_calls_at_once(microsoft: Microsoft) -> None:
    got: list[str] = []
    threads = [threading.Thread(target=lambda: got.append(token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (got, len(microsoft.asked)) == (["Bearer eyJ-1"] * 8, 1)


def test_a_token_that_is_about_to_end_is_not_used_again(microsoft: Microsoft) -> None:
    microsoft.lasts = 240
    assert [token(), token()] == ["Bearer eyJ-1", "Bearer eyJ-2"]


def test_no_token_is_an_error_that_names_no_tenant(microsoft: Microsoft, caplog: pytest.LogCaptureFixture) -> None:
    microsoft.status = 400
    with caplog.at_level(logging.WARNING), pytest.raises(UpstreamError) as caught:
        token()
    assert (caught.value.status, caught.value.code) == (502, "upstream_auth")
    assert caught.value.message == "Microsoft Entra ID gave the gateway no token for Azure OpenAI"
    assert "acme-1" in caplog.text and "canary-7f3a" not in caplog.text
    microsoft.status = 200
    assert token() == f"Bearer eyJ-{len(microsoft.asked)}"


def test_variables_that_name_no_credential_are_an_error_too(
    microsoft: Microsoft, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "nonsense")
    with pytest.raises(UpstreamError, match="gave the gateway no token"):
        token()


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_goes_out_with_a_token_or_not_at_all(
    upstream: Upstream, gateway: Gateway, microsoft: Microsoft, stream: bool
) -> None:
    upstream.replies = replies.json_reply(replies.chat_completion())
    base = {"openai_api_base": upstream.url, "openai_deployment_name": "gpt", "openai_api_version": "2024-06-01"}
    config = {"openai_api_type": "azuread", **base}
    model = {"provider": "azure", "name": "gpt", "config": config}
    client = gateway({"name": "chat", "endpoint_type": "llm/v1/chat", "model": model})
    microsoft.status = 400
    told = client.post("/v1/chat/completions", json={**CHAT, "model": "chat", "stream": stream})
    assert (told.status_code, told.json["error"]["code"]) == (502, "upstream_auth")
    assert not upstream.requests
    microsoft.status = 200
    assert client.post("/v1/chat/completions", json={**CHAT, "model": "chat"}).status_code == 200
    (request,) = upstream.wait_for_requests(1)
    assert request.headers["authorization"].startswith("Bearer eyJ-") and "api-key" not in request.headers


def test_without_azure_identity_the_boot_says_how_to_get_it(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.yaml"
    path.write_text(
        "endpoints:\n  - name: chat\n    endpoint_type: llm/v1/chat\n"
        f"    model: {{provider: azure, config: {{openai_api_type: azuread, {AZURE}}}}}\n"
    )
    code = (
        "import sys; sys.modules['azure.identity'] = None\n"
        f"from pathlib import Path; from app.config import load; from app.errors import {ConfigError.__name__}\n"
        f"try: load(Path({str(path)!r}))\n"
        "except ConfigError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{path}:4: endpoints[0].model.config: azuread without openai_api_key")
    assert "pip install 'weir[azure]'" in done.stdout


def test_nothing_of_azure_is_imported_before_it_is_used() -> None:
    code = "import sys, app.providers; print([name for name in sys.modules if name.startswith('azure')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
