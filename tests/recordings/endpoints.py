"""Which provider of the gateway's stands for a recording's, with which settings."""

from __future__ import annotations

import json
import re
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.recordings.recorded import KINDS, Recording

KEY = "no-such-key"

_ROWS = {
    "gpustack": "openai-compatible",
    "hf-router": "huggingface",
    "together": "togetherai",
}
_KEYS = {
    "anthropic": "anthropic_api_key",
    "cohere": "cohere_api_key",
    "gemini": "gemini_api_key",
    "mistral": "mistral_api_key",
    "openai": "openai_api_key",
    "togetherai": "togetherai_api_key",
}


def endpoint(recording: Recording, name: str, url: str) -> dict[str, Any]:
    """An endpoint for one recording alone; its provider is at `url/name`, Google's tokens at `url/token`."""
    provider, settings = _provider(recording, f"{url}/{name}")
    if provider == "vertex_ai":
        settings["vertex_credentials"] = service_account(f"{url}/token")
    model = {"provider": provider, "name": model_of(recording), "config": settings}
    return {"name": name, "endpoint_type": KINDS[recording.kind], "model": model}


def model_of(recording: Recording) -> str:
    """The model, which stands in the body or in the URL."""
    in_url = re.search(r"/models?/([^/]+?)(?::\w+|/converse|/converse-stream)?(?:\?|$)", recording.url)
    return str(recording.request.get("model") or (in_url and unquote(in_url[1])) or "unnamed")


def _provider(recording: Recording, address: str) -> tuple[str, dict[str, Any]]:
    if recording.provider == "azure":
        return _azure(recording.url, address)
    if recording.provider == "openai":
        return "openai", {"openai_api_key": KEY, "openai_api_base": address}
    if recording.provider in ("bedrock", "bedrock-mantle"):
        keys = {"aws_access_key_id": "AKIDNONE", "aws_secret_access_key": KEY, "aws_region": "us-east-1"}
        where = "mantle" if "mantle" in recording.provider else "runtime"
        return "bedrock", {"api_base": address, "aws_config": keys, "bedrock_endpoint": where}
    if recording.provider == "vertex":
        return "vertex_ai", {"vertex_project": "p1", "vertex_function_ids": True, "api_base": f"{address}/v1"}
    provider = _ROWS.get(recording.provider, recording.provider)
    return provider, {_KEYS.get(provider, "api_key"): KEY, "api_base": address}


@cache
def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


def service_account(token_url: str) -> str:
    """The key of a service account that nobody has; whoever uses it gets its tokens at this address."""
    said = {
        "type": "service_account",
        "project_id": "p1",
        "client_email": "nobody@p1.example",
        "private_key": _private_key(),
        "token_uri": token_url,
    }
    return json.dumps(said)


def _azure(url: str, address: str) -> tuple[str, dict[str, Any]]:
    """A deployment's address as MLflow says it; Azure's newer addresses are OpenAI's with a version, or without."""
    version = dict(parse_qsl(urlsplit(url).query)).get("api-version")
    deployment = re.search(r"/openai/deployments/([^/]+)/", url)
    if deployment is None:
        said = {"openai_api_version": version} if version else {}
        return "openai", {"openai_api_key": KEY, "openai_api_base": f"{address}/models", **said}
    settings = {"openai_deployment_name": deployment[1], "openai_api_version": version}
    return "azure", {"openai_api_key": KEY, "openai_api_base": address, **settings}
