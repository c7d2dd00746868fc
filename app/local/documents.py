"""`response_format`: the JSON document that a chat asks for instead of prose."""

from __future__ import annotations

from typing import Any

import orjson

from app.local.payload import JSON, as_object, as_text, refuse
from app.local.refusal import Refusal
from app.local.schema import Unsatisfiable, example

PLACE = "response_format.json_schema.schema"
NAMED = 8
"""Keys of a place that a message names."""


def document(payload: JSON) -> str | None:
    """The document as JSON text; None if the payload asks for prose."""
    wanted = payload.get("response_format")
    if wanted is None:
        return None
    wanted = as_object(wanted, "response_format")
    kind = as_text(wanted.get("type"), "response_format.type")
    if kind == "text":
        return None
    if kind == "json_object":
        return orjson.dumps({"model": "Weir's built-in model", "answer": "a JSON object, as asked"}).decode()
    if kind == "json_schema":
        return _fitting(wanted)
    raise refuse("response_format.type", kind, "'text', 'json_object' or 'json_schema'")


def _fitting(wanted: JSON) -> str:
    schema = as_object(wanted.get("json_schema"), "response_format.json_schema").get("schema")
    return orjson.dumps(fitting(as_object(schema, PLACE), PLACE)).decode()


def fitting(schema: Any, place: str, kind: str | None = None) -> Any:
    """A value that fits `schema` (and is of the type `kind`); Refusal, naming the place, if none can be made."""
    try:
        return example(schema, kind)
    except Unsatisfiable as problem:
        where = ".".join([place, *map(str, problem.place[:NAMED])]) + ("..." if len(problem.place) > NAMED else "")
        raise Refusal(
            f"the built-in model cannot make a value for the schema at {where}: {problem.reason}",
            where,
            code="invalid_json_schema",
        ) from None
