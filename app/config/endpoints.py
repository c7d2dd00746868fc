"""The entries of `endpoints:`: each checked as far as it can be, whatever is wrong with the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from app.config import policy
from app.config.names import Names
from app.config.problems import Problems
from app.config.schema import EndpointSchema, parse_period
from app.config.settings import SettingsReader
from app.config.snapshot import Endpoint, Limit
from app.config.source import Path
from app.dialects import Translator
from app.providers import NOT_OURS, Provider, Settings, find, key, known_names, of_other_packages
from app.providers.settings import nearest
from app.schemas import SCHEMAS

Entry = Mapping[str, Any]
"""What EndpointSchema made of an entry."""

_ENTRY = EndpointSchema()


class EndpointReader:
    """Reads entries of one file."""

    def __init__(self, problems: Problems, settings: SettingsReader, names: Names, file: Entry) -> None:
        """`file` holds what the top of the file says for endpoints that do not say it themselves."""
        self._problems, self._settings, self._names, self._file = problems, settings, names, file
        self._fallbacks: dict[str, list[str]] = {}
        for words in of_other_packages().problems:
            problems.add((), words)

    def read(self, raw: Any, path: Path) -> Endpoint | None:
        """The endpoint; None, with the problems noted, if anything about it is wrong."""
        entry = self._problems.load(_ENTRY, raw, path)
        self._check_fallbacks(raw, path)
        model = raw.get("model") if isinstance(raw, dict) else None
        if not isinstance(model, dict):
            return None
        provider = self._provider(model.get("provider"), (*path, "model", "provider"))
        if provider is None:
            return None
        settings = self._read_settings(model, provider, (*path, "model"))
        translator = self._translator(provider, settings, raw.get("endpoint_type"), model.get("name"), path)
        if entry is None or translator is None or settings is None:
            return None
        return self._endpoint(entry, provider, translator, settings)

    def with_fallbacks(self, endpoints: Mapping[str, Endpoint]) -> dict[str, Endpoint]:
        """The endpoints, each with those that stand in for it."""
        return {
            name: replace(alone, fallbacks=self._standing_in(alone, endpoints)) for name, alone in endpoints.items()
        }

    def _standing_in(self, endpoint: Endpoint, endpoints: Mapping[str, Endpoint]) -> tuple[Endpoint, ...]:
        """Those that are right and, where the top of the file names them for all, that can."""
        named = (endpoints.get(name) for name in self._fallbacks[endpoint.name] if name != endpoint.name)
        return tuple(other for other in named if other and other.type == endpoint.type)

    def _check_fallbacks(self, raw: Any, path: Path) -> None:
        names = raw.get("fallbacks") if isinstance(raw, dict) else None
        self._names.check_all(names, raw.get("endpoint_type") if names else None, (*path, "fallbacks"))
        for index, name in enumerate(names if isinstance(names, list) else ()):
            if name == raw.get("name"):
                self._problems.add((*path, "fallbacks", index), f"'{name}' cannot stand in for itself")

    def _endpoint(self, entry: Entry, provider: Provider, translator: Translator, settings: Settings) -> Endpoint:
        model = entry["model"].get("name")
        said = policy.said(entry, self._file)
        alone, hurried = policy.timeouts(said)
        self._fallbacks[entry["name"]] = said.get("fallbacks", [])
        return Endpoint(
            name=entry["name"], type=entry["endpoint_type"], provider=provider, model=model, settings=settings,
            translator=translator, url=provider.url(settings, model or "", translator.path),
            stream_url=provider.url(settings, model or "", translator.stream_path or translator.path),
            timeouts=alone, hurried=hurried, policy=policy.policy(said), limit=_limit(entry.get("limit")),
            refuses_unsupported=entry.get("unsupported") == "error", fetch_images=entry.get("fetch_images", False),
        )  # fmt: skip

    def _provider(self, name: Any, path: Path) -> Provider | None:
        """The provider of that name; case, `-` and `_` make no difference, as in MLflow."""
        if not isinstance(name, str):
            return None
        provider = find(name)
        if provider is None and key(name) in NOT_OURS:
            self._problems.add(path, f"this gateway does not have MLflow's provider '{name}': {NOT_OURS[key(name)]}")
        elif provider is None:
            self._problems.add(path, f"unknown provider '{name[:100]}'{nearest(name, known_names())}")
        return provider

    def _translator(
        self, provider: Provider, settings: Settings | None, endpoint_type: Any, model: Any, path: Path
    ) -> Translator | None:
        """How the provider does it; None, with the problem noted, if it cannot, or if its settings are wrong."""
        if not isinstance(endpoint_type, str) or endpoint_type not in SCHEMAS:
            return None
        if endpoint_type not in provider.translators:
            can = ", ".join(provider.translators)
            words = f"provider '{provider.name}' has no {endpoint_type}; it has {can}"
            self._problems.add((*path, "endpoint_type"), words)
            return None
        if provider.needs_model and not model:
            self._problems.add((*path, "model"), "the key 'name' is missing")
            return None
        if settings is None:
            return None
        translator = provider.translator(settings, endpoint_type, model if isinstance(model, str) else "")
        if translator is None:
            words = f"provider '{provider.name}' has no {endpoint_type} with the model '{model}'"
            self._problems.add((*path, "model", "name"), words)
        return translator

    def _read_settings(self, model: Mapping[str, Any], provider: Provider, path: Path) -> Settings | None:
        raw = model.get("config")
        return self._settings.read({} if raw is None else raw, provider.settings(), (*path, "config"))


def _limit(entry: Mapping[str, Any] | None) -> Limit | None:
    return Limit(entry["calls"], entry["renewal_period"], *parse_period(entry["renewal_period"])) if entry else None
