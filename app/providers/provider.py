"""A provider: an address, a credential and a translator per endpoint type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.call import Call
from app.dialects import Translator
from app.providers.settings import Secret, Settings, SettingsSchema

__all__ = ["Provider", "Secret", "Settings", "SettingsSchema"]


@dataclass(frozen=True, slots=True)
class Provider:
    """Where a provider is, how it knows us, and what it can do."""

    name: str
    settings: type[SettingsSchema]
    """The schema of `model.config`."""
    translators: Mapping[str, Translator]
    """Endpoint type -> how: what is absent here the provider cannot do, and the configuration says so at boot."""
    url: Callable[[Settings, str, str], str]
    """(settings, model, a translator's path) -> the URL to call."""
    authorize: Callable[[Settings, Call], Call]
    """The call with credentials: the only place where one is used."""
    asks_usage: bool = False
    """Its streams report usage if `stream_options` asks for it; the setting `stream_usage: false` turns that off."""
    retired: str | None = None
    """Since when and why the service is gone; shown as a warning at boot."""
