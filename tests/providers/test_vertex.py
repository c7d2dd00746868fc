"""Vertex AI: addresses, bodies by the kind of model, and Google's tokens."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import threading
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from marshmallow import ValidationError

pytest.importorskip("google.auth", reason="needs the extra: pip install 'weir[vertex]'")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from app.call import Call
from app.config import load
from app.errors import ConfigError, UpstreamError
from app.providers import vertex
from app.providers.vertex import VERTEX, VertexSettings
from tests import replies
from tests.config.writing import problems, with_config, write
from tests.providers.loopback import LoopbackServer
from tests.serving import Gateway
from tests.upstream import Upstream

CHAT, COMPLETIONS, EMBEDDINGS = "llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings"
HI = {"messages": [{"role": "user", "content": "hi"}]}


class Google(LoopbackServer):
    """Gives tokens on loopback, as oauth2.googleapis.com does, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[dict[str, str]] = []
        self.lasts = 3600
        self.status = 200
        super().__init__()
        self.url += "/token"

    def reply(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        self.asked.append({name: values[0] for name, values in parse_qs(body.decode()).items()})
        return self.status, json.dumps(self.answer()).encode()

    def answer(self) -> dict[str, Any]:
        if self.status != 200:
            return {"error": "invalid_grant", "error_description": "account gateway@acme.example is disabled"}
        return {"access_token": f"ya-{len(self.asked)}", "expires_in": self.lasts, "token_type": "Bearer"}


@pytest.fixture
def google() -> Iterator[Google]:
    running = Google()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def nothing_of_google_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    vertex._holder.cache_clear()


@cache
def private_key() -> str:
    key = rsa.generate_private_key(65537, 2048)
    pem, pkcs8, none = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(pem, pkcs8, none).decode()


def account(token_uri: str = "http://127.0.0.1:1/token", email: str = "gateway@acme.example") -> str:
    """A service account's key file, of several lines as Google writes them."""
    said = {"type": "service_account", "project_id": "p1", "private_key_id": "k1", "private_key": private_key()}
    return json.dumps({**said, "client_email": email, "client_id": "1", "token_uri": token_uri}, indent=2)


def settings(**config: Any) -> Any:
    return VertexSettings().load({"vertex_project": "p1", **config})


def url(model: str, kind: str = CHAT, streams: bool = False, **config: Any) -> str:
    loaded = settings(**config)
    found = VERTEX.translator(loaded, kind, model)
    assert found is not None
    return VERTEX.url(loaded, model, (found.stream_path or found.path) if streams else found.path)


def body(model: str, payload: dict[str, Any], kind: str = CHAT, **config: Any) -> dict[str, Any]:
    found = VERTEX.translator(settings(**config), kind, model)
    assert found is not None
    return found.request(model, payload).json


def token(**config: Any) -> str:
    call = VERTEX.authorize(settings(**config), Call("https://h", {"Accept": "a"}, b""))
    assert call.headers["Accept"] == "a"
    return call.headers["Authorization"].removeprefix("Bearer ")


# --- the address


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("global", "aiplatform.googleapis.com"),
        ("us", "aiplatform.us.rep.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("us-east5", "us-east5-aiplatform.googleapis.com"),
    ],
)
def test_every_location_has_its_host(location: str, host: str) -> None:
    below = f"https://{host}/v1/projects/p1/locations/{location}/publishers/google/models"
    assert url("gemini-2.5-flash", vertex_location=location) == f"{below}/gemini-2.5-flash:generateContent"


@pytest.mark.parametrize(
    ("model", "kind", "streams", "path"),
    [
        ("gemini-2.5-flash", CHAT, True, "publishers/google/models/gemini-2.5-flash:streamGenerateContent?alt=sse"),
        ("publishers/google/models/g", CHAT, False, "publishers/google/models/g:generateContent"),
        ("gemini-2.5-flash", COMPLETIONS, False, "publishers/google/models/gemini-2.5-flash:generateContent"),
        (
            "claude-sonnet-4-5@20250929",
            CHAT,
            False,
            "publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
        ),
        ("claude-opus-4-6", CHAT, True, "publishers/anthropic/models/claude-opus-4-6:streamRawPredict"),
        ("claude-opus-4-6", COMPLETIONS, True, "publishers/anthropic/models/claude-opus-4-6:streamRawPredict"),
        ("gemini-embedding-001", EMBEDDINGS, False, "publishers/google/models/gemini-embedding-001:batchEmbedContents"),
        ("text-embedding-005", EMBEDDINGS, False, "publishers/google/models/text-embedding-005:predict"),
        ("meta/llama-4-scout-maas", CHAT, True, "endpoints/openapi/chat/completions"),
    ],
)
def test_every_kind_of_model_has_its_path(model: str, kind: str, streams: bool, path: str) -> None:
    base = "https://aiplatform.googleapis.com/v1/projects/p1/locations/global"
    assert url(model, kind, streams) == f"{base}/{path}"


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v1/projects/p1"),
        ("https://h.example/", "https://h.example/v1/projects/p1"),
        ("https://h.example/v1beta1", "https://h.example/v1beta1/projects/p1"),
        ("https://h.example/vertex/v1/", "https://h.example/vertex/v1/projects/p1"),
    ],
)
def test_another_address_may_name_another_version(base: str, expected: str) -> None:
    assert url("g", api_base=base).partition("/locations/")[0] == expected


@pytest.mark.parametrize("model", ["claude-opus-4-6", "gemini-2.5-flash", "multimodalembedding@001"])
def test_a_model_that_embeds_no_texts_is_told_at_boot(tmp_path: Path, model: str) -> None:
    text = with_config("{vertex_project: p1}", "vertex_ai").replace(CHAT, EMBEDDINGS).replace("gpt-4o-mini", model)
    (told,) = problems(tmp_path, text)
    assert f"provider 'vertex_ai' has no llm/v1/embeddings with the model '{model}'" in told


# --- the body


def test_claude_gets_anthropics_body_without_model_and_with_a_version() -> None:
    said = {**HI, "max_tokens": 5, "stream": True}
    expected = {"anthropic_version": "vertex-2023-10-16", "max_tokens": 5, "stream": True, **HI}
    assert body("claude-sonnet-4-5@20250929", said) == expected
    newer = body("claude-sonnet-4-5@20250929", said, vertex_anthropic_version="2026-10-21")
    assert newer == {**expected, "anthropic_version": "2026-10-21"}


@pytest.mark.parametrize(("version", "sent"), [("vertex-2023-10-16", 0.5), ("2026-10-21", None)])
def test_claude_gets_no_sampling_where_the_version_refuses_it(version: str, sent: float | None) -> None:
    said = {**HI, "temperature": 0.5}
    assert body("claude-sonnet-4-5", said, vertex_anthropic_version=version).get("temperature") == sent


@pytest.mark.parametrize(
    ("known", "said", "sent"),
    [
        (None, None, None),
        (None, ["a"], ["a"]),
        (["a", "b"], None, None),
        (["a", "b"], ["b", "c"], ["b"]),
        ("a, b,", ["b", "a", "c"], ["b", "a"]),
        (["a"], ["c"], None),
        ([], ["c"], None),
        ([], None, None),
    ],
)
def test_a_clients_betas_stand_in_the_body_if_the_settings_let_them_through(known: Any, said: Any, sent: Any) -> None:
    config = {} if known is None else {"vertex_anthropic_betas": known}
    payload = {**HI, **({"anthropic_beta": said} if said else {})}
    assert body("claude-opus-4-6", payload, **config).get("anthropic_beta") == sent


def test_an_embedding_model_gets_its_own_body() -> None:
    said = {"input": ["a", "b"], "dimensions": 8}
    requests = body("gemini-embedding-001", said, EMBEDDINGS)["requests"]
    assert requests[1] == {
        "content": {"parts": [{"text": "b"}], "role": "user"},
        "embedContentConfig": {"outputDimensionality": 8},
    }
    predicted = body("text-embedding-005", said, EMBEDDINGS)
    assert predicted == {"instances": [{"content": "a"}, {"content": "b"}], "parameters": {"outputDimensionality": 8}}


CALLED = {
    "messages": [
        {"role": "user", "content": "weather?"},
        {
            "role": "assistant",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "15C"},
    ]
}


def test_gemini_gets_no_ids_of_calls_unless_the_settings_want_them() -> None:
    def ids(**config: Any) -> list[Any]:
        parts = [part for turn in body("gemini-2.5-flash", CALLED, **config)["contents"] for part in turn["parts"]]
        calls = [part[key] for part in parts for key in ("functionCall", "functionResponse") if key in part]
        assert [call["name"] for call in calls] == ["f", "f"]
        return [call.get("id") for call in calls]

    assert ids() == [None, None]
    assert ids(vertex_function_ids=True) == ["c1", "c1"]


# --- the token


def test_a_service_account_signs_for_its_token(google: Google) -> None:
    assert token(vertex_credentials=account(google.url)) == "ya-1"
    (asked,) = google.asked
    assert asked["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    claims = asked["assertion"].split(".")[1]
    said = json.loads(urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))
    assert (said["iss"], said["scope"]) == ("gateway@acme.example", "https://www.googleapis.com/auth/cloud-platform")


def test_a_token_is_asked_for_once_by_many_calls_at_once(google: Google) -> None:
    got: list[str] = []
    document = account(google.url)
    threads = [threading.Thread(target=lambda: got.append(token(vertex_credentials=document))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (got, len(google.asked)) == (["ya-1"] * 8, 1)


def test_endpoints_share_a_token_by_identity_and_not_otherwise(google: Google) -> None:
    first, second = account(google.url), account(google.url, "other@acme.example")
    assert token(vertex_credentials=first, vertex_location="eu") == token(vertex_credentials=first) == "ya-1"
    assert token(vertex_credentials=second) == "ya-2"


def test_a_token_that_is_about_to_end_is_not_used_again(google: Google) -> None:
    google.lasts = 30
    document = account(google.url)
    assert [token(vertex_credentials=document) for _ in range(2)] == ["ya-1", "ya-2"]


def test_without_a_key_googles_default_credentials_serve(
    google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "adc.json").write_text(account(google.url))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
    assert token() == "ya-1"


@pytest.mark.parametrize("by_default", [True, False])
def test_no_token_is_an_error_that_names_no_account(
    google: Google, caplog: pytest.LogCaptureFixture, by_default: bool
) -> None:
    google.status = 400
    config = {} if by_default else {"vertex_credentials": account(google.url)}
    with caplog.at_level(logging.WARNING), pytest.raises(UpstreamError) as caught:
        token(**config)
    assert (caught.value.status, caught.value.code) == (502, "upstream_auth")
    assert caught.value.message == "Google gave the gateway no credentials for Vertex AI"
    assert by_default or "gateway@acme.example is disabled" in caplog.text


# --- settings


@pytest.mark.parametrize("way", ["literal", "variable", "file"])
def test_the_key_comes_in_several_lines_from_wherever_a_secret_may(
    google: Google, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    (tmp_path / "key.json").write_text(account(google.url) + "\n")
    monkeypatch.setenv("WEIR_TEST_ACCOUNT", account(google.url))
    said = {"literal": account(google.url), "variable": "$WEIR_TEST_ACCOUNT", "file": str(tmp_path / "key.json")}[way]
    path = write(tmp_path, with_config(f"{{vertex_project: p1, vertex_credentials: {json.dumps(said)}}}", "Vertex-AI"))
    found = load(path).endpoints["chat"]
    assert found.provider is VERTEX
    call = found.provider.authorize(found.settings, Call(found.url, {}, b""))
    assert call.headers["Authorization"] == "Bearer ya-1"
    assert "PRIVATE KEY" not in repr((found, found.settings, call))


@pytest.mark.parametrize(
    "said", ["two\nlines", "{}", "[]", '"text"', '{"private_key": "CANARY"}', '{"type": "authorized_user"}']
)
def test_what_is_no_service_accounts_key_is_told_at_boot_and_not_shown(tmp_path: Path, said: str) -> None:
    config = f"{{vertex_project: p1, vertex_credentials: {json.dumps(said)}}}"
    (told,) = problems(tmp_path, with_config(config, "vertex_ai"))
    assert told.endswith("config.vertex_credentials: should be the JSON of a service account's key")


def test_a_damaged_key_is_told_without_its_text(tmp_path: Path) -> None:
    damaged = account().replace("PRIVATE KEY-----\\n", "PRIVATE KEY-----\\nCANARY")
    path = write(
        tmp_path, with_config(f"{{vertex_project: p1, vertex_credentials: {json.dumps(damaged)}}}", "vertex_ai")
    )
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "CANARY" not in str(caught.value) and "should be the JSON" in str(caught.value)


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"vertex_project": None}, "vertex_project"),
        ({"vertex_project": "p1/locations"}, "vertex_project"),
        ({"vertex_location": "us.example.com/"}, "vertex_location"),
        ({"vertex_anthropic_betas": ["a\nb"]}, "vertex_anthropic_betas"),
        ({"vertex_key": "k"}, "vertex_key"),
    ],
)
def test_what_is_wrong_with_the_settings_is_found_at_boot(config: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**config)
    assert key in caught.value.messages_dict


def test_without_google_auth_the_boot_says_how_to_get_it() -> None:
    code = (
        "import sys; sys.modules['google.auth'] = None\n"
        "from app.providers.vertex import VertexSettings\n"
        "print(VertexSettings().validate({'vertex_project': 'p1'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'weir[vertex]'" in done.stdout


def test_nothing_of_google_is_imported_before_it_is_used() -> None:
    code = "import sys, app.providers; print([name for name in sys.modules if name.startswith('google.auth')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# --- errors


def test_googles_and_anthropics_errors_are_both_read() -> None:
    googles = b'[{"error": {"code": 404, "message": "no such model", "status": "NOT_FOUND"}}]'
    anthropics = b'{"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}'
    assert VERTEX.refusal({}, googles)[:1] == ("no such model",)
    assert VERTEX.refusal({}, googles).code == "NOT_FOUND"
    said = VERTEX.refusal({}, anthropics)
    assert (said.message, said.type, said.retry_after) == ("busy", "overloaded_error", None)


# --- the journey


def test_claude_answers_through_the_gateway(upstream: Upstream, gateway: Gateway, google: Google) -> None:
    answer = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-6", "stop_reason": "end_turn",
        "content": [{"type": "text", "text": "Hello"}], "usage": {"input_tokens": 3, "output_tokens": 2},
    }  # fmt: skip
    upstream.replies = replies.json_reply(answer)
    config = {"vertex_project": "p1", "vertex_credentials": account(google.url), "api_base": upstream.url}
    model = {"provider": "vertex_ai", "name": "claude-opus-4-6", "config": config}
    client = gateway({"name": "chat", "endpoint_type": "llm/v1/chat", "model": model})
    said = client.post("/gateway/chat/invocations", json=HI)
    assert said.json["choices"][0]["message"]["content"] == "Hello"
    (request,) = upstream.wait_for_requests(1)
    path = "/v1/projects/p1/locations/global/publishers/anthropic/models/claude-opus-4-6:rawPredict"
    assert (request.target, request.headers["authorization"]) == (path, "Bearer ya-1")
    assert request.json["anthropic_version"] == "vertex-2023-10-16" and "model" not in request.json


@pytest.mark.parametrize("model", ["claude-opus-4-6", "gemini-2.5-flash"])
def test_images_are_fetched_for_models_that_take_no_address(model: str) -> None:
    translator = VERTEX.translator(settings(), CHAT, model)
    assert translator is not None and translator.wants_bytes


@pytest.mark.parametrize("ids", [True, False])
def test_a_tier_of_service_is_left_out_and_named(ids: bool) -> None:
    """Vertex AI wants it in a header: a body with `flex` is refused, and one with another is served as standard."""
    translator = VERTEX.translator(settings(vertex_function_ids=ids), CHAT, "gemini-2.5-flash")
    assert translator is not None
    said = translator.request("gemini-2.5-flash", {**HI, "service_tier": "flex"})
    assert (said.adjusted, "serviceTier" in said.json) == (("service_tier",), False)
    assert translator.request("gemini-2.5-flash", HI).adjusted == ()
