"""A JSON schema as Anthropic's structured output wants it: with no properties beside those that it names."""

from __future__ import annotations

from typing import Any

from app.dialects import JSON
from app.dialects.conversation import Loc, refuse

_OF_SCHEMAS = ("properties", "$defs", "definitions")
"""Keywords that hold schemas by name; _SCHEMAS hold one, or a list of some."""
_SCHEMAS = ("items", "prefixItems", "anyOf", "allOf", "oneOf")

_DEEPEST = 200
"""Keys and indexes that lead to a schema: more than any that Anthropic takes."""


def closed(schema: JSON, loc: Loc) -> JSON:
    """The schema with every object closed, which is what OpenAI's strict schemas say themselves.

    Raises InvalidPayload for an object that is said to be open. Source: Anthropic, "Structured outputs".
    """
    if len(loc) > _DEEPEST:
        raise refuse(loc[:_DEEPEST], "is nested too deep")
    made = {key: _inside(key, value, (*loc, key)) for key, value in schema.items()}
    is_object = made.get("type") == "object" or isinstance(made.get("properties"), dict)
    if is_object and made.setdefault("additionalProperties", False) is not False:
        raise refuse((*loc, "additionalProperties"), "should be false: Anthropic has no counterpart for open objects")
    return made


def _inside(keyword: str, value: Any, loc: Loc) -> Any:
    if keyword in _OF_SCHEMAS and isinstance(value, dict):
        return {name: _schema(said, (*loc, name)) for name, said in value.items()}
    if keyword in _SCHEMAS and isinstance(value, list):
        return [_schema(said, (*loc, index)) for index, said in enumerate(value)]
    return _schema(value, loc) if keyword in _SCHEMAS else value


def _schema(said: Any, loc: Loc) -> Any:
    """What stands where a schema should: `true` is one too."""
    return closed(said, loc) if isinstance(said, dict) else said
