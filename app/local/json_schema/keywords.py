"""JSON Schema's keywords that the built-in model meets: what each limits, may say, and asks of a value."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable
from fractions import Fraction
from typing import Any, NamedTuple

Json = Any
Schema = bool | dict[str, Any]

TYPES: dict[str, Callable[[Json], bool]] = {
    "string": lambda value: isinstance(value, str),
    "object": lambda value: isinstance(value, dict),
    "integer": lambda value: is_number(value) and value == math.floor(value),
    "number": lambda value: is_number(value),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list),
    "null": lambda value: value is None,
}
"""How to tell a type; the likeliest first."""
FORMATS = {
    "date-time": "2024-01-{:02}T12:30:00Z",
    "date": "2024-01-{:02}",
    "time": "12:{:02}:00Z",
    "duration": "P{}D",
    "email": "someone{}@example.com",
    "hostname": "host{}.example.com",
    "ipv4": "192.0.2.{}",
    "ipv6": "2001:db8::{}",
    "uri": "https://example.com/{}",
    "uuid": "3f2b8c1e-5d47-4c1a-9a43-{:012}",
    "json-pointer": "/text{}",
}
"""Texts of each format, for the numbers from 1 to 28; a format that is not here says nothing about a text."""
REFUSED = {
    **dict.fromkeys(("not", "if", "$dynamicRef", "$recursiveRef", "$id")),
    **dict.fromkeys(("contains", "unevaluatedItems"), "array"),
    **dict.fromkeys(("patternProperties", "dependentRequired", "dependentSchemas", "dependencies"), "object"),
    "unevaluatedProperties": "object",
}
"""Keywords that are not met, and the type of value that each would limit; None: every type."""


class Keyword(NamedTuple):
    """A keyword that is met: what type of value it limits (None: every type), and whether it may say this."""

    limits: str | None
    legal: Callable[[Json], bool]
    holds: Callable[[Json, Json], bool | None] = lambda value, said: None
    """Whether the value is as is said; None where that is not seen at once."""
    both: Callable[[Json, Json], Json] = lambda one, other: one if one == other else _clash()
    """Said twice, as if said once; ValueError if that cannot be done."""


def is_number(value: Json) -> bool:
    """Whether a value is a JSON number; true and false are not."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def key(value: Json) -> Hashable:
    """The same for values that JSON takes for equal: 1 is 1.0 and is not true."""
    if isinstance(value, dict):
        return frozenset((name, key(held)) for name, held in value.items())
    if isinstance(value, list):
        return tuple(map(key, value))
    return isinstance(value, bool), value


def types(said: str | list[str]) -> list[str]:
    """The types that `type` names; a number may be an integer too."""
    named = [said] if isinstance(said, str) else said
    return [name for name in TYPES if name in named or (name == "integer" and "number" in named)]


def together(one: Schema, other: Schema) -> Schema:
    """A schema that says what both say."""
    return one if other is True else other if one is True else {"allOf": [one, other]}


def _clash() -> Any:
    raise ValueError("it is said twice, and not both can be met")


def _is_size(said: Json) -> bool:
    return TYPES["integer"](said) and said >= 0


def _is_names(said: Json) -> bool:
    return isinstance(said, list) and all(isinstance(name, str) for name in said)


def _is_schema(said: Json) -> bool:
    return isinstance(said, (bool, dict))


def _is_multiple(value: float, step: float) -> bool:
    """By the decimal digits and, as validators that divide floats see it, by division."""
    return Fraction(str(value)) % Fraction(str(step)) == 0 and (value / step).is_integer()


def _listed(one: list[Json], other: list[Json]) -> list[Json]:
    known = set(map(key, other))
    return [value for value in one if key(value) in known]


_LEAST: tuple[Any, ...] = (_is_size, lambda value, said: len(value) >= said, max)
_MOST: tuple[Any, ...] = (_is_size, lambda value, said: len(value) <= said, min)
KEYWORDS: dict[str, Keyword] = {
    "type": Keyword(
        None,
        lambda said: set(said if _is_names(said) else [str(said)]) <= TYPES.keys(),
        lambda value, said: any(TYPES[name](value) for name in types(said)),
        lambda one, other: [name for name in types(one) if name in types(other)],
    ),
    "enum": Keyword(None, TYPES["array"], lambda value, said: key(value) in map(key, said), _listed),
    "const": Keyword(None, lambda said: True, lambda value, said: key(value) == key(said)),
    "minLength": Keyword("string", *_LEAST),
    "maxLength": Keyword("string", *_MOST),
    "pattern": Keyword("string", TYPES["string"]),
    "format": Keyword("string", TYPES["string"], lambda value, said: None if said in FORMATS else True),
    "minimum": Keyword("number", is_number, operator.ge, max),
    "maximum": Keyword("number", is_number, operator.le, min),
    "exclusiveMinimum": Keyword("number", is_number, operator.gt, max),
    "exclusiveMaximum": Keyword("number", is_number, operator.lt, min),
    "multipleOf": Keyword("number", lambda said: is_number(said) and said > 0, _is_multiple),
    "minItems": Keyword("array", *_LEAST),
    "maxItems": Keyword("array", *_MOST),
    "uniqueItems": Keyword("array", TYPES["boolean"], both=max),
    "minProperties": Keyword("object", *_LEAST),
    "maxProperties": Keyword("object", *_MOST),
    "required": Keyword("object", _is_names, lambda value, said: value.keys() >= set(said), operator.add),
    "properties": Keyword("object", TYPES["object"], both=lambda one, other: {**one, **other}),
    "additionalProperties": Keyword("object", _is_schema, both=together),
    "propertyNames": Keyword("object", _is_schema, both=together),
    "prefixItems": Keyword("array", TYPES["array"], both=lambda one, other: max(one, other, key=len)),
    "items": Keyword("array", _is_schema, both=together),
    "$ref": Keyword(None, TYPES["string"]),
    "allOf": Keyword(None, TYPES["array"], lambda value, said: None if said else True, operator.add),
    **dict.fromkeys(("anyOf", "oneOf"), Keyword(None, lambda said: isinstance(said, list) and said != [])),
}
