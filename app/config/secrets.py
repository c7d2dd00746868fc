"""Where the strings of a provider's settings come from: the file itself, the environment, or a file that holds a secret."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from marshmallow import Schema, fields

from app.providers import Secret

_MAX_SECRET_BYTES = 64 * 1024


class Unresolved(Exception):
    """A value that could not be had; the words say why."""


class Plain(str):
    """A secret's text. It shows itself to nobody who did not ask for the text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def resolve(value: Any, schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any, Path | None]]:
    """Walk raw settings; for each string that needs it yield (path, the resolved value or Unresolved, the file it came from)."""
    for key, item in value.items():
        field = schema.fields.get(key)
        if isinstance(item, dict) and isinstance(field, fields.Nested):
            yield from resolve(item, field.schema, (*path, key))
        elif isinstance(item, str):
            yield from _resolved((*path, key), item, isinstance(field, Secret))


def _resolved(path: tuple[str, ...], text: str, secret: bool) -> Iterator[tuple[tuple[str, ...], Any, Path | None]]:
    try:
        if text.startswith("$"):
            yield path, _checked(_from_environment(text), secret), None
        elif secret and _is_file(text):
            yield path, _checked(_from_file(Path(text)), secret), Path(text)
        elif secret:
            yield path, _checked(text, secret), None
    except Unresolved as error:
        yield path, error, None


def _from_environment(text: str) -> str:
    name = text[1:].removeprefix("{").removesuffix("}")
    try:
        return os.environ[name]
    except KeyError:
        raise Unresolved(f"environment variable '{name}' is not set") from None


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # longer than a path may be, or holds a NUL: then it is a literal
        return False


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_SECRET_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Unresolved(f"the file '{path}' cannot be read: {error}") from None


def _checked(text: str, secret: bool) -> str:
    """A secret goes into a header: it may hold nothing that ends one, or that a header cannot carry."""
    text = text.strip()
    if not secret:
        return text
    if not text:
        raise Unresolved("the secret is empty")
    if not text.isascii() or not text.isprintable():
        raise Unresolved("the secret holds a line break or a character that no key has")
    return Plain(text)
