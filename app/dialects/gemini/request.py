"""OpenAI's chat payload -> the body of Gemini's `:generateContent` and `:streamGenerateContent`."""

from __future__ import annotations

import re
from typing import Any

from app.dialects import JSON, Body
from app.dialects import conversation as said
from app.dialects.conversation import refuse
from app.dialects.fields import CONTENTS, HANDLING, SAMPLING, Fields, without_nones
from app.dialects.gemini.contents import NAME, contents, system_instruction

_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 24576, "max": 24576}
"""`reasoning_effort` as tokens of thought, for Gemini 2.5: what Google's own OpenAI-compatible service takes it for."""

_LEVELS = {
    "none": "minimal",
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}
"""`reasoning_effort` as a level, for Gemini 3."""

_LEAST_OF_PRO = 128
"""Tokens of thought below which Gemini 2.5 Pro does not go."""

_TIERS = {"default": "standard", "standard": "standard", "flex": "flex", "priority": "priority"}

_MODEL = re.compile(r"gemini-(\d+)(?:\.(\d+))?")

_COUNTERPARTS = ("seed", "presence_penalty", "frequency_penalty", "logprobs", "top_logprobs", "modalities")


def request(model: str, payload: JSON) -> Body:
    """The body, and what of the payload it does not say. Raises InvalidPayload for what cannot be said."""
    fields = Fields(payload)
    messages = fields.take("messages")
    said.check(messages)
    config = {
        **_sampling(fields),
        **_penalties(fields, model),
        **_output(fields),
        "thinkingConfig": _thinking(fields, model),
    }
    body = {
        "contents": contents(messages, _version(model)[0]),
        "systemInstruction": system_instruction(messages),
        **_tools(fields),
        "generationConfig": without_nones(config) or None,
        "serviceTier": _tier(fields),
    }
    fields.take("stream", "stream_options")  # the path says it; its streams always report usage
    fields.refuse(*(name for name in CONTENTS if name not in _COUNTERPARTS), by=NAME)
    fields.leave_out(*(name for name in SAMPLING if name not in _COUNTERPARTS), *HANDLING, "user")
    return Body(_merge(without_nones(body), fields.rest()), tuple(fields.adjusted))


def _merge(body: JSON, native: JSON) -> JSON:
    """Gemini's own parameters (safetySettings, generationConfig, ...) that the client said come before what we made."""
    both = {
        key: _merge(body[key], value) if isinstance(body.get(key), dict) and isinstance(value, dict) else value
        for key, value in native.items()
    }
    return {**body, **both}


def _version(model: str) -> tuple[int, int]:
    """(2, 5) of `gemini-2.5-flash`; `gemini-flash-latest` is of the newest generation, a tuned model hardly."""
    match = _MODEL.search(model)
    if match is None:
        return (3, 0) if "gemini" in model else (2, 5)
    return int(match[1]), int(match[2] or 0)


def _tier(fields: Fields) -> str | None:
    tier = _TIERS.get(str(fields.rest().get("service_tier")))
    if tier is None:
        fields.leave_out("service_tier")
    fields.take("service_tier")
    return tier


def _sampling(fields: Fields) -> JSON:
    """All of OpenAI's but logit_bias have a counterpart."""
    count = fields.take("n")
    return {
        "temperature": fields.clamp("temperature", 0, 2),
        "topP": fields.take("top_p"),
        "topK": fields.take("top_k"),
        "candidateCount": count if count and count > 1 else None,
        "maxOutputTokens": fields.take("max_completion_tokens", "max_tokens"),
        "stopSequences": said.stops(fields.take("stop")),
        "seed": fields.clamp("seed", -(2**31), 2**31 - 1),
        **_logprobs(fields),
    }


def _penalties(fields: Fields, model: str) -> JSON:
    """Gemini 2.5 and later answer 400 to any but 0 ("Penalty is not enabled for this model")."""
    names = {"presencePenalty": "presence_penalty", "frequencyPenalty": "frequency_penalty"}
    if _version(model) >= (2, 5):
        fields.leave_out(*(name for name in names.values() if fields.rest().get(name)))
    return {key: fields.take(name) for key, name in names.items()}


def _logprobs(fields: Fields) -> JSON:
    wanted, best = fields.take("logprobs"), fields.take("top_logprobs")
    if best and not wanted:
        raise refuse(("top_logprobs",), "is told with logprobs only")
    return {"responseLogprobs": True, "logprobs": best or None} if wanted else {}


def _output(fields: Fields) -> JSON:
    """The form of the answer."""
    output: JSON = {"responseModalities": _modalities(fields.take("modalities") or ["text"])}
    response_format = fields.take("response_format")
    if said.output_type(response_format) != "text":
        output["responseMimeType"] = "application/json"
    if described := said.schema_of(response_format):
        output["responseJsonSchema"] = described["schema"]
    return {key: value for key, value in output.items() if value}


def _modalities(said: Any) -> list[str] | None:
    if not isinstance(said, list) or not all(isinstance(name, str) for name in said):
        raise refuse(("modalities",), "Input should be an array of strings")
    return [name.upper() for name in said] if said != ["text"] else None


def _thinking(fields: Fields, model: str) -> JSON | None:
    """How much is thought, in the words of the model's generation; more or less than it can is named as adjusted."""
    effort = fields.rest().get("reasoning_effort")
    if effort is not None and effort not in _LEVELS:
        raise refuse(("reasoning_effort",), f"should be {', '.join(_LEVELS)}, not '{effort}'")
    if effort is None or _version(model) < (2, 5):
        fields.leave_out("reasoning_effort")
        return None
    fields.take("reasoning_effort")
    config, exact = (_level if _version(model)[0] >= 3 else _budget)(effort, model)
    if not exact:
        fields.adjusted.append("reasoning_effort")
    return {**config, "includeThoughts": True} if effort != "none" else config


def _level(effort: str, model: str) -> tuple[JSON, bool]:
    """The models called pro, and all since 3.7, refuse the least level."""
    always_thinks = "pro" in model or _version(model) >= (3, 7)
    level = "low" if always_thinks and _LEVELS[effort] == "minimal" else _LEVELS[effort]
    return {"thinkingLevel": level}, level == effort


def _budget(effort: str, model: str) -> tuple[JSON, bool]:
    if effort == "none":
        return {"thinkingBudget": _LEAST_OF_PRO if "pro" in model else 0}, "pro" not in model
    return {"thinkingBudget": _BUDGETS[effort]}, True


# --- tools


def _tools(fields: Fields) -> JSON:
    """Functions as one tool, and Google's own (`{"googleSearch": {}}`) as they are. Calls may always be several."""
    declared, own = _declared(fields.take("tools") or ())
    choice = said.tool_choice(fields.take("tool_choice"))
    if fields.take("parallel_tool_calls") is False and declared:
        fields.adjusted.append("parallel_tool_calls")
    if any(function.get("strict") for function in declared):
        fields.adjusted.append("strict")
    if choice and choice.mode == "auto" and choice.names is not None:  # allowed_tools: offer no others
        declared = [function for function in declared if function["name"] in choice.names]
    if not declared and not any("functionDeclarations" in tool for tool in own):
        if choice and choice.mode in ("required", "named"):  # Google's own tools cannot be required
            fields.adjusted.append("tool_choice")
        return {"tools": own or None}
    ours = [{"functionDeclarations": [_declaration(function) for function in declared]}] if declared else []
    return {"tools": ours + own, "toolConfig": {"functionCallingConfig": _calling(choice)} if choice else None}


def _declared(tools: Any) -> tuple[list[JSON], list[JSON]]:
    """OpenAI's functions, and Google's own tools, which have no type."""
    functions, own = [], []
    untyped = [tool if "function" in tool else {"type": None, **tool} for tool in tools]
    for index, (function, tool) in enumerate(said.functions(untyped)):
        if function is not None:
            functions.append(function)
        elif tool["type"] is not None:
            raise refuse(("tools", index, "type"), f"{NAME} has no tool of type '{tool['type']}'")
        else:
            own.append(without_nones(tool))
    return functions, own


def _declaration(function: JSON) -> JSON:
    return without_nones(
        {
            "name": function["name"],
            "description": function.get("description"),
            "parametersJsonSchema": function.get("parameters") or None,
        }
    )


def _calling(choice: said.ToolChoice) -> JSON:
    if choice.mode in ("none", "auto"):
        return {"mode": choice.mode.upper()}
    return without_nones({"mode": "ANY", "allowedFunctionNames": list(choice.names) if choice.names else None})
