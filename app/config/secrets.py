"""Where the strings of the configuration come from: the file itself, the environment, or a file that holds a secret."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from marshmallow import Schema, fields

from app.providers import Document, Secret

_LONGEST = 64 * 1024
"""Bytes of a secret: a service account's key has 2,400."""

_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})", re.ASCII)


class Unresolved(Exception):
    """A value that could not be had; the words say why, without the value."""


class Plain(str):
    """A secret's text. It shows itself to nobody who did not ask for the text."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


class Resolved(NamedTuple):
    """What became of one string: where it stands, its value or why there is none, and the file it came from."""

    path: tuple[str, ...]
    value: str | Unresolved
    file: Path | None = None


def resolve(settings: Mapping[str, Any], schema: Schema, path: tuple[str, ...] = ()) -> Iterator[Resolved]:
    """What the strings in raw settings stand for: the secrets among them, and whatever begins with `$`."""
    for key, item in settings.items():
        field = schema.fields.get(key)
        if isinstance(item, dict) and isinstance(field, fields.Nested):
            yield from resolve(item, field.schema, (*path, key))
        elif isinstance(item, str) and (isinstance(field, Secret) or (field and item.startswith("$"))):
            yield _resolved((*path, key), item, field)


def _resolved(path: tuple[str, ...], text: str, field: fields.Field[Any]) -> Resolved:
    secret = isinstance(field, Secret)
    file = Path(text) if secret and not text.startswith("$") and _means_file(text) else None
    try:
        value = _from_environment(text) if text.startswith("$") else _from_file(file) if file else text
        return Resolved(path, _checked(value, isinstance(field, Document)) if secret else value, file)
    except Unresolved as error:
        return Resolved(path, error, file)


def _from_environment(text: str) -> str:
    match = _VARIABLE.fullmatch(text)
    if not match:  # perhaps a secret that begins with a dollar sign: not to be shown
        raise Unresolved("what begins with $ should be $NAME or ${NAME}; keep such a literal in a variable or a file")
    name = match[1] or match[2]
    value = os.environ.get(name)
    if not value:
        raise Unresolved(f"environment variable '{name}' is {'not set' if value is None else 'empty'}")
    return value


def _means_file(text: str) -> bool:
    """Whether a text is a file's path, or was meant to be: its first directory is there, so a lost file is noticed."""
    try:
        return Path(text).is_file() or ("/" in text.strip("/") and _first_directory(text).is_dir())
    except (OSError, ValueError):  # longer than a path may be, or holds a NUL: then it is a literal
        return False


def _first_directory(text: str) -> Path:
    parts = Path(text).parts
    return Path(*parts[:2]) if text.startswith("/") else Path(parts[0])


def _from_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST + 1)
    except OSError as error:
        raise Unresolved(f"the file '{path}' cannot be read: {error.strerror}") from None
    try:
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise Unresolved(f"the file '{path}' is not UTF-8") from None


def _checked(text: str, is_document: bool) -> str:
    """A secret goes into a header: it may hold nothing that ends one, or that a header cannot carry. A document may."""
    text = text.strip()
    if not text:
        raise Unresolved("the secret is empty")
    if len(text) > _LONGEST:
        raise Unresolved(f"the secret is longer than {_LONGEST} characters")
    if not is_document and (not text.isascii() or not text.isprintable()):
        raise Unresolved("the secret holds a line break or a character that no key has")
    return Plain(text)
