"""A JSON Schema as it is read: references followed, `allOf` drawn together, work counted."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any
from urllib.parse import unquote

from app.local.json_schema.keywords import KEYWORDS, REFUSED, TYPES, Json, Schema, together

Place = tuple[str | int, ...]
"""Keys that lead to a part of a schema."""
Inside = frozenset[str]
"""The references within whose targets a part stands."""
STEPS = 50_000
"""How much work one schema may make; about half a second."""
NESTED = 64
"""Levels of JSON in a schema."""


class NoExample(Exception):
    """No value can be made for a schema: where in it, and why."""

    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(reason)
        self.place = place
        self.reason = reason


class Unmet(NoExample):
    """Not here; another branch may do better."""


class Hopeless(NoExample):
    """Not anywhere: the schema is none, or takes too long."""


class Document:
    """A whole schema, and the steps that may still be taken on it."""

    def __init__(self, root: Schema) -> None:
        level: list[Json] = [root]
        for _ in range(NESTED):
            inner = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, (dict, list)))
            level = [value for values in inner for value in values]
        if level:
            raise Hopeless((), f"it nests more than {NESTED} levels deep")
        # Its own name says nothing; within it, one would change what references mean.
        self.root = {word: root[word] for word in root if word != "$id"} if isinstance(root, dict) else root
        self.steps = STEPS

    def spend(self, steps: int) -> None:
        """Raises Hopeless once too many steps have been taken."""
        self.steps -= steps
        if self.steps < 0:
            raise Hopeless((), "it takes too long: the schema has too many parts or alternatives")

    def flat(self, schema: Schema, place: Place, inside: Inside) -> tuple[dict[str, Any], Inside]:
        """The schema as one object in whose `allOf` only `anyOf`s and `oneOf`s are left, and the references followed.

        A reference within what it refers to (`inside`) is not followed: the least value needs no such turn.
        """
        schema = self._legal(schema, place)
        node = {word: said for word, said in schema.items() if word not in ("$ref", "anyOf", "oneOf", "const")}
        node["allOf"] = [{word: schema[word]} for word in ("anyOf", "oneOf") if word in schema]
        parts = [(part, inside) for part in schema.get("allOf", ())]
        if "const" in schema:
            parts.append(({"enum": [schema["const"]]}, inside))
        if reference := schema.get("$ref"):
            if reference in inside:
                raise Unmet(place, f"$ref: {reference!r} leads back to itself without end")
            parts.append((self._target(reference, place), inside | {reference}))
        for part, within in parts:
            other, entered = self.flat(part, place, within)
            node, inside = self._both(node, other, place), inside | entered
        return node, inside

    def rejects(self, value: Json, schema: Schema, place: Place) -> bool:
        """Whether the value surely does not fit the schema, as is cheaply seen."""
        schema = self._legal(schema, place)
        again = partial(self.rejects, value, place=place)
        return (
            False in verdicts(value, schema)
            or ("$ref" in schema and again(self._target(schema["$ref"], place)))
            or any(map(again, schema.get("allOf", ())))
            or any(word in schema and all(map(again, schema[word])) for word in ("anyOf", "oneOf"))
            or (
                isinstance(value, dict)
                and any(self.rejects(value[name], member(schema, name), place) for name in value)
            )
        )

    def _legal(self, schema: Schema, place: Place) -> dict[str, Any]:
        """The schema as an object of this draft; Hopeless where it is not one."""
        if isinstance(schema, bool):
            return {} if schema else {"type": []}
        if not isinstance(schema, dict):
            raise Hopeless(place, "a schema must be an object, true or false")
        self.spend(
            1 + _size(schema) + sum(len(repr(schema[word])) // 16 for word in ("enum", "const") if word in schema)
        )
        if isinstance(schema.get("items"), list):  # As before the draft of 2020.
            schema = {**schema, "prefixItems": schema["items"], "items": schema.get("additionalItems", True)}
        for word, said in schema.items():
            if word in KEYWORDS and not KEYWORDS[word].legal(said):
                raise Hopeless((*place, word), f"that is not a value for {word}")
        return schema

    def _target(self, reference: str, place: Place) -> Schema:
        target: Any = self.root
        try:
            start, *keys = unquote(reference).split("/")
            for key in keys:
                key = key.replace("~1", "/").replace("~0", "~")
                target = target[int(key)] if isinstance(target, list) else target[key]
        except (LookupError, ValueError, TypeError):
            start = ""
        if start != "#":
            raise Hopeless((*place, "$ref"), f"{reference!r} is not a place in this schema")
        found: Schema = target
        return found

    def _both(self, one: dict[str, Any], other: dict[str, Any], place: Place) -> dict[str, Any]:
        """One object that says what two flat ones say."""
        both = {**one, **other}
        self.spend(_size(both))
        for word in one.keys() & other.keys() & KEYWORDS.keys():
            try:
                both[word] = KEYWORDS[word].both(one[word], other[word])
            except ValueError as problem:  # noqa: PERF203  # The message names the keyword.
                raise Unmet(place, f"{word}: {problem}") from None
        if "properties" in both:
            both["properties"] = {name: together(member(one, name), member(other, name)) for name in both["properties"]}
        if "prefixItems" in both:
            indexes = range(len(both["prefixItems"]))
            both["prefixItems"] = [together(item(one, index), item(other, index)) for index in indexes]
        return both


def _size(schema: dict[str, Any]) -> int:
    return sum(len(said) for said in schema.values() if isinstance(said, (dict, list)))


def member(schema: dict[str, Any], name: str) -> Schema:
    """What an object's schema says of the property of that name."""
    found: Schema = schema.get("properties", {}).get(name, schema.get("additionalProperties", True))
    return found


def item(schema: dict[str, Any], index: int) -> Schema:
    """What an array's schema says of the item at that index."""
    prefix = schema.get("prefixItems", ())
    found: Schema = prefix[index] if index < len(prefix) else schema.get("items", True)
    return found


def verdicts(value: Json, schema: dict[str, Any]) -> Iterator[bool | None]:
    """Whether the value is as each keyword says that is about it; None where that is not seen here."""
    for word, said in schema.items():
        limits = KEYWORDS[word].limits if word in KEYWORDS else REFUSED.get(word)
        if limits is None or TYPES[limits](value):
            yield KEYWORDS[word].holds(value, said) if word in KEYWORDS else None if word in REFUSED else True
