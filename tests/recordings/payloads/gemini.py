"""Gemini's generateContent and batchEmbedContents -> OpenAI's payloads."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

JSON = dict[str, Any]

_CONFIG = {
    "temperature": "temperature",
    "topP": "top_p",
    "topK": "top_k",
    "maxOutputTokens": "max_tokens",
    "stopSequences": "stop",
    "seed": "seed",
}
_FORMAT = ("responseMimeType", "responseJsonSchema", "responseSchema")
_OTHERWISE = (
    "contents",
    "systemInstruction",
    "tools",
    "toolConfig",
    "generationConfig",
    "requests",
    "model",
    "instances",
)

_SNAKE = re.compile(
    "inline_data|mime_type|file_data|file_uri|function_call|function_response|thought_signature"
    "|function_declarations|parameters_json_schema|system_instruction|google_search|url_context"
)


def payload(said: JSON) -> JSON:
    """The payload; what is Google's own (safety settings, cached content, own tools) stays as it is."""
    said = camel(said)
    if "requests" in said:
        return _embeddings(said["requests"])
    messages: list[JSON] = []
    if instruction := said.get("systemInstruction"):
        messages.append({"role": "system", "content": _text(instruction["parts"])})
    for content in said.get("contents") or ():
        messages += _model(content, len(messages)) if content.get("role") == "model" else _user(content, messages)
    rest = {key: value for key, value in said.items() if key not in _OTHERWISE and value is not None}
    return {"messages": messages, **rest, **_config(said.get("generationConfig") or {}), **_tools(said)}


def camel(value: Any) -> Any:
    """Google takes names in both cases; here they are of one."""
    if isinstance(value, list):
        return [camel(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {_camel(key) if _SNAKE.fullmatch(key) else key: camel(item) for key, item in value.items()}


def _camel(key: str) -> str:
    return re.sub(r"_(\w)", lambda match: match[1].upper(), key)


def _embeddings(requests: list[JSON]) -> JSON:
    """OpenAI's inputs are texts: an image has no form there, and words stand for it."""
    inputs = [_text(request["content"]["parts"]) or "an image" for request in requests]
    size = requests[0].get("outputDimensionality")
    return {"input": inputs, **({"dimensions": size} if size else {})}


def _text(parts: list[JSON]) -> str:
    return "".join(part.get("text") or "" for part in parts)


def _model(content: JSON, number: int) -> list[JSON]:
    parts = content["parts"]
    calls = [
        _call(part["functionCall"], f"call_{number}_{at}") for at, part in enumerate(parts) if "functionCall" in part
    ]
    made: JSON = {"role": "assistant", "content": _text(parts) or None, "provider_fields": {"gemini": {"parts": parts}}}
    return [{**made, **({"tool_calls": calls} if calls else {})}]


def _call(call: JSON, made: str) -> JSON:
    function = {"name": call["name"], "arguments": json.dumps(call.get("args") or {})}
    return {"id": call.get("id") or made, "type": "function", "function": function}


def _user(content: JSON, before: list[JSON]) -> Iterator[JSON]:
    """Function responses are messages of their own in OpenAI's shape, and name the call by its id."""
    answered = {message.get("tool_call_id") for message in before}
    made = [call for message in before for call in message.get("tool_calls") or ()]
    calls = [call for call in made if call["id"] not in answered]
    rest: list[JSON] = []
    for part in content["parts"]:
        if response := part.get("functionResponse"):
            call = next(call for call in calls if _answers(response, call))
            calls.remove(call)
            shown = [_part(extra) for extra in response.get("parts") or ()]
            text = {"type": "text", "text": json.dumps(response["response"])}
            yield {"role": "tool", "tool_call_id": call["id"], "content": [text, *shown]}
        else:
            rest.append(_part(part))
    if rest:
        yield {"role": "user", "content": rest}


def _answers(response: JSON, call: JSON) -> bool:
    return bool(response.get("id") == call["id"] or response["name"] == call["function"]["name"])


def _part(part: JSON) -> JSON:
    if "inlineData" in part:
        url = f"data:{part['inlineData']['mimeType']};base64,{part['inlineData']['data']}"
    elif "fileData" in part:
        url = part["fileData"]["fileUri"]
    else:  # what OpenAI has no part for is told in words
        return {"type": "text", "text": part.get("text") or json.dumps(part)}
    return {"type": "image_url", "image_url": {"url": url}}


def _config(config: JSON) -> JSON:
    made = {ours: config[theirs] for theirs, ours in _CONFIG.items() if config.get(theirs) is not None}
    rest = {key: value for key, value in config.items() if key not in (*_CONFIG, *_FORMAT) and value is not None}
    schema = config.get("responseJsonSchema") or config.get("responseSchema")
    if schema:
        made["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    elif config.get("responseMimeType") == "application/json":
        made["response_format"] = {"type": "json_object"}
    return {**made, **({"generationConfig": rest} if rest else {})}


def _tools(said: JSON) -> JSON:
    given = said.get("tools") or []
    given = [given] if isinstance(given, dict) else given
    declared = [function for tool in given for function in tool.get("functionDeclarations") or ()]
    own = [tool for tool in given if "functionDeclarations" not in tool]
    tools = [{"type": "function", "function": _function(function)} for function in declared]
    config = dict(said.get("toolConfig") or {})
    choice = _tool_choice(config.pop("functionCallingConfig", None) or {})
    return {
        **({"tools": [*tools, *own]} if tools or own else {}),
        **({"tool_choice": choice} if choice and tools else {}),
        **({"toolConfig": config} if config else {}),
    }


def _function(function: JSON) -> JSON:
    parameters = function.get("parametersJsonSchema") or function.get("parameters")
    described: JSON = {key: function[key] for key in ("name", "description") if key in function}
    return {**described, **({"parameters": parameters} if parameters else {})}


def _tool_choice(config: JSON) -> Any:
    names = config.get("allowedFunctionNames") or []
    if config.get("mode") == "ANY" and len(names) == 1:
        return {"type": "function", "function": {"name": names[0]}}
    if config.get("mode") == "ANY" and names:
        tools = [{"type": "function", "function": {"name": name}} for name in names]
        return {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": tools}}
    return {"ANY": "required", "AUTO": "auto", "NONE": "none"}.get(config.get("mode", ""))
