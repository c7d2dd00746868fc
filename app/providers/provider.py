"""A provider: an address, a credential and a translator per endpoint type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from app.call import Call
from app.dialects import Translator, refusal
from app.dialects.refusal import Refusal
from app.providers.oauth import Grant
from app.providers.settings import Secret, Settings, SettingsSchema

__all__ = ["Provider", "Secret", "Settings", "SettingsSchema"]


def no_grant(settings: Settings) -> None:
    """Most providers want no OAuth token."""


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
    needs_model: bool = False
    """Whether an endpoint has to name its model."""
    asks_usage: bool = False
    """Its streams report usage if `stream_options` asks for it; the setting `stream_usage: false` turns that off."""
    choose: Callable[[Settings, str, str], Translator | None] | None = None
    """(settings, endpoint type, model) -> the translator, where it depends on them; `translators` names the types."""
    refusal: Callable[[Mapping[str, str], bytes], Refusal] = refusal.of_answer
    """(headers, body) of an error -> what the provider said."""
    grant: Callable[[Settings], Grant | None] = no_grant
    """What an OAuth token is to be got with, for those that want one; the gateway puts it on the call."""
    retired: str | None = None
    """Since when and why the service is gone; shown as a warning at boot."""

    def translator(self, settings: Settings, endpoint_type: str, model: str) -> Translator | None:
        """How this provider does an endpoint type with a model; None if it does not."""
        return self.choose(settings, endpoint_type, model) if self.choose else self.translators.get(endpoint_type)
