"""The base of every schema in the configuration: strict, silent about values, and worded for whoever wrote the file."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from marshmallow import RAISE, Schema, ValidationError, fields, pre_load

Settings = Mapping[str, Any]
"""What `model.config` said, checked, defaults filled in, secrets resolved, frozen."""


@dataclass(frozen=True, slots=True)
class Missing:
    """Stands where marshmallow puts a message: a key that has to be there is not."""


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """Stands where marshmallow puts a message: a key that nobody reads, and those that would have been read."""

    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class WrongKind:
    """Stands where marshmallow puts a message: the value should have been, say, `a string`."""

    expected: str


class Secret(fields.String):
    """A setting that is a secret: a literal, `$NAME` of an environment variable, or the path of a file that holds it.

    The field only marks it; `config/secrets.py` resolves the value before the schema sees it.
    """

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(value, str):
            raise self.make_error("invalid")
        return value  # as it came: a resolved secret is a string that does not show itself


class Document(Secret):
    """A secret of several lines, such as a key file in JSON: nothing of it goes into a header as it is."""


class Number(fields.Float):
    """A number that is written as one: `"5"` is a string."""

    def _validated(self, value: Any) -> float:
        if not isinstance(value, (int, float)):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)  # type: ignore[no-any-return, unused-ignore]


_KINDS: tuple[tuple[type[fields.Field[Any]], str], ...] = (
    (fields.String, "a string"),
    (fields.Integer, "a whole number"),
    (fields.Float, "a number"),
    (fields.Boolean, "true or false"),
    (fields.List, "a list"),
    (fields.Mapping, "a mapping"),
)


class SettingsSchema(Schema):
    """What every schema of settings derives from. A key that is not named is an error; an empty one is absent."""

    class Meta:
        unknown = RAISE

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        words: dict[str, Any] = {"unknown": UnknownKey(tuple(self.fields)), "type": WrongKind("a mapping")}
        self.error_messages = {**self.error_messages, **words}

    def on_bind_field(self, field_name: str, field_obj: fields.Field[Any]) -> None:
        """Our words in place of marshmallow's; a list, since it takes any other value for a text to format."""
        kind = next((words for known, words in _KINDS if isinstance(field_obj, known)), "something else")
        wrong: Any = [WrongKind(kind)]
        missing: Any = [Missing()]
        changed = dict.fromkeys(("invalid", "special", "too_large"), wrong)
        changed |= dict.fromkeys(("required", "null"), missing)
        field_obj.error_messages = {**field_obj.error_messages, **changed}
        if isinstance(field_obj, fields.List):
            self.on_bind_field(field_name, field_obj.inner)
            field_obj.inner.error_messages["null"] = field_obj.inner.error_messages["invalid"]  # it has no key

    @pre_load
    def without_empty(self, data: Any, **_: Any) -> Any:
        """`key:` with nothing behind it says nothing, as in MLflow."""
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


def nearest(word: str, known: Iterable[str]) -> str:
    """How a sentence about a wrong word goes on: `; did you mean 'openai'? known: azure, openai`."""
    choices = sorted(known)
    folded = {choice.lower(): choice for choice in choices}
    close = difflib.get_close_matches(word.lower(), folded, n=1)
    return (f"; did you mean '{folded[close[0]]}'?" if close else ";") + f" known: {', '.join(choices)}"


class OneOf:
    """A validator: one of some words, else the nearest is named."""

    def __init__(self, *choices: str) -> None:
        self.choices = choices

    def __call__(self, value: str) -> None:
        if value not in self.choices:
            raise ValidationError(f"unknown value '{value[:100]}'{nearest(value, self.choices)}")


def header_value(value: str) -> None:
    """A validator: a text that goes into a header of every call."""
    if not value.isascii() or not value.isprintable():
        raise ValidationError("should hold printable ASCII characters only: it goes into a header")


def http_url(value: str) -> None:
    """A validator: an address that paths can be appended to. It is shown in logs, so no credentials may stand in it."""
    try:
        url = urlsplit(value)
        whole = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:  # a port that is none, a bracket that nobody closes
        whole = False
    if not whole or not value.isascii() or not value.isprintable() or " " in value:
        raise ValidationError("should be an http:// or https:// URL")
    if url.username is not None or url.fragment:
        raise ValidationError("should be a URL without user, password and fragment")


def flag(**kwargs: Any) -> fields.Boolean:
    """A setting that is true or false, and not a word or a number that could mean it."""
    return fields.Boolean(truthy={True}, falsy={False}, **kwargs)


def base_url(**kwargs: Any) -> fields.String:
    """A setting that holds the address that a provider's paths are appended to."""
    return fields.String(validate=http_url, **kwargs)
