"""Fields that check a value and hand it on as it is: strict types, ranges, lists of messages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from marshmallow import ValidationError, fields

REQUIRED = {"required": "Field required", "null": "Input should not be null"}

_KINDS: dict[str, tuple[type, ...]] = {
    "a string": (str,),
    "a number": (int, float),
    "an integer": (int,),
    "a boolean": (bool,),
    "an object": (dict,),
    "an array": (list,),
}


def is_a(value: Any, kind: str) -> bool:
    """Whether a JSON value is of a kind; True and False are no numbers here."""
    return isinstance(value, _KINDS[kind]) and (kind == "a boolean" or not isinstance(value, bool))


class Exactly(fields.Field[Any]):
    """A value of one of some JSON kinds, unchanged; `least` and `most` bound a number.

    `kinds` are words from `_KINDS`: they stand in the message as they are.
    """

    def __init__(self, *kinds: str, least: float | None = None, most: float | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("error_messages", REQUIRED)
        kwargs.setdefault("allow_none", not kwargs.get("required", False))
        super().__init__(**kwargs)
        self.kinds, self.least, self.most = kinds, least, most

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not any(is_a(value, kind) for kind in self.kinds):
            raise ValidationError(f"Input should be {' or '.join(self.kinds)}")
        if isinstance(value, (int, float)):
            self._check_range(value)
        return value

    def _check_range(self, value: float) -> None:
        if self.least is not None and value < self.least:
            raise ValidationError(f"Input should be greater than or equal to {self.least}")
        if self.most is not None and value > self.most:
            raise ValidationError(f"Input should be less than or equal to {self.most}")


class ListOf(Exactly):
    """A JSON array whose every item passes `check_item` (which returns what is wrong, or None), unchanged."""

    def __init__(self, check_item: Callable[[Any], Any], *, at_least: int = 0, **kwargs: Any) -> None:
        super().__init__("an array", **kwargs)
        self.check_item, self.at_least = check_item, at_least

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        super()._deserialize(value, attr, data, **kwargs)
        if len(value) < self.at_least:
            raise ValidationError(f"List should have at least {self.at_least} item after validation, not {len(value)}")
        problems = {index: wrong for index, item in enumerate(value) if (wrong := self.check_item(item))}
        if problems:
            raise ValidationError(problems)  # a dict by index is how marshmallow reports lists
        return value


class StringOrListOf(ListOf):
    """A string, or a JSON array as ListOf has it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            return value
        if not isinstance(value, list):
            raise ValidationError("Input should be a string or an array")
        return super()._deserialize(value, attr, data, **kwargs)


def a_string(item: Any) -> Any:
    """What is wrong with an item that should be a string."""
    return None if isinstance(item, str) else ["Input should be a string"]


def an_object(item: Any) -> Any:
    """What is wrong with an item that should be an object."""
    return None if isinstance(item, dict) else ["Input should be an object"]


def text_or_tokens(item: Any) -> Any:
    """What is wrong with an item that should be a string, a token (an integer), or an array of tokens."""
    if isinstance(item, str) or is_a(item, "an integer"):
        return None
    if isinstance(item, list) and item and all(is_a(token, "an integer") for token in item):
        return None
    return ["Input should be a string, an integer or an array of integers"]
