"""A provider's settings: `model.config` with its secrets resolved, checked by the provider's own schema."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from marshmallow import Schema, ValidationError

from app.config import source
from app.config.problems import Problems
from app.config.secrets import Unresolved, resolve


class SettingsReader:
    """Reads parts of one file that may hold secrets, and remembers the files that those came from."""

    def __init__(self, problems: Problems) -> None:
        self.files: list[Path] = []
        self._problems = problems

    def read(self, raw: Any, schema: Schema, path: source.Path) -> Mapping[str, Any] | None:
        """The settings, frozen; None, with the problems noted, if they are wrong."""
        settings = _copy(raw)
        missing = self._resolve(settings, schema, path) if isinstance(settings, dict) else []
        try:
            loaded: dict[str, Any] = schema.load(settings)
        except ValidationError as error:
            self._problems.add_messages(_without(error.messages, missing), path)
            return None
        return None if missing else MappingProxyType(loaded)

    def _resolve(self, settings: dict[str, Any], schema: Schema, path: source.Path) -> list[tuple[str, ...]]:
        """Put what they stand for in the place of strings; the paths of those that stand for nothing."""
        missing = []
        for inner, value, file in list(resolve(settings, schema)):
            if isinstance(value, Unresolved):
                self._problems.add((*path, *inner), str(value))
                missing.append(inner)
            else:
                _put(settings, inner, value)
            self.files += [file] if file else []
        return missing


def _copy(value: Any) -> Any:
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, dict) else value


def _put(settings: dict[str, Any], path: tuple[str, ...], value: str) -> None:
    for key in path[:-1]:
        settings = settings[key]
    settings[path[-1]] = value


def _without(messages: Any, paths: list[tuple[str, ...]]) -> Any:
    """Messages but for those about what was never resolved: of it, only that is known."""
    if not isinstance(messages, dict):
        return messages
    inner = {key: [path[1:] for path in paths if path[:1] == (key,)] for key in messages}
    return {key: _without(item, inner[key]) for key, item in messages.items() if () not in inner[key]}
