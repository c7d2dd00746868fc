"""What plain JSON Schemas that hold together say of a value's parts: its properties, items and listed values."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from app.local import schema_scalars as scalars
from app.local.schema_shapes import Json, Schema

Together = list[dict[str, Any]]

MOST_ITEMS = 1000
"""Items or properties that are made."""


def listed(together: Together) -> Iterator[Json]:
    """The values that `const` and `enum` list."""
    for one in together:
        if "const" in one:
            yield one["const"]
        yield from one.get("enum", [])


def suggested(together: Together) -> Iterator[Json]:
    """The values that `default` and `examples` suggest; nothing says that they fit."""
    yield from (one["default"] for one in together if "default" in one)
    yield from chain.from_iterable(one["examples"] for one in together if isinstance(one.get("examples"), list))


def required_names(together: Together) -> list[str]:
    """The properties that must be there, with those that `dependentRequired` draws in."""
    names = list(dict.fromkeys(chain.from_iterable(one.get("required", []) for one in together)))
    for name in names:  # It grows on the way.
        drawn = chain.from_iterable(one.get("dependentRequired", {}).get(name, []) for one in together)
        names += dict.fromkeys(new for new in drawn if new not in names)
    return names


def property_schema(together: Together, name: str) -> Schema:
    """What the schemas say of a property, together."""
    said: list[Schema] = []
    for one in together:
        known = [one["properties"][name]] if name in one.get("properties", {}) else []
        known += [one["patternProperties"][key] for key in one.get("patternProperties", {}) if scalars.found(key, name)]
        said += known or [one.get("additionalProperties", True)]
    return all_of(said)


def prefix_schemas(one: dict[str, Any]) -> list[Schema]:
    """The schemas of the first items; before the 2020 draft, `items` had them."""
    items = one.get("items")
    return items if isinstance(items, list) else one.get("prefixItems", [])


def item_schema(together: Together, index: int) -> Schema:
    """What the schemas say of an item, together."""
    said: list[Schema] = []
    for one in together:
        prefix = prefix_schemas(one)
        rest = one.get("additionalItems", True) if isinstance(one.get("items"), list) else one.get("items", True)
        said.append(prefix[index] if index < len(prefix) else rest)
        if "contains" in one and index < one.get("minContains", 1):
            said.append(one["contains"])
    return all_of(said)


def all_of(said: list[Schema]) -> Schema:
    told = [one for one in said if one is not True]
    return told[0] if len(told) == 1 else {"allOf": told} if told else True


def spare_names(together: Together, least: int) -> Iterator[str]:
    """Names for properties that nobody named, as many as are needed."""
    if least > MOST_ITEMS:
        raise scalars.Impossible(f"it has more than {MOST_ITEMS} properties, the most that are made")
    for one in together:
        for pattern in one.get("patternProperties", {}):
            yield from islice(scalars.texts([{"pattern": pattern}]), least)
        if isinstance(one.get("propertyNames"), dict):
            yield from islice(scalars.texts([one["propertyNames"]]), least)
    yield from (f"property{number}" for number in range(1, least + 1))
