"""OpenAI's chat payload -> the body of Cohere's `POST /v2/chat`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from app.dialects import JSON, Body
from app.dialects import conversation as said
from app.dialects.conversation import Loc, refuse
from app.dialects.fields import CONTENTS, HANDLING, SAMPLING, Fields, without_nones

NAME = "Cohere"

_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": None}
"""`reasoning_effort` as tokens of thought; None is as many as the model wants."""

_CANNOT_THINK = re.compile(r"command-r|command-a-(?:\d|vision|translate)|c4ai-")
"""Models that know no `thinking`; for the others it is on unless it is turned off."""

_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def request(model: str | None, payload: JSON) -> Body:
    """The body, and what of the payload it does not say. Raises InvalidPayload for what cannot be said."""
    fields = Fields(payload)
    messages = fields.take("messages")
    said.check(messages)
    body = {
        "model": model,
        "messages": [turn for index, message in enumerate(messages) for turn in _turn(message, ("messages", index))],
        "max_tokens": fields.take("max_completion_tokens", "max_tokens"),
        **_sampling(fields),
        **_tools(fields),
        "stop_sequences": said.stops(fields.take("stop")),
        "response_format": _response_format(fields.take("response_format")),
        "thinking": _thinking(fields, model or ""),
        "logprobs": fields.take("logprobs"),
        "stream": fields.take("stream"),
    }
    fields.take("stream_options")  # its streams always report usage
    fields.one_choice(NAME)
    fields.refuse(*CONTENTS, by=NAME)
    fields.leave_out(*SAMPLING, *HANDLING, "user", "service_tier")
    return Body({**without_nones(body), **fields.rest()}, tuple(fields.adjusted))


def _sampling(fields: Fields) -> JSON:
    """The ranges are those of the API's reference ("Chat", version 2)."""
    return {
        "temperature": fields.clamp("temperature", 0, 1),
        "p": fields.clamp("top_p", 0.01, 0.99),
        "k": fields.clamp("top_k", 0, 500),
        "seed": fields.clamp("seed", 0, 2**64 - 1),
        "frequency_penalty": fields.clamp("frequency_penalty", 0, 1),
        "presence_penalty": fields.clamp("presence_penalty", 0, 1),
    }


def _response_format(wanted: JSON | None) -> JSON | None:
    if described := said.schema_of(wanted):
        return {"type": "json_object", "json_schema": described["schema"]}
    return wanted if said.output_type(wanted) == "json_object" else None


def _thinking(fields: Fields, model: str) -> JSON | None:
    effort = fields.take("reasoning_effort")
    if effort is None:
        return None
    if effort != "none" and effort not in _BUDGETS:
        raise refuse(("reasoning_effort",), f"should be none, {', '.join(_BUDGETS)}, not '{effort}'")
    if _CANNOT_THINK.match(model):
        fields.adjusted += [] if effort == "none" else ["reasoning_effort"]
        return None
    if effort == "none":
        return {"type": "disabled"}
    return without_nones({"type": "enabled", "token_budget": _BUDGETS[effort]})


# --- tools


def _tools(fields: Fields) -> JSON:
    functions = _functions(fields.take("tools"))
    choice = said.tool_choice(fields.take("tool_choice"))
    parallel = fields.take("parallel_tool_calls")
    if not functions:
        fields.adjusted += ["tool_choice"] if _tool_choice(choice) == "REQUIRED" else []
        return {}
    if parallel is False:
        fields.adjusted.append("parallel_tool_calls")
    if choice and choice.names is not None:
        functions = [function for function in functions if function["name"] in choice.names]
        if not functions:
            raise refuse(("tool_choice",), "names no function that is among the tools")
    return {
        "tools": [_tool(function) for function in functions],
        "tool_choice": _tool_choice(choice),
        "strict_tools": _strict(functions, fields),
    }


def _functions(tools: Any) -> list[JSON]:
    """The functions among the tools: Cohere has no others."""
    functions = []
    for index, (function, tool) in enumerate(said.functions(tools)):
        if function is None:
            raise refuse(("tools", index, "type"), f"{NAME} has no tool of type '{tool['type']}'")
        functions.append(function)
    return functions


def _tool(function: JSON) -> JSON:
    described = {
        "name": function["name"],
        "description": function.get("description"),
        "parameters": function.get("parameters") or {"type": "object", "properties": {}},
    }
    return {"type": "function", "function": without_nones(described)}


def _tool_choice(choice: said.ToolChoice | None) -> str | None:
    """Cohere has no word for one function: where it is named, it is the only one offered."""
    if choice is None or choice.mode == "auto":
        return None
    return "NONE" if choice.mode == "none" else "REQUIRED"


def _strict(functions: Sequence[JSON], fields: Fields) -> bool | None:
    """One switch for all tools, of which each must require a parameter (Cohere, "Structured outputs"): all or none."""
    strict = [function for function in functions if function.get("strict")]
    if not strict:
        return None
    if len(strict) == len(functions) and all((tool.get("parameters") or {}).get("required") for tool in strict):
        return True
    fields.adjusted.append("strict")
    return None


# --- messages


def _turn(message: JSON, loc: Loc) -> list[JSON]:
    """One message as Cohere's; none for an assistant's that says nothing."""
    role = message["role"]
    if role == "assistant":
        turn = _assistant(message, loc)
        return [{"role": role, **turn}] if turn else []
    if role == "tool":
        content = _content(message, loc, ("text", "document"))
        return [{"role": role, "tool_call_id": message["tool_call_id"], "content": content}]
    if role == "user":
        return [{"role": role, "content": _content(message, loc, ("text", "image_url"))}]
    return [{"role": "system", "content": _content(message, loc, ("text",))}]


def _content(message: JSON, loc: Loc, known: Sequence[str]) -> Any:
    """A string as it is; parts as Cohere's, which are OpenAI's but for an image that is no object."""
    if isinstance(message.get("content"), str):
        return message["content"]
    return [_part(part, place, known) for place, part in said.parts(message, loc)]


def _part(part: JSON, loc: Loc, known: Sequence[str]) -> JSON:
    kind = part["type"]
    if kind not in known:
        raise refuse(loc, f"{NAME} takes {' and '.join(known)} here, not '{kind}'")
    if kind == "text":
        return {"type": "text", "text": part["text"]}
    return _image(part, loc) if kind == "image_url" else part


def _image(part: JSON, loc: Loc) -> JSON:
    media = said.image(part, loc)
    if media.url is None and media.type not in _IMAGES:
        raise refuse(loc, f"{NAME} takes {', '.join(_IMAGES)}, not '{media.type}'")
    wanted = part["image_url"]
    return {"type": "image_url", "image_url": wanted if isinstance(wanted, dict) else {"url": wanted}}


def _assistant(message: JSON, loc: Loc) -> JSON:
    """What the assistant said. Text beside tool calls is their plan; thoughts are a part of the content."""
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.name, "arguments": said.argument_string(call.arguments)},
        }
        for call in said.tool_calls(message, loc)
    ]
    text, thought = _spoken(message, loc)
    content: Any = text if text and not calls else None
    if thought:
        content = [{"type": "thinking", "thinking": thought}, *([{"type": "text", "text": content}] if content else [])]
    turn = {"content": content, "tool_plan": text if text and calls else None, "tool_calls": calls or None}
    return without_nones({**turn, **_native(message, text, bool(calls))})


def _spoken(message: JSON, loc: Loc) -> tuple[str, str]:
    """What an assistant's message says, and what was thought before it."""
    texts: list[str] = []
    thoughts = [str(message.get("reasoning_content") or "")]
    for place, part in said.parts(message, loc):
        if part["type"] not in ("text", "refusal", "thinking"):
            raise refuse(place, f"{NAME} takes only text here, not '{part['type']}'")
        (thoughts if part["type"] == "thinking" else texts).append(str(part.get(part["type"]) or ""))
    return "".join(texts), thoughts[0] or "".join(thoughts)


def _native(message: JSON, text: str, calls: bool) -> JSON:
    """Thoughts, plan and citations as they came through this gateway, unless the text has been changed since."""
    kept = said.kept(message, "cohere")
    content = kept.get("content")
    blocks = [block for block in content if isinstance(block, dict)] if isinstance(content, list) else []
    if "".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text") != text:
        return {}
    native = without_nones({"content": content, "citations": kept.get("citations")})
    return {**native, "tool_plan": kept.get("tool_plan")} if calls else native
