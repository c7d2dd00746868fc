"""What the gateway sends is what the vendors' own SDKs send, or differs in a way that is listed here."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote

import pytest

from tests.recordings.differing import differences
from tests.recordings.endpoints import KEY, service_account
from tests.recordings.payloads import anthropic, bedrock, cohere, gemini, mistral
from tests.recordings.recorded import DATA
from tests.serving import Gateway
from tests.upstream import Request, Upstream, json_reply

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="what the SDKs send is not beside the project")

SENT = {path.stem: json.loads(path.read_bytes()) for path in sorted((DATA / "requests").glob("*.json"))}

_ANTHROPIC = {
    "headers.anthropic-version": "2023-06-01 is the default: the newer version refuses what older clients send",
    "headers.authorization": "the key goes as x-api-key, which every version of the API takes",
    "headers.x-api-key": "the key goes as x-api-key, which every version of the API takes",
}
_NOT_STREAMED = {"body.stream": "false is the default"}
_GEMINI = {"path": "v1beta, which has what is new first"}
_VERTEX = {"path": "v1; what the gateway says needs nothing of v1beta1"}
_IMAGE = "an object, as OpenAI has it; Mistral takes both"

DIFFERENT: dict[str, dict[str, str]] = {
    "anthropic-on-vertex-stream": {"body.anthropic_version": "vertex-2023-10-16 is the default, as for Anthropic"},
    "anthropic-system-cache": _ANTHROPIC,
    "anthropic-tools": _ANTHROPIC,
    "cohere-chat": _NOT_STREAMED,
    "cohere-tools": _NOT_STREAMED,
    "gemini-embeddings": _GEMINI,
    "gemini-jsonschema-image-thinking": _GEMINI,
    "gemini-stream": _GEMINI,
    "hf-chat-base_url": _NOT_STREAMED,
    "mistral-chat": _NOT_STREAMED,
    "mistral-fim": _NOT_STREAMED,
    "mistral-jsonschema-image": {**_NOT_STREAMED, "body.messages[0].content[1].image_url": _IMAGE},
    "together-chat": {
        "path": "the SDK was given an address that ended with /v1 already",
    },
    "vertex-embeddings": _VERTEX,
    "vertex-jsonschema-image-thinking": _VERTEX,
    "vertex-stream": _VERTEX,
}
"""SDK's request -> place -> why ours differs there."""

NO_COUNTERPART = {"anthropic-on-bedrock-invoke": "the gateway asks Claude on Bedrock by way of Converse"}
"""SDK's request -> why the gateway sends none like it."""

_CONVERTERS = {
    "anthropic": anthropic.payload,
    "bedrock": bedrock.payload,
    "cohere": cohere.payload,
    "gemini": gemini.payload,
    "mistral": mistral.payload,
    "vertex": gemini.payload,
}
_BY_HAND: dict[str, dict[str, Any]] = {
    "together-chat": {**SENT.get("together-chat", {"body": {}})["body"], "logprobs": True},
    "bedrock-invoke-cohere-embed": {"input": ["a"], "input_type": "search_document"},
    "gemini-embeddings": {"input": ["a", "b"], "dimensions": 8, "task_type": "RETRIEVAL_QUERY"},
    "vertex-embeddings": {"input": ["a", "b"], "dimensions": 8, "task_type": "RETRIEVAL_QUERY"},
}
"""Payloads for what OpenAI has other words for, or none."""


@pytest.mark.parametrize("name", [name for name in SENT if name not in NO_COUNTERPART])
def test_what_we_send_is_what_the_vendors_sdk_sends(gateway: Gateway, name: str) -> None:
    ours, theirs = _ours(gateway, name), SENT[name]
    found = dict(differences(gemini.camel(theirs["body"]), gemini.camel(ours.json), "body"))
    found |= dict(differences(unquote(theirs["path"]), unquote(ours.target), "path"))
    found |= dict(differences(_shape(theirs["headers"]), _shape(ours.headers), "headers"))
    assert set(found) == set(DIFFERENT.get(name, {})), found


def _ours(gateway: Gateway, name: str) -> Request:
    """The request that the gateway makes of the same question in OpenAI's words."""
    sent = SENT[name]
    streams = bool(re.search("stream", sent["path"], re.IGNORECASE) or sent["body"].get("stream"))
    said = _BY_HAND.get(name) or _CONVERTERS.get(name.partition("-")[0], dict)(sent["body"])
    with Upstream(lambda request: json_reply(_TOKEN if request.target == "/token" else {}, 200)) as upstream:
        entry = _endpoint(name, sent, upstream.url)
        payload = {key: value for key, value in said.items() if key not in ("model", "stream")}
        payload |= {"stream": True} if streams else {}
        gateway(entry).post(f"/gateway/{entry['name']}/invocations", json=payload)
    return upstream.requests[-1]


_TOKEN = {"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"}


def _family(name: str) -> str:
    return "vertex" if "vertex" in name else name.partition("-")[0]


def _endpoint(name: str, sent: dict[str, Any], url: str) -> dict[str, Any]:
    kind = "embeddings" if "embed" in name else "completions" if name in _COMPLETIONS else "chat"
    in_path = re.search(r"/models?/([^/]+?)(?::\w*[gGtTpP]\w*|/\w+|/converse-stream)(?:\?|$)", unquote(sent["path"]))
    model = sent["body"].get("model") or (in_path and in_path[1])
    provider, settings = _settings(_family(name), url)
    if place := re.search("/locations/([^/]+)/", sent["path"]):
        settings["vertex_location"] = place[1]
    model = {"provider": provider, "name": model, "config": settings}
    return {"name": "asked", "endpoint_type": f"llm/v1/{kind}", "model": model}


_COMPLETIONS = ("mistral-fim", "openai-completions")


def _settings(family: str, url: str) -> tuple[str, dict[str, Any]]:
    """The provider with its own address, but for the host."""
    keys = {"aws_access_key_id": "AKIDNONE", "aws_secret_access_key": KEY, "aws_region": "us-east-1"}
    azure = {"openai_deployment_name": "my-deploy", "openai_api_version": "2024-10-21"}
    known: dict[str, tuple[str, dict[str, Any]]] = {
        "anthropic": ("anthropic", {"anthropic_api_key": KEY, "api_base": f"{url}/v1"}),
        "azure": ("azure", {"openai_api_key": KEY, "openai_api_base": url, **azure}),
        "bedrock": ("bedrock", {"api_base": url, "aws_config": keys}),
        "cohere": ("cohere", {"cohere_api_key": KEY, "api_base": f"{url}/v2"}),
        "gemini": ("gemini", {"gemini_api_key": KEY, "api_base": f"{url}/v1beta"}),
        "hf": ("huggingface-text-generation-inference", {"hf_server_url": url}),
        "mistral": ("mistral", {"mistral_api_key": KEY, "api_base": f"{url}/v1"}),
        "openai": ("openai", _openai(url)),
        "together": ("togetherai", {"togetherai_api_key": KEY, "api_base": f"{url}/v1"}),
        "vertex": ("vertex_ai", _vertex(url)),
    }
    return known[family]


def _openai(url: str) -> dict[str, Any]:
    names = {"openai_organization": "org-1", "openai_project": "proj-1"}
    return {"openai_api_key": KEY, "openai_api_base": f"{url}/v1", **names}


def _vertex(url: str) -> dict[str, Any]:
    key = service_account(f"{url}/token")
    return {"vertex_project": "p1", "vertex_credentials": key, "api_base": f"{url}/v1"}


# --- comparing


def _shape(headers: dict[str, str]) -> dict[str, str]:
    """How the call proves who calls, and which version it speaks."""
    low = {name.lower(): value for name, value in headers.items()}
    named = ("api-key", "x-api-key", "x-goog-api-key", "authorization")
    proof = {name: low[name].split()[0] if " " in low[name] else "a key" for name in named if name in low}
    same = ("anthropic-version", "content-type", "openai-organization", "openai-project")
    return {**proof, **{name: low[name] for name in same if name in low}}
