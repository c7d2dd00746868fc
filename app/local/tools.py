"""`tools` and `tool_choice`: which tool a chat must call, and with which arguments.

Only a forced choice makes a call: the built-in model does not decide by itself that a tool would help. A call
that was forced by name ends with the finish_reason "tool_calls" too, where OpenAI's says "stop": clients expect it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.local.choices import Tool
from app.local.documents import fitting
from app.local.payload import JSON, as_list, as_object, as_text, refuse
from app.local.refusal import Refusal
from app.local.variety import key


@dataclass(frozen=True, slots=True)
class Forced:
    """A call that must be made."""

    name: str
    arguments: Any
    variety: str

    def tool(self, index: int) -> Tool:
        """The call in the choice `index`, with an id of its own."""
        return Tool(f"call_local_{key(self.variety, self.name, index)}", self.name)


def forced_call(payload: JSON, variety: str) -> Forced | None:
    """The call that the payload forces; None if it forces none."""
    known = _functions(payload.get("tools"))
    name = _forced(payload.get("tool_choice"), list(known))
    if payload.get("function_call") not in (None, "none", "auto"):
        raise Refusal(
            "the built-in model does not know function_call, the older form: use tool_choice", "function_call"
        )
    if name is None:
        return None
    if name not in known:
        raise Refusal(f"tool_choice names {name!r}, which is not among the tools: {_listed(known)}", "tool_choice")
    place, function = known[name]
    schema = function.get("parameters")
    return Forced(name, fitting({} if schema is None else schema, f"{place}.parameters", "object"), variety)


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
    """The name of the function that `tool_choice` forces; of several, the first."""
    if choice in (None, "none", "auto"):
        return None
    if choice == "required":
        return _first(known, "tools")
    if isinstance(choice, str):
        raise refuse("tool_choice", choice, "'none', 'auto', 'required' or an object that names a function")
    choice = as_object(choice, "tool_choice")
    if choice.get("type") == "allowed_tools":
        return _allowed(as_object(choice.get("allowed_tools"), "tool_choice.allowed_tools"), known)
    return _named(choice, "tool_choice")


def _allowed(allowed: JSON, known: list[str]) -> str | None:
    """`allowed_tools`: the tools that may be called, one of which must be if the mode is "required"."""
    place = "tool_choice.allowed_tools"
    listed = enumerate(as_list(allowed.get("tools"), f"{place}.tools"))
    names = [_named(as_object(one, f"{place}.tools[{index}]"), f"{place}.tools[{index}]") for index, one in listed]
    mode = allowed.get("mode")
    if mode not in ("auto", "required"):
        raise refuse(f"{place}.mode", mode, "'auto' or 'required'")
    return _first(names, f"{place}.tools") if mode == "required" else None


def _named(choice: JSON, place: str) -> str:
    if choice.get("type") != "function":
        raise refuse(f"{place}.type", choice.get("type"), "'function'")
    return as_text(as_object(choice.get("function"), f"{place}.function").get("name"), f"{place}.function.name")


def _first(names: list[str], place: str) -> str:
    if not names:
        raise Refusal(f"tool_choice asks for a call, but {place} has no function to call", "tool_choice")
    return names[0]


def _listed(names: Any) -> str:
    return ", ".join(map(repr, names)) or "there are none"
