"""Whom we call: PROVIDERS, the registry, the value that describes one, and what another package makes one of."""

from __future__ import annotations

from functools import cache

from app.call import Call
from app.dialects.openai_like import OPENAI_LIKE, Manner
from app.providers import (
    anthropic,
    bedrock,
    cohere,
    compatible,
    databricks,
    gemini,
    huggingface_tgi,
    local,
    mlflow_serving,
    openai,
    outside,
    retired,
    vertex,
)
from app.providers.calling import below, with_bearer, with_headers
from app.providers.compatible import row, translators
from app.providers.outside import Outside, key
from app.providers.provider import Provider
from app.providers.retired import NOT_OURS
from app.providers.settings import Document, Secret, Settings, SettingsSchema, base_url, flag, header_value

__all__ = [
    "NOT_OURS",
    "OPENAI_LIKE",
    "PROVIDERS",
    "Call",
    "Document",
    "Manner",
    "Provider",
    "Secret",
    "Settings",
    "SettingsSchema",
    "base_url",
    "below",
    "find",
    "flag",
    "header_value",
    "key",
    "known_names",
    "of_other_packages",
    "row",
    "translators",
    "with_bearer",
    "with_headers",
]

PROVIDERS: dict[str, Provider] = {
    key(provider.name): provider
    for provider in (
        openai.OPENAI,
        openai.AZURE,
        openai.AZUREAD,
        *compatible.PROVIDERS,
        anthropic.ANTHROPIC,
        gemini.GEMINI,
        vertex.VERTEX,
        bedrock.BEDROCK,
        bedrock.AMAZON_BEDROCK,
        cohere.COHERE,
        databricks.DATABRICKS,
        databricks.DATABRICKS_MODEL_SERVING,
        huggingface_tgi.HUGGINGFACE_TGI,
        mlflow_serving.MLFLOW_SERVING,
        *retired.PROVIDERS,
        local.LOCAL,
    )
}
"""Our providers by the keys of their names. One that speaks OpenAI's dialect at another address is one more row."""


@cache
def of_other_packages() -> Outside:
    """The providers that other packages bring; loaded once, by whoever needs them first."""
    return outside.read(PROVIDERS)


def find(name: str) -> Provider | None:
    """The provider that `provider:` means."""
    return PROVIDERS.get(key(name)) or of_other_packages().providers.get(key(name))


def known_names() -> list[str]:
    """The names that `provider:` may say, in alphabetical order."""
    return sorted(provider.name for provider in (*PROVIDERS.values(), *of_other_packages().providers.values()))
