"""JSON Schema's keywords: what each may be, and where the schemas within a schema are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

Json = Any
Schema = bool | dict[str, Any]
Place = tuple[str | int, ...]
"""Keys and indexes that lead to a part of a schema."""

NESTED = 64
"""Levels of JSON in a schema: deeper ones are refused, and no stack overflows."""
TYPES: dict[str, Callable[[Json], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": lambda value: is_number(value),
    "integer": lambda value: is_number(value) and value == math.floor(value),
}
ONE = ("not", "if", "then", "else", "contains", "additionalProperties", "propertyNames", "additionalItems")
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
MAPS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
REFUSED = ("$dynamicRef", "$recursiveRef", "unevaluatedProperties", "unevaluatedItems")
"""Keywords that forbid something and cannot be followed: refused by name rather than passed over."""


class Unsatisfiable(Exception):
    """No value can be made for a schema: where in it, and why."""

    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(reason)
        self.place = place
        self.reason = reason


class TooIntricate(Unsatisfiable):
    """It would take too long to find out."""


def is_number(value: Json) -> bool:
    """Whether a value is a JSON number; true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def same(one: Json, other: Json) -> bool:
    """JSON's equality: 1 is 1.0 and is not true."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)


def nests_too_deep(value: Json) -> bool:
    """Whether there are more than NESTED levels; asked level by level, not by recursion."""
    level = [value]
    for _ in range(NESTED):
        containers = [one for one in level if isinstance(one, (dict, list))]
        level = [inner for one in containers for inner in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return False
    return True


def inner_schemas(key: str, value: Json) -> list[tuple[Place, Json]]:
    """(place, schema) of the schemas that the keyword `key` holds."""
    if key in ONE or (key == "items" and not isinstance(value, list)):
        return [((key,), value)]
    if key in LISTS or key == "items":
        return [((key, index), one) for index, one in enumerate(value)]
    if key in MAPS:
        return [((key, name), one) for name, one in value.items()]
    return []


def _is_size(value: Json) -> bool:
    return TYPES["integer"](value) and value >= 0


def _is_names(value: Json) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _is_type(value: Json) -> bool:
    return all(name in TYPES for name in (value if _is_names(value) else [value] if isinstance(value, str) else [0]))


def _is_list(value: Json) -> bool:
    return isinstance(value, list)


def _is_map(value: Json) -> bool:
    return isinstance(value, dict)


def _is_text(value: Json) -> bool:
    return isinstance(value, str)


def _is_schemas(value: Json) -> bool:
    return isinstance(value, list) and bool(value)


SHAPES: dict[str, Callable[[Json], bool]] = {
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems", "minContains", "maxContains"), _is_size),
    **dict.fromkeys(("minProperties", "maxProperties"), _is_size),
    **dict.fromkeys(("minimum", "maximum"), is_number),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), lambda value: isinstance(value, (bool, int, float))),
    "multipleOf": lambda value: is_number(value) and value > 0,
    "uniqueItems": TYPES["boolean"],
    "type": _is_type,
    "enum": _is_list,
    "required": _is_names,
    "dependentRequired": lambda value: isinstance(value, dict) and all(map(_is_names, value.values())),
    **dict.fromkeys(("pattern", "$ref"), _is_text),
    **dict.fromkeys(("allOf", "anyOf", "oneOf"), _is_schemas),
    "prefixItems": _is_list,
    **dict.fromkeys(MAPS, _is_map),
}
