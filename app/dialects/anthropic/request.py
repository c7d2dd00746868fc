"""OpenAI's chat payload -> the body of Anthropic's `POST /v1/messages`."""

from __future__ import annotations

from collections.abc import Sequence

from app.dialects import JSON, Body
from app.dialects import conversation as said
from app.dialects.anthropic import content, reasoning
from app.dialects.anthropic.content import NAME
from app.dialects.anthropic.schema import closed
from app.dialects.conversation import refuse
from app.dialects.fields import CONTENTS, HANDLING, SAMPLING, Fields, without_nones


def request(model: str, payload: JSON, version: str = "") -> Body:
    """The body, and what of the payload it does not say. Raises InvalidPayload for what cannot be said."""
    fields = Fields(payload)
    messages = fields.take("messages")
    said.check(messages)
    turns = content.turns(messages)
    body = {
        "model": model,
        "system": content.system(messages),
        "messages": turns,
        "stop_sequences": said.stops(fields.take("stop")),
        "stream": fields.take("stream"),
        "metadata": _metadata(fields),
        **_tools(fields),
    }
    body |= _thought(fields, model, turns, body.get("tool_choice"))
    body |= reasoning.sampling(fields, model, version, _thinks(fields, body["thinking"]))
    _settle_the_rest(fields)
    return Body(_merge(without_nones(body), fields.rest()), tuple(fields.adjusted))


def _metadata(fields: Fields) -> JSON | None:
    """Who asks, by OpenAI's newer word or by its older one."""
    user = fields.take("safety_identifier", "user")
    return {"user_id": user} if user else None


def _settle_the_rest(fields: Fields) -> None:
    """What is left and is no parameter of Anthropic's: taken as said, left out or refused."""
    fields.take("stream_options")  # its streams always report usage
    fields.one_choice(NAME)
    fields.refuse(*CONTENTS, by=NAME)
    fields.leave_out(*SAMPLING, *HANDLING)
    if fields.rest().get("service_tier") not in ("auto", "standard_only"):
        fields.leave_out("service_tier")


def _merge(body: JSON, native: JSON) -> JSON:
    """Anthropic's own parameters (thinking, output_config, ...) that the client says come before what we made."""
    both = {
        key: {**body[key], **native[key]}
        for key in native
        if isinstance(body.get(key), dict) and isinstance(native[key], dict)
    }
    return {**body, **native, **both}


# --- the answer: its length, its form, what is thought before it


def _thought(fields: Fields, model: str, turns: Sequence[JSON], tool_choice: JSON | None) -> JSON:
    limit = fields.take("max_completion_tokens", "max_tokens")
    forced = (tool_choice or {}).get("type") in ("any", "tool")
    thinking, effort = reasoning.effort(fields, model, limit, turns, forced)
    return {
        "max_tokens": limit or reasoning.default_limit(model, thinking or _native_thinking(fields)),
        "thinking": thinking,
        "output_config": without_nones({"format": _format(fields), "effort": effort}) or None,
    }


def _native_thinking(fields: Fields) -> JSON:
    """What the client asks for in Anthropic's own words."""
    thinking = fields.rest().get("thinking")
    return thinking if isinstance(thinking, dict) else {}


def _thinks(fields: Fields, thinking: JSON | None) -> bool:
    return bool(thinking) or _native_thinking(fields).get("type") in ("enabled", "adaptive")


def _format(fields: Fields) -> JSON | None:
    response_format = fields.take("response_format")
    if described := said.schema_of(response_format):
        place = ("response_format", "json_schema", "schema")
        return {"type": "json_schema", "schema": closed(described["schema"], place)}
    if response_format and response_format["type"] != "text":
        words = f"{NAME} has no counterpart for '{response_format['type']}'; use json_schema"
        raise refuse(("response_format", "type"), words)
    return None


# --- tools


def _tools(fields: Fields) -> JSON:
    functions = enumerate(said.functions(fields.take("tools")))
    tools = [_tool(function, tool, index) for index, (function, tool) in functions]
    choice = said.tool_choice(fields.take("tool_choice"))
    parallel = fields.take("parallel_tool_calls")
    if choice and choice.names is not None and choice.mode != "named":  # allowed_tools: offer no others
        tools = [tool for tool in tools if tool.get("name") in choice.names]
    if tools:
        return {"tools": tools, "tool_choice": _tool_choice(choice, parallel)}
    if choice and (choice.names is not None or choice.mode == "required"):
        raise refuse(("tool_choice",), "asks for a tool where none is offered")
    return {}


def _tool(function: JSON | None, tool: JSON, index: int) -> JSON:
    """A function as Anthropic describes it; a tool in Anthropic's own form goes as it is."""
    if function is None and isinstance(tool.get("custom"), dict):  # Anthropic's own of this type hold no such object
        raise refuse(("tools", index, "type"), f"{NAME} has no counterpart for tools of type 'custom'")
    if function is None:
        return tool
    described = {
        "name": function["name"],
        "description": function.get("description"),
        "input_schema": function.get("parameters") or {"type": "object", "properties": {}},
        "strict": function.get("strict"),
        "cache_control": tool.get("cache_control") or function.get("cache_control"),
    }
    return without_nones(described)


def _tool_choice(choice: said.ToolChoice | None, parallel: bool | None) -> JSON | None:
    one = {"disable_parallel_tool_use": True} if parallel is False else {}
    if choice is None:
        return {"type": "auto", **one} if one else None
    if choice.mode == "none":
        return {"type": "none"}
    if choice.mode == "named" and choice.names:
        return {"type": "tool", "name": choice.names[0], **one}
    return {"type": "any" if choice.mode == "required" else "auto", **one}
