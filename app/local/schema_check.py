"""JSON Schema: whether a value fits, and whether the schema itself can be read.

Draft 2020-12, and what earlier drafts said differently where the two do not clash (`definitions`, `items` as a list).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any
from urllib.parse import unquote

from app.local import formats, patterns
from app.local.expressions import Unsupported
from app.local.schema_shapes import (
    NESTED,
    REFUSED,
    SHAPES,
    TYPES,
    Json,
    Place,
    Schema,
    TooIntricate,
    Unsatisfiable,
    inner_schemas,
    is_number,
    nests_too_deep,
    same,
)

STEPS = 30_000
SECONDS = 1.0
"""Of processor time: how long one schema may hold a worker."""


class Checker:
    """One schema, read; and how much longer it may take."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._steps = STEPS
        self._until = time.thread_time() + SECONDS
        self._nested = 0
        self._read: set[int] = set()
        self._resolved: dict[str, Schema] = {}
        if nests_too_deep(root):
            raise Unsatisfiable((), f"it nests more than {NESTED} levels deep")
        self._read_all([((), root)])

    @property
    def has_room(self) -> bool:
        """Whether there is time for what need not be made."""
        return self._steps > STEPS // 2

    def spend(self) -> None:
        """A step more; raises TooIntricate when there have been too many."""
        self._steps -= 1
        if self._steps < 0 or time.thread_time() > self._until:
            raise TooIntricate((), "it takes too long: the schema has too many parts or alternatives")

    def _read_all(self, waiting: list[tuple[Place, Json]]) -> None:
        """Raises Unsatisfiable where a schema, or one within it or that it refers to, is none."""
        while waiting:
            place, schema = waiting.pop()
            if isinstance(schema, bool) or id(schema) in self._read:
                continue
            if not isinstance(schema, dict):
                raise Unsatisfiable(place, "a schema must be an object, true or false")
            self._read.add(id(schema))
            for key, value in schema.items():
                _check_keyword(key, value, (*place, key))
                waiting += (((*place, *inner), one) for inner, one in inner_schemas(key, value))
                if key == "$ref":
                    waiting.append(((*place, key), self._find(value, (*place, key))))

    def resolve(self, reference: str) -> Schema:
        """What a `$ref` refers to: a place in the same schema."""
        return self._resolved[reference]

    def _find(self, reference: str, place: Place) -> Json:
        if reference[:2] not in ("#", "#/"):
            raise Unsatisfiable(place, f"{reference!r} cannot be followed; a $ref must be '#' or begin with '#/'")
        target: Json = self._root
        try:
            for key in unquote(reference).split("/")[1:]:
                key = key.replace("~1", "/").replace("~0", "~")
                target = target[int(key)] if isinstance(target, list) else target[key]
        except (KeyError, IndexError, ValueError, TypeError):
            raise Unsatisfiable(place, f"{reference!r} refers to nothing: there is no {key!r}") from None
        self._resolved[reference] = target
        return target

    def fits(self, value: Json, schema: Schema) -> bool:
        """Whether the value fits the schema."""
        self.spend()
        if isinstance(schema, bool):
            return schema
        self._nested += 1
        try:
            if self._nested > NESTED:
                raise TooIntricate((), "its schemas refer to each other without end")
            return all(CHECKS[key](self, value, schema) for key in schema if key in CHECKS)
        finally:
            self._nested -= 1


def _check_keyword(key: str, value: Json, place: Place) -> None:
    if key in REFUSED:
        raise Unsatisfiable(place, f"the built-in model cannot follow {key}")
    if key in SHAPES and not SHAPES[key](value):
        raise Unsatisfiable(place, f"that is not a value for {key}")


def _reference(checker: Checker, value: Json, schema: dict[str, Any]) -> bool:
    return checker.fits(value, checker.resolve(schema["$ref"]))


def _type(checker: Checker, value: Json, schema: dict[str, Any]) -> bool:
    named = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    return any(TYPES[name](value) for name in named)


def _multiple(checker: Checker, value: Json, schema: dict[str, Any]) -> bool:
    """Exactly, and also in floating point, which is how most validators ask."""
    step = schema["multipleOf"]
    if not is_number(value):
        return True
    quotient = value / step
    return Fraction(str(value)) % Fraction(str(step)) == 0 and quotient == math.floor(quotient)


def _bound(key: str, holds: Callable[[Any, Any], bool]) -> Callable[[Checker, Json, dict[str, Any]], bool]:
    def check(checker: Checker, value: Json, schema: dict[str, Any]) -> bool:
        limit = schema[key]
        if limit is True:  # Draft 4: the bound itself is in `minimum` or `maximum`.
            return not is_number(value) or not same(value, schema.get(key[9:].lower()))
        return limit is False or not is_number(value) or holds(value, limit)

    return check


def _size(
    key: str, kind: type[str] | type[list[Any]] | type[dict[str, Any]], holds: Callable[[int, Any], bool]
) -> Callable[[Checker, Json, dict[str, Any]], bool]:
    def check(checker: Checker, value: Any, schema: dict[str, Any]) -> bool:
        return not isinstance(value, kind) or holds(len(value), schema[key])

    return check


def _pattern(checker: Checker, value: Json, schema: dict[str, Any]) -> bool:
    return not isinstance(value, str) or found(schema["pattern"], value)


def found(pattern: str, text: str) -> bool:
    """Whether the pattern matches in the text."""
    try:
        return patterns.matches(pattern, text)
    except Unsupported as problem:
        raise Unsatisfiable((), f"the pattern {pattern!r} cannot be followed: {problem}") from None


def _object(checker: Checker, value: Json, schema: dict[str, Any]) -> bool:
    """`properties`, `patternProperties` and `additionalProperties`, whichever of them is there."""
    return not isinstance(value, dict) or all(_member(checker, schema, name, one) for name, one in value.items())


def _member(checker: Checker, schema: dict[str, Any], name: str, value: Json) -> bool:
    said = [schema["properties"][name]] if name in schema.get("properties", {}) else []
    said += [one for pattern, one in schema.get("patternProperties", {}).items() if found(pattern, name)]
    return all(checker.fits(value, one) for one in said or [schema.get("additionalProperties", True)])


def _array(checker: Checker, value: Json, schema: dict[str, Any]) -> bool:
    """`items`, `prefixItems` and `additionalItems`."""
    if not isinstance(value, list):
        return True
    items = schema.get("items", True)
    prefix, rest = schema.get("prefixItems", []), items
    if isinstance(items, list):
        prefix, rest = items, schema.get("additionalItems", True)
    return all(checker.fits(one, prefix[at] if at < len(prefix) else rest) for at, one in enumerate(value))


def _contains(checker: Checker, value: Json, schema: dict[str, Any]) -> bool:
    if not isinstance(value, list):
        return True
    number = sum(checker.fits(one, schema["contains"]) for one in value)
    return bool(schema.get("minContains", 1) <= number <= schema.get("maxContains", len(value)))


def _unique(checker: Checker, value: Json, schema: dict[str, Any]) -> bool:
    if not isinstance(value, list) or not schema["uniqueItems"]:
        return True
    return not any(same(one, other) for at, one in enumerate(value) for other in value[:at])


def _condition(checker: Checker, value: Json, schema: dict[str, Any]) -> bool:
    branch = "then" if checker.fits(value, schema["if"]) else "else"
    return checker.fits(value, schema.get(branch, True))


def _dependent(checker: Checker, value: Json, schema: dict[str, Any]) -> bool:
    told = schema["dependentRequired"]
    return not isinstance(value, dict) or all(one in value for name in told if name in value for one in told[name])


def _dependent_schemas(checker: Checker, value: Json, schema: dict[str, Any]) -> bool:
    told = schema["dependentSchemas"]
    return not isinstance(value, dict) or all(checker.fits(value, told[name]) for name in told if name in value)


CHECKS: dict[str, Callable[[Checker, Json, dict[str, Any]], bool]] = {
    "type": _type,
    "enum": lambda checker, value, schema: any(same(value, one) for one in schema["enum"]),
    "const": lambda checker, value, schema: same(value, schema["const"]),
    "minimum": _bound("minimum", lambda value, limit: value >= limit),
    "maximum": _bound("maximum", lambda value, limit: value <= limit),
    "exclusiveMinimum": _bound("exclusiveMinimum", lambda value, limit: value > limit),
    "exclusiveMaximum": _bound("exclusiveMaximum", lambda value, limit: value < limit),
    "multipleOf": _multiple,
    "minLength": _size("minLength", str, lambda size, limit: size >= limit),
    "maxLength": _size("maxLength", str, lambda size, limit: size <= limit),
    "pattern": _pattern,
    "format": lambda checker, value, schema: not isinstance(value, str) or formats.fits(schema["format"], value),
    "minItems": _size("minItems", list, lambda size, limit: size >= limit),
    "maxItems": _size("maxItems", list, lambda size, limit: size <= limit),
    "uniqueItems": _unique,
    "items": _array,
    "prefixItems": _array,
    "contains": _contains,
    "minProperties": _size("minProperties", dict, lambda size, limit: size >= limit),
    "maxProperties": _size("maxProperties", dict, lambda size, limit: size <= limit),
    "required": lambda checker, value, schema: not isinstance(value, dict) or value.keys() >= set(schema["required"]),
    "properties": _object,
    "patternProperties": _object,
    "additionalProperties": _object,
    "propertyNames": lambda checker, value, schema: (
        not isinstance(value, dict) or all(checker.fits(name, schema["propertyNames"]) for name in value)
    ),
    "dependentRequired": _dependent,
    "dependentSchemas": _dependent_schemas,
    "$ref": _reference,
    "allOf": lambda checker, value, schema: all(checker.fits(value, one) for one in schema["allOf"]),
    "anyOf": lambda checker, value, schema: any(checker.fits(value, one) for one in schema["anyOf"]),
    "oneOf": lambda checker, value, schema: sum(checker.fits(value, one) for one in schema["oneOf"]) == 1,
    "not": lambda checker, value, schema: not checker.fits(value, schema["not"]),
    "if": _condition,
}
