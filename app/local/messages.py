"""Reading a chat: what was said, by whom, and how many tokens it has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.local import tokens
from app.local.payload import as_list, as_object, as_text


@dataclass(frozen=True, slots=True)
class Said:
    """One message: its role, its text, and its tokens (the text's and those of the tool calls in it)."""

    role: str
    text: str
    tokens: int
    calls: tuple[tuple[str, str], ...] = ()
    """(id, name) of each tool call."""
    answers: str | None = None
    """For a tool's result: the id of the call that it answers."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """The messages in order."""

    said: tuple[Said, ...]

    @property
    def tokens(self) -> int:
        """Of all messages. Roles, tool definitions and schemas are not counted."""
        return sum(one.tokens for one in self.said)

    @property
    def last(self) -> Said:
        """What there is to answer: the last message."""
        return self.said[-1]

    def tool_of(self, result: Said) -> str:
        """The name of the tool that a result came from; "a tool" if no call has its id."""
        named = {call: name for one in self.said for call, name in one.calls}
        return named.get(result.answers or "", "a tool")


def conversation(payload: dict[str, Any]) -> Conversation:
    """The chat in a payload; Refusal if it has no messages or one that cannot be read."""
    listed = as_list(payload.get("messages"), "messages")
    if not listed:
        as_object(None, "messages[0]")
    return Conversation(tuple(_said(one, f"messages[{index}]") for index, one in enumerate(listed)))


def _said(message: Any, place: str) -> Said:
    message = as_object(message, place)
    role = as_text(message.get("role"), f"{place}.role")
    text = _text(message.get("content"), f"{place}.content")
    calls = _calls(message.get("tool_calls"), f"{place}.tool_calls")
    total = tokens.count(text) + sum(tokens.count(name) + tokens.count(arguments) for _, name, arguments in calls)
    answers = message.get("tool_call_id")
    named = tuple((call, name) for call, name, _ in calls)
    return Said(role, text, total, named, answers if isinstance(answers, str) else None)


def _text(content: Any, place: str) -> str:
    """The text of a message: a string, or the texts of its parts, one a line."""
    if content is None:
        return ""
    if isinstance(content, list):
        return "\n".join(filter(None, (_part(part, f"{place}[{index}]") for index, part in enumerate(content))))
    return as_text(content, place)


def _part(part: Any, place: str) -> str:
    """The text of a content part; images, sounds and files have none."""
    part = as_object(part, place)
    kind = as_text(part.get("type"), f"{place}.type")
    return as_text(part.get(kind), f"{place}.{kind}") if kind in ("text", "refusal") else ""


def _calls(calls: Any, place: str) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of each function called."""
    if calls is None:
        return []
    return [_call(one, f"{place}[{index}]") for index, one in enumerate(as_list(calls, place))]


def _call(call: Any, place: str) -> tuple[str, str, str]:
    call = as_object(call, place)
    function = as_object(call.get("function", {}), f"{place}.function")
    return (
        as_text(call.get("id", ""), f"{place}.id"),
        as_text(function.get("name", ""), f"{place}.function.name"),
        as_text(function.get("arguments", ""), f"{place}.function.arguments"),
    )
