"""What is wrong with a file, gathered as it is read: each problem a sentence with its place."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from marshmallow import Schema, ValidationError

from app.config.source import Path, Source
from app.errors import ConfigError
from app.providers.settings import Missing, UnknownKey, WrongKind, nearest

_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "true or false"),
    (int, "a number"),
    (float, "a fraction"),
    (str, "a string"),
    (list, "a list"),
    (dict, "a mapping"),
    (date, "a date"),
    (type(None), "nothing"),
)


class Problems:
    """The problems of one file. None of them shows a value that could be a secret: kinds are named, not values."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._found: list[tuple[Path, str]] = list(source.problems)

    def add(self, path: Path, words: str) -> None:
        """Note one."""
        self._found.append((path, words))

    def load(self, schema: Schema, data: Any, path: Path) -> dict[str, Any] | None:
        """What the schema makes of `data`, which stands at `path`; None, with its problems noted, if it is wrong."""
        try:
            loaded: dict[str, Any] = schema.load(data)
        except ValidationError as error:
            self.add_messages(error.messages, path)
            return None
        return loaded

    def add_messages(self, messages: Any, path: Path) -> None:
        """Note what marshmallow found: messages in a tree of keys and indexes."""
        if isinstance(messages, Mapping):
            for key, inner in messages.items():
                self.add_messages(inner, path if key == "_schema" else (*path, key))
            return
        for message in messages if isinstance(messages, list) else [messages]:
            self.add(*self._sentence(message, path))

    def raise_any(self) -> None:
        """Raise ConfigError with every problem, in the order of the file, if there is one."""
        if self._found:
            found = sorted(dict.fromkeys(self._found), key=lambda problem: self._source.line(problem[0]))
            raise ConfigError([f"{self._source.place(path)}: {words}" for path, words in found])

    def _sentence(self, message: Any, path: Path) -> tuple[Path, str]:
        if isinstance(message, UnknownKey):
            return path, f"unknown key '{str(path[-1])[:100]}'{nearest(str(path[-1]), message.known)}"
        if isinstance(message, Missing):
            return path[:-1], f"the key '{path[-1]}' is missing or empty"
        if isinstance(message, WrongKind):
            return path, _wrong_kind(message.expected, self._source.value(path))
        return path, str(message)


def _wrong_kind(expected: str, value: Any) -> str:
    kind = next((words for known, words in _KINDS if isinstance(value, known)), "something else")
    quotes = ": put it into quotes" if expected == "a string" and isinstance(value, (bool, int, float, date)) else ""
    return f"should be {expected}, not {kind}{quotes}"
