"""Bedrock's other address, bedrock-mantle: which models are asked there, in which dialect, and who signs for it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from marshmallow import ValidationError

pytest.importorskip("botocore", reason="needs the extra: pip install 'weir[bedrock]'")

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from app.providers.bedrock import BEDROCK, BedrockSettings
from tests.replies import Request, chat_chunks, chat_completion, error, json_reply, sse_reply
from tests.serving import CHAT, KEY, STREAM, Gateway, events, text
from tests.upstream import Upstream

KEYS = {"aws_region": "eu-west-1", "aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": KEY}
TOKEN = {"aws_region": "eu-west-1", "aws_bearer_token": KEY}
MANTLE = "https://bedrock-mantle.eu-west-1.api.aws"
RUNTIME = "https://bedrock-runtime.eu-west-1.amazonaws.com"

SAID = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-8", "stop_reason": "end_turn",
    "content": [{"type": "text", "text": "Hello"}], "usage": {"input_tokens": 3, "output_tokens": 2},
}  # fmt: skip
SAID_IN_PIECES: list[dict[str, Any]] = [
    {"type": "message_start", "message": {**SAID, "content": [], "stop_reason": None}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}},
    {"type": "message_stop"},
]


def url(model: str, kind: str = "chat", **more: Any) -> str:
    settings = BedrockSettings().load({"aws_config": TOKEN, **more})
    translator = BEDROCK.translator(settings, f"llm/v1/{kind}", model)
    assert translator is not None
    return BEDROCK.url(settings, model, translator.path)


def entry(upstream: Upstream, model: str, aws_config: dict[str, str], **more: Any) -> dict[str, Any]:
    config = {"api_base": upstream.url, "aws_config": aws_config, **more}
    return {
        "name": "chat",
        "endpoint_type": "llm/v1/chat",
        "model": {"provider": "bedrock", "name": model, "config": config},
    }


def signature(request: Request, host: str, service: str) -> str:
    """What botocore makes of the request that came."""
    kept = {name: request.headers[name] for name in ("content-type", "x-amz-date")}
    received = AWSRequest("POST", f"http://{host}{request.target}", headers=kept, data=request.body)
    received.context["timestamp"] = request.headers["x-amz-date"]
    signer = SigV4Auth(Credentials("AKIDEXAMPLE", KEY), service, "eu-west-1")
    return str(signer.signature(signer.string_to_sign(received, signer.canonical_request(received)), received))


# --- which models


@pytest.mark.parametrize(
    "model",
    ["anthropic.claude-opus-4-7", "anthropic.claude-opus-4-8", "anthropic.claude-sonnet-5", "anthropic.claude-fable-5"],
)
def test_claude_since_opus_4_7_is_asked_in_anthropics_dialect_at_mantle(model: str) -> None:
    assert url(model) == url(model, "completions") == f"{MANTLE}/anthropic/v1/messages"


@pytest.mark.parametrize("model", ["openai.gpt-oss-120b", "openai.gpt-5.5", "xai.grok-4.3"])
def test_models_of_openai_and_xai_are_asked_in_openais_dialect_at_mantle(model: str) -> None:
    assert url(model) == url(model, "completions") == f"{MANTLE}/v1/chat/completions"


@pytest.mark.parametrize(
    "model",
    [
        "us.anthropic.claude-opus-4-8",
        "global.anthropic.claude-sonnet-5-v1:0",
        "anthropic.claude-opus-4-6-v1",
        "anthropic.claude-3-haiku-20240307-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
        "openai.gpt-oss-120b-1:0",
        "us.amazon.nova-lite-v1:0",
        "mistral.voxtral-mini-3b-2507",
    ],
)
def test_all_others_are_asked_by_converse(model: str) -> None:
    assert url(model).startswith(f"{RUNTIME}/model/")
    assert url(model).endswith("/converse")


def test_the_settings_say_where_a_models_id_does_not() -> None:
    at_mantle = {"bedrock_endpoint": "mantle"}
    assert url("mistral.voxtral-mini-3b-2507", **at_mantle) == f"{MANTLE}/v1/chat/completions"
    assert url("anthropic.claude-haiku-4-5", **at_mantle) == f"{MANTLE}/anthropic/v1/messages"
    model = "anthropic.claude-opus-4-8"
    assert url(model, bedrock_endpoint="runtime") == f"{RUNTIME}/model/{model}/converse"
    with pytest.raises(ValidationError, match="did you mean 'mantle'"):
        url(model, bedrock_endpoint="mantel")


def test_embeddings_stay_where_they_are() -> None:
    model = "cohere.embed-v4:0"
    assert url(model, "embeddings", bedrock_endpoint="mantle") == f"{RUNTIME}/model/cohere.embed-v4%3A0/invoke"


# --- calls


def test_a_chat_with_claude_is_signed_for_mantle_and_answered(upstream: Upstream, gateway: Gateway) -> None:
    upstream.replies = json_reply(SAID)
    client = gateway(entry(upstream, "anthropic.claude-opus-4-8", KEYS, anthropic_beta="b-1"))
    answer = client.post("/gateway/chat/invocations", json={**CHAT, "temperature": 0.5})
    assert answer.json["choices"][0]["message"]["content"] == "Hello"
    assert answer.headers["X-Gateway-Adjusted"] == "temperature"
    (request,) = upstream.wait_for_requests(1)
    assert request.target == "/anthropic/v1/messages"
    assert request.json == {"model": "anthropic.claude-opus-4-8", "max_tokens": 8192, **CHAT}
    assert (request.headers["anthropic-version"], request.headers["anthropic-beta"]) == ("2023-06-01", "b-1")
    assert "/eu-west-1/bedrock-mantle/aws4_request" in request.headers["authorization"]
    signed = signature(request, urlsplit(upstream.url).netloc, "bedrock-mantle")
    assert request.headers["authorization"].endswith(f"Signature={signed}")


def test_claudes_stream_is_one_of_server_sent_events(upstream: Upstream, gateway: Gateway) -> None:
    upstream.replies = sse_reply(SAID_IN_PIECES, done=False)
    client = gateway(entry(upstream, "anthropic.claude-opus-4-8", TOKEN))
    asked = {**STREAM, "stream_options": {"include_usage": True}}
    *chunks, done = events(client.post("/gateway/chat/invocations", json=asked).data)
    assert (text(chunks), chunks[-1]["usage"]["total_tokens"], done) == ("Hello", 5, "[DONE]")
    (request,) = upstream.wait_for_requests(1)
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert (request.headers["accept"], request.json["stream"]) == ("text/event-stream", True)


def test_the_version_of_anthropics_api_can_be_chosen(upstream: Upstream, gateway: Gateway) -> None:
    upstream.replies = json_reply(SAID)
    client = gateway(
        entry(
            upstream,
            "anthropic.claude-haiku-4-5",
            TOKEN,
            bedrock_endpoint="mantle",
            anthropic_version="2026-10-21",
        )
    )
    answer = client.post("/gateway/chat/invocations", json={**CHAT, "temperature": 0.5})
    assert answer.headers["X-Gateway-Adjusted"] == "temperature"
    assert upstream.requests[-1].headers["anthropic-version"] == "2026-10-21"


def test_a_chat_with_an_open_model_is_openais(upstream: Upstream, gateway: Gateway) -> None:
    upstream.replies = json_reply(chat_completion("Hello"))
    client = gateway(entry(upstream, "openai.gpt-oss-120b", KEYS))
    answer = client.post("/gateway/chat/invocations", json={**CHAT, "max_completion_tokens": 9})
    assert answer.json["choices"][0]["message"]["content"] == "Hello"
    (request,) = upstream.wait_for_requests(1)
    assert request.target == "/v1/chat/completions"
    assert request.json == {"model": "openai.gpt-oss-120b", "max_completion_tokens": 9, **CHAT}
    assert "anthropic-version" not in request.headers
    signed = signature(request, urlsplit(upstream.url).netloc, "bedrock-mantle")
    assert request.headers["authorization"].endswith(f"Signature={signed}")


def test_its_stream_is_asked_for_usage(upstream: Upstream, gateway: Gateway) -> None:
    upstream.replies = sse_reply(chat_chunks(["Hel", "lo"], include_usage=True))
    client = gateway(entry(upstream, "openai.gpt-oss-120b", TOKEN))
    *chunks, _ = events(client.post("/gateway/chat/invocations", json=STREAM).data)
    assert text(chunks) == "Hello"
    (request,) = upstream.wait_for_requests(1)
    assert request.json["stream_options"] == {"include_usage": True}
    assert request.headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"type": "error", "error": {"type": "not_found_error", "message": "no such model"}}, "not_found_error"),
        (error("no such model", "invalid_request_error"), "invalid_request_error"),
        ({"message": "no such model"}, "ResourceNotFoundException"),
    ],
)
def test_a_refusal_keeps_its_words_in_whichever_dialect(
    upstream: Upstream, gateway: Gateway, body: Any, kind: str
) -> None:
    named = {"x-amzn-errortype": f"{kind}:"} if "Exception" in kind else {}
    upstream.replies = json_reply(body, 404, named)
    client = gateway(entry(upstream, "anthropic.claude-opus-4-8", TOKEN))
    answer = client.post("/v1/chat/completions", json={**CHAT, "model": "chat"})
    assert (answer.status_code, answer.json["error"]["type"]) == (404, kind)
    assert answer.json["error"]["message"] == "no such model"
