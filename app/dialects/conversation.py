"""Messages in OpenAI's form, taken apart for other dialects: text, parts, tool calls, and where each stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import orjson

from app.dialects import JSON
from app.errors import InvalidPayload, Problem

Loc = tuple[str | int, ...]

ROLES = ("system", "developer", "user", "assistant", "tool")

_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+)?(?:;[\w=-]+)*;base64,(?P<data>.*)", re.DOTALL | re.IGNORECASE)


class Media(NamedTuple):
    """An image or a file: its media type and base64 data, or the URL that it stands at."""

    type: str | None
    data: str | None
    url: str | None = None


class ToolCall(NamedTuple):
    """A function that the model wants called, its arguments parsed."""

    id: str
    name: str
    arguments: JSON


def refuse(loc: Loc, words: str) -> InvalidPayload:
    """The error for one place in the payload."""
    return InvalidPayload([Problem(loc, words)])


def check(messages: Sequence[JSON]) -> None:
    """Raise InvalidPayload for an unknown role, and for a tool's result whose call was never made."""
    called: set[str] = set()
    for index, message in enumerate(messages):
        role = message["role"]
        if role not in ROLES:
            raise refuse(("messages", index, "role"), f"unknown role '{role}'; known: {', '.join(ROLES)}")
        if role == "assistant":
            called |= {call["id"] for call in message.get("tool_calls") or () if isinstance(call.get("id"), str)}
        answered = message.get("tool_call_id")
        if role == "tool" and not (isinstance(answered, str) and answered in called):
            raise refuse(("messages", index, "tool_call_id"), "no message before this one calls a tool by this id")


def kept(message: JSON, provider: str) -> JSON:
    """What an answer held that its OpenAI form has no place for, as the client brings it back; {} for none."""
    fields = message.get("provider_fields")
    ours = fields.get(provider) if isinstance(fields, dict) else None
    return ours if isinstance(ours, dict) else {}


def parts(message: JSON, loc: Loc) -> Iterator[tuple[Loc, JSON]]:
    """The content of a message as parts, each with its place; a string is one text part, an empty text none.

    A refusal beside no content is what an assistant said: a part of that type.
    """
    content = message.get("content")
    if not content and message["role"] == "assistant" and isinstance(message.get("refusal"), str):
        yield (*loc, "refusal"), {"type": "refusal", "refusal": message["refusal"]}
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    for index, part in enumerate(content or ()):
        if part["type"] != "text" or text_of(part, (*loc, "content", index)):
            yield (*loc, "content", index), part


def text_of(part: JSON, loc: Loc) -> str:
    """The text of a text part."""
    text = part.get("text")
    if not isinstance(text, str):
        raise refuse((*loc, "text"), "Input should be a string")
    return text


def text(message: JSON, loc: Loc) -> str:
    """All of a message's content as one text; what is not text is refused."""
    found = []
    for place, part in parts(message, loc):
        if part["type"] != "text":
            raise refuse(place, f"only text can stand here, not '{part['type']}'")
        found.append(text_of(part, place))
    return "".join(found)


def image(part: JSON, loc: Loc) -> Media:
    """An `image_url` part, whose `url` is a data URL or an address. Some clients write the URL without the object."""
    said = part.get("image_url")
    url = said.get("url") if isinstance(said, dict) else said
    if not isinstance(url, str):
        raise refuse((*loc, "image_url", "url"), "Input should be a string")
    return media(url, (*loc, "image_url", "url"))


def media(url: str, loc: Loc) -> Media:
    """What a URL holds (a data URL) or where it leads (http and https)."""
    if url.startswith(("http://", "https://")):
        return Media(None, None, url)
    match = _DATA_URL.fullmatch(url)
    if match is None:
        raise refuse(loc, "should be an http(s) URL or a data URL in base64")
    kind = match["type"] and match["type"].lower()
    return Media("image/jpeg" if kind == "image/jpg" else kind, match["data"])  # many write it so


def tool_calls(message: JSON, loc: Loc) -> Iterator[ToolCall]:
    """The tools that an assistant's message calls. Arguments that are no JSON object are refused."""
    for index, call in enumerate(message.get("tool_calls") or ()):
        place = (*loc, "tool_calls", index)
        function = call.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise refuse((*place, "function", "name"), "Field required")
        yield ToolCall(
            str(call.get("id") or ""),
            function["name"],
            _arguments(function.get("arguments"), (*place, "function", "arguments")),
        )


def _arguments(said: Any, loc: Loc) -> JSON:
    if said in (None, ""):
        return {}
    try:
        arguments = orjson.loads(said) if isinstance(said, str) else said
    except orjson.JSONDecodeError as error:
        raise refuse(loc, f"is not JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise refuse(loc, "should be a JSON object")
    return arguments


def functions(tools: Sequence[JSON] | None) -> Iterator[tuple[JSON | None, JSON]]:
    """Each tool as (its function or None, the tool): one that is no function is the provider's own and stays."""
    for index, tool in enumerate(tools or ()):
        if tool.get("type", "function") != "function":
            yield None, tool
            continue
        function = tool.get("function")
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise refuse(("tools", index, "function", "name"), "Field required")
        if not isinstance(function.get("parameters"), (dict, type(None))):
            raise refuse(("tools", index, "function", "parameters"), "Input should be an object")
        yield function, tool


class ToolChoice(NamedTuple):
    """`mode` is none, auto, required, or named; `names` are the functions that may be called, None for all."""

    mode: str
    names: tuple[str, ...] | None = None


def tool_choice(said: Any) -> ToolChoice | None:
    """`tool_choice` in all of OpenAI's forms; None where nothing was said."""
    if said is None:
        return None
    if isinstance(said, str):
        if said not in ("none", "auto", "required"):
            raise refuse(("tool_choice",), f"should be none, auto, required or an object, not '{said}'")
        return ToolChoice(said)
    kind = said.get("type")
    inner = said.get(kind) if isinstance(kind, str) else None
    if kind == "function" and isinstance(inner, dict) and isinstance(inner.get("name"), str):
        return ToolChoice("named", (inner["name"],))
    if kind == "allowed_tools" and isinstance(inner, dict):
        return ToolChoice("required" if inner.get("mode") == "required" else "auto", _allowed(inner.get("tools")))
    raise refuse(("tool_choice",), "should name a function: {'type': 'function', 'function': {'name': ...}}")


def _allowed(tools: Any) -> tuple[str, ...]:
    """The names of the functions among the allowed tools."""
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise refuse(("tool_choice", "allowed_tools", "tools"), "should be a list of tools")
    functions = [tool["function"] for tool in tools if isinstance(tool.get("function"), dict)]
    return tuple(function["name"] for function in functions if isinstance(function.get("name"), str))


def output_type(response_format: JSON | None) -> str:
    """The form of the answer: text, json_object or json_schema."""
    kind: str = response_format["type"] if response_format else "text"
    if kind not in ("text", "json_object", "json_schema"):
        raise refuse(("response_format", "type"), f"should be text, json_object or json_schema, not '{kind}'")
    return kind


def schema_of(response_format: JSON | None) -> JSON | None:
    """The `json_schema` object of a response format (its name, schema, strict); None for another type."""
    if not response_format or response_format["type"] != "json_schema":
        return None
    described: JSON = response_format["json_schema"]
    if not isinstance(described.get("schema"), dict):
        raise refuse(("response_format", "json_schema", "schema"), "Field required")
    return described


def stops(said: Any) -> list[str] | None:
    """`stop` as a list; None where there is none."""
    if not said:
        return None
    return [said] if isinstance(said, str) else list(said)


def argument_string(arguments: Any) -> str:
    """Arguments as OpenAI writes them: a JSON string."""
    return orjson.dumps(arguments if arguments is not None else {}).decode()
