"""The payload of an `llm/v1/chat` endpoint (OpenAI, "Create chat completion")."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError

from app.schemas.fields import Exactly, ListOf, an_object
from app.schemas.sampling import SamplingSchema


def a_message(item: Any) -> Any:
    """What is wrong with a message: its role and the kind of its content; a nested schema costs ten times more."""
    if not isinstance(item, dict):
        return ["Input should be an object"]
    problems: dict[str, Any] = {}
    role = item.get("role")
    if not isinstance(role, str) or not role:
        problems["role"] = ["Input should be a non-empty string" if "role" in item else "Field required"]
    if wrong := _content(item.get("content")):
        problems["content"] = wrong
    if wrong := _tool_calls(item.get("tool_calls")):
        problems["tool_calls"] = wrong
    return problems or None


def _content(content: Any) -> Any:
    if content is None or isinstance(content, str):
        return None
    if not isinstance(content, list):
        return ["Input should be a string or an array"]
    return {index: wrong for index, part in enumerate(content) if (wrong := _part(part))}


def _part(part: Any) -> Any:
    if not isinstance(part, dict):
        return ["Input should be an object"]
    return None if isinstance(part.get("type"), str) else {"type": ["Field required"]}


def _tool_calls(calls: Any) -> Any:
    if calls is None:
        return None
    if not isinstance(calls, list):
        return ["Input should be an array"]
    return {index: wrong for index, call in enumerate(calls) if (wrong := an_object(call))}


class ResponseFormat(Exactly):
    """An object that names its type, and brings a schema where the type is json_schema."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        super()._deserialize(value, attr, data, **kwargs)
        if not isinstance(value.get("type"), str):
            raise ValidationError({"type": ["Field required"]})
        if value["type"] == "json_schema" and not isinstance(value.get("json_schema"), dict):
            raise ValidationError({"json_schema": ["Field required"]})
        return value


class ChatSchema(SamplingSchema):
    """A conversation, and what may be done to continue it."""

    messages = ListOf(a_message, at_least=1, required=True)
    max_tokens = Exactly("an integer", least=1)
    max_completion_tokens = Exactly("an integer", least=1)
    tools = ListOf(an_object)
    tool_choice = Exactly("a string", "an object")
    parallel_tool_calls = Exactly("a boolean")
    response_format = ResponseFormat("an object")
    reasoning_effort = Exactly("a string")
    metadata = Exactly("an object")
    logprobs = Exactly("a boolean")
    top_logprobs = Exactly("an integer", least=0)
