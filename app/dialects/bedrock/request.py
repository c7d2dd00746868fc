"""OpenAI's chat payload -> the body of Bedrock's Converse and ConverseStream. The model stands in the URL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import orjson

from app.dialects import JSON, Body
from app.dialects import conversation as said
from app.dialects.bedrock import content, reasoning
from app.dialects.conversation import refuse
from app.dialects.fields import CONTENTS, HANDLING, SAMPLING, Fields, without_nones

NAME = "Bedrock's Converse"

_MEMBERS = (
    *("additionalModelRequestFields", "additionalModelResponseFieldPaths", "guardrailConfig", "inferenceConfig"),
    *("outputConfig", "performanceConfig", "promptVariables", "requestMetadata", "serviceTier", "system", "toolConfig"),
)
"""Converse's own parameters: what a client says there itself goes as it is. Any other is the model's own."""

_NATIVE_TOOLS = ("toolSpec", "systemTool", "cachePoint")

_METADATA = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,\-.]{1,256}")
"""What a key or value of requestMetadata may hold. Source: botocore's model of bedrock-runtime."""


def request(model: str, payload: JSON) -> Body:
    """The body, and what of the payload it does not say. Raises InvalidPayload for what cannot be said."""
    fields = Fields(payload)
    messages = fields.take("messages")
    said.check(messages)
    turns = content.turns(messages)
    limit = fields.take("max_completion_tokens", "max_tokens")
    fields.take("stream", "stream_options")  # the path says it; usage is always reported
    tools = _tool_config(fields, turns)
    single = _one_call(fields, model, tools or {})
    hindered = "toolChoice" in (tools or {}) or _began_without_thoughts(turns)
    thinking, output = reasoning.effort(fields, model, limit, hindered)
    budget = thinking.get("thinking", {}).get("budget_tokens")
    if budget and not limit:
        limit = budget + reasoning.ROOM_TO_ANSWER
    own, sampling = _sampling(fields, model, bool(budget) or _thinks_natively(fields))
    body = {
        "system": content.system(messages) or None,
        "messages": turns,
        "inferenceConfig": without_nones(
            {"maxTokens": limit, **sampling, "stopSequences": said.stops(fields.take("stop"))}
        ),
        "toolConfig": tools,
        "outputConfig": {**_text_format(fields), **output},
        "requestMetadata": _metadata(fields),
        "serviceTier": _service_tier(fields),
    }
    fields.one_choice(NAME)
    fields.refuse(*CONTENTS, by=NAME)
    fields.leave_out(*SAMPLING, *HANDLING)
    return Body(_merge(body, {**thinking, **own, **single}, fields.rest()), tuple(fields.adjusted))


def _merge(body: JSON, models_own: JSON, rest: JSON) -> JSON:
    """What the client said in Converse's own words comes before what we made; what is nobody's goes to the model."""
    native = {key: rest[key] for key in rest if key in _MEMBERS}
    unknown = {key: rest[key] for key in rest if key not in _MEMBERS}
    body = {**body, "additionalModelRequestFields": {**models_own, **unknown}}
    both = {
        k: {**body[k], **native[k]} for k in native if isinstance(body.get(k), dict) and isinstance(native[k], dict)
    }
    return {key: value for key, value in {**body, **native, **both}.items() if value or key == "messages"}


def _began_without_thoughts(turns: Sequence[JSON]) -> bool:
    """Whether tools' results come last, and the turn that called the tools brings no thoughts."""
    answers = turns and any("toolResult" in block for block in turns[-1]["content"])
    first: JSON = next((turn["content"][0] for turn in reversed(turns) if turn["role"] == "assistant"), {})
    return bool(answers) and "reasoningContent" not in first


def _thinks_natively(fields: Fields) -> bool:
    """Whether the client asks for thoughts in Anthropic's own words, in either of the two places."""
    rest = fields.rest()
    places = (rest, rest.get("additionalModelRequestFields"))
    asked = (place.get("thinking") for place in places if isinstance(place, dict))
    return any(isinstance(thinking, dict) and thinking.get("type") in ("enabled", "adaptive") for thinking in asked)


def _sampling(fields: Fields, model: str, thinks: bool) -> tuple[JSON, JSON]:
    """(the model's own parameters, inferenceConfig).

    Claude refuses all of them since Opus 4.7, one of two since 4.1, and a temperature beside a budget of thought.
    Source: Anthropic, "Extended thinking" and the notes on each model.
    """
    if reasoning.is_adaptive(model):
        fields.leave_out("temperature", "top_p", "top_k")
    if thinks:
        fields.leave_out("temperature", "top_k")
    sampling = {"temperature": fields.clamp("temperature", 0, 1)}
    if sampling["temperature"] is not None and reasoning.claude_version(model) >= (4, 1):
        fields.leave_out("top_p")
    return without_nones({"top_k": fields.take("top_k")}), {**sampling, "topP": fields.clamp("top_p", 0, 1)}


def _text_format(fields: Fields) -> JSON:
    """The form of the answer: Converse wants the schema as a string of JSON."""
    response_format = fields.take("response_format")
    if not response_format or response_format["type"] == "text":
        return {}
    described = said.schema_of(response_format)
    if described is None:
        raise refuse(
            ("response_format", "type"), f"{NAME} has no counterpart for '{response_format['type']}'; use json_schema"
        )
    schema = {
        "schema": orjson.dumps(described["schema"]).decode(),
        "name": described.get("name"),
        "description": described.get("description"),
    }
    return {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": without_nones(schema)}}}


def _metadata(fields: Fields) -> JSON:
    """`metadata` and `user`, for AWS's logs of invocations; what they cannot hold is left out."""
    asked = {**(fields.take("metadata") or {}), **without_nones({"user": fields.take("user")})}
    kept = {key: value for key, value in asked.items() if _can_hold(key) and _can_hold(value)}
    kept = dict(list(kept.items())[:16])
    fields.adjusted += sorted({"user" if key == "user" else "metadata" for key in asked.keys() - kept.keys()})
    return kept


def _can_hold(value: object) -> bool:
    return isinstance(value, str) and bool(_METADATA.fullmatch(value))


def _service_tier(fields: Fields) -> JSON | None:
    tier = fields.take("service_tier")
    if tier in ("default", "flex", "priority", "reserved"):
        return {"type": tier}
    if tier not in (None, "auto"):
        fields.adjusted.append("service_tier")
    return None


# --- tools


def _tool_config(fields: Fields, turns: Sequence[JSON]) -> JSON | None:
    """The tools and the choice. Converse wants tools wherever one was called before, even if none may be now."""
    declared = fields.take("tools") or []
    tools = [made for index, tool in enumerate(declared) for made in _tool(tool, index)]
    choice = said.tool_choice(fields.take("tool_choice"))
    if choice and choice.mode in ("auto", "required") and choice.names is not None:  # allowed_tools: offer no others
        tools = [tool for tool in tools if tool.get("toolSpec", {}).get("name") in choice.names]
    if not tools and choice and (choice.names is not None or choice.mode == "required"):
        raise refuse(("tool_choice",), "asks for a tool where none is offered")
    called = sorted(_called(turns))
    if not tools and called:
        fields.adjusted.append("tools")
        tools = [{"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}} for name in called]
    if not tools or (choice and choice.mode == "none" and not called):
        return None
    if choice and choice.mode == "none":
        fields.adjusted.append("tool_choice")
        return {"tools": tools}
    return without_nones({"tools": tools, "toolChoice": _tool_choice(choice)})


def _one_call(fields: Fields, model: str, tools: JSON) -> JSON:
    """Claude's own word for no parallel calls, as Converse has none: it is refused beside a choice in Converse's."""
    if fields.take("parallel_tool_calls") is not False or not tools:
        return {}
    if reasoning.claude_version(model) >= (4, 5) and "toolChoice" not in tools:
        return {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}
    fields.adjusted.append("parallel_tool_calls")
    return {}


def _called(turns: Sequence[JSON]) -> set[str]:
    return {
        block["toolUse"]["name"]
        for turn in turns
        for block in turn["content"]
        if "toolUse" in block and block["toolUse"].get("type") != "server_tool_use"
    }


def _tool(tool: JSON, index: int) -> Iterator[JSON]:
    """A function and the cache point behind it, or a tool in Converse's own form (`{"systemTool": {...}}`)."""
    if native := {key: tool[key] for key in _NATIVE_TOOLS if isinstance(tool.get(key), dict)}:
        yield native
        return
    if tool.get("type", "function") != "function":
        raise refuse(("tools", index, "type"), f"{NAME} has no tools of type '{tool['type']}'")
    function = tool.get("function")
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise refuse(("tools", index, "function", "name"), "Field required")
    if not isinstance(function.get("parameters"), (dict, type(None))):
        raise refuse(("tools", index, "function", "parameters"), "Input should be an object")
    spec = {
        "name": function["name"],
        "description": function.get("description") or None,
        "inputSchema": {"json": function.get("parameters") or {"type": "object", "properties": {}}},
        "strict": function.get("strict"),
    }
    yield {"toolSpec": without_nones(spec)}
    yield from content.cache_point({**function, **tool})


def _tool_choice(choice: said.ToolChoice | None) -> JSON | None:
    """`auto` goes unsaid: it is what Converse does, and models that cannot choose refuse the word."""
    if choice and choice.mode == "named" and choice.names:
        return {"tool": {"name": choice.names[0]}}
    return {"any": {}} if choice and choice.mode == "required" else None
