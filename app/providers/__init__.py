"""Whom we call: PROVIDERS, the registry, and the value that describes one."""

from __future__ import annotations

from app.providers import local, openai
from app.providers.provider import Provider, Secret, Settings

__all__ = ["PROVIDERS", "Provider", "Secret", "Settings", "known_names"]

PROVIDERS: dict[str, Provider] = {
    provider.name: provider
    for provider in (
        openai.OPENAI,
        openai.AZURE,
        openai.AZUREAD,
        openai.COMPATIBLE,
        local.LOCAL,
    )
}
"""Every provider by its name. A provider that speaks OpenAI's dialect at another address is one more row."""


def known_names() -> list[str]:
    """The names that `provider:` may say, in alphabetical order."""
    return sorted(PROVIDERS)
