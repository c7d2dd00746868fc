"""What a chat can ask for instead of prose: the call of a tool that `tool_choice` forces, or a `response_format`.

Only a forced choice makes a call: the built-in model does not decide by itself that a tool would help.
"""

from __future__ import annotations

from typing import Any

import orjson

from app.local.json_schema import NoExample, example
from app.local.payload import JSON, Refusal, as_list, as_object, as_text, refuse

NAMED = 8
"""Keys of a place that a message names."""


def forced_call(payload: JSON) -> tuple[str, str] | None:
    """(name, arguments as JSON text) of the call that the payload forces; None if it forces none."""
    known = _functions(payload.get("tools"))
    name = _forced(payload.get("tool_choice"), list(known))
    if name is None:
        return None
    if name not in known:
        listed = ", ".join(map(repr, known)) or "there are none"
        raise Refusal(f"tool_choice names {name!r}, which is not among the tools: {listed}", "tool_choice")
    place, function = known[name]
    place = f"{place}.parameters"
    schema = as_object(function.get("parameters") or {}, place)
    return name, _fitting({"type": "object", **schema}, place)


def document(payload: JSON) -> str | None:
    """The document that `response_format` asks for, as JSON text; None if the payload asks for prose."""
    if payload.get("response_format") is None:
        return None
    wanted = as_object(payload["response_format"], "response_format")
    kind = as_text(wanted.get("type"), "response_format.type")
    if kind == "text":
        return None
    if kind == "json_object":
        return orjson.dumps({"model": "Weir's built-in model", "answer": "a JSON object, as asked"}).decode()
    if kind != "json_schema":
        raise refuse("response_format.type", kind, "'text', 'json_object' or 'json_schema'")
    place = "response_format.json_schema"
    schema = as_object(wanted.get("json_schema"), place).get("schema")
    return _fitting(as_object(schema, f"{place}.schema"), f"{place}.schema")


def _fitting(schema: JSON, place: str) -> str:
    """A value that fits, as JSON text; Refusal, naming the place, if none can be made."""
    try:
        return orjson.dumps(example(schema)).decode()
    except NoExample as problem:
        where = ".".join([place, *map(str, problem.place[:NAMED])]) + ("..." if len(problem.place) > NAMED else "")
        message = f"the built-in model cannot make a value for the schema at {where}: {problem.reason}"
        raise Refusal(message, where, code="invalid_json_schema") from None


def _functions(tools: Any) -> dict[str, tuple[str, JSON]]:
    """Name -> (place, definition) of the tools that are functions."""
    found = {}
    for index, tool in enumerate(as_list([] if tools is None else tools, "tools")):
        place = f"tools[{index}]"
        if as_text(as_object(tool, place).get("type"), f"{place}.type") == "function":
            function = as_object(tool.get("function"), f"{place}.function")
            found[as_text(function.get("name"), f"{place}.function.name")] = (f"{place}.function", function)
    return found


def _forced(choice: Any, known: list[str]) -> str | None:
    """The name of the function that `tool_choice` forces; if any will do, the first."""
    if choice in (None, "none", "auto"):
        return None
    if choice == "required":
        if not known:
            raise Refusal("tool_choice asks for a call, but tools has no function to call", "tool_choice")
        return known[0]
    if isinstance(choice, str):
        raise refuse("tool_choice", choice, "'none', 'auto', 'required' or an object that names a function")
    choice = as_object(choice, "tool_choice")
    if choice.get("type") != "function":
        raise refuse("tool_choice.type", choice.get("type"), "'function'")
    return as_text(as_object(choice.get("function"), "tool_choice.function").get("name"), "tool_choice.function.name")
