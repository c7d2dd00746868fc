"""Anthropic's Messages -> OpenAI's chat payload."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

JSON = dict[str, Any]

_SAME = ("max_tokens", "temperature", "top_p", "top_k", "thinking", "service_tier", "cache_control", "container")


def payload(said: JSON) -> JSON:
    """The payload. Anthropic's own tools and settings stay as they are: the gateway passes them on."""
    system = [{"role": "system", "content": said["system"]}] if said.get("system") else []
    made: JSON = {"messages": system + [turn for message in said["messages"] for turn in _turns(message)]}
    made |= {key: said[key] for key in _SAME if key in said}
    if said.get("stop_sequences"):
        made["stop"] = said["stop_sequences"]
    if said.get("tools"):
        made["tools"] = [_tool(tool) for tool in said["tools"]]
    return made | _tool_choice(said.get("tool_choice")) | _output(said.get("output_config") or {})


def _output(config: JSON) -> JSON:
    rest = {key: value for key, value in config.items() if key != "format"}
    made: JSON = {"output_config": rest} if rest else {}
    if config.get("format"):
        described = {"name": "answer", "schema": config["format"]["schema"]}
        made["response_format"] = {"type": "json_schema", "json_schema": described}
    return made


def _tool(tool: JSON) -> JSON:
    if "input_schema" not in tool:
        return tool
    function = {"name": tool["name"], "parameters": tool["input_schema"]}
    function |= {key: tool[key] for key in ("description", "strict") if key in tool}
    return {"type": "function", "function": function, **_cached(tool)}


def _tool_choice(choice: JSON | None) -> JSON:
    if not choice:
        return {}
    words = {"any": "required", "auto": "auto", "none": "none"}
    named = {"type": "function", "function": {"name": choice.get("name")}}
    parallel = {"parallel_tool_calls": False} if choice.get("disable_parallel_tool_use") else {}
    return {"tool_choice": words.get(choice["type"], named), **parallel}


def _turns(message: JSON) -> Iterator[JSON]:
    """Tool results are messages of their own in OpenAI's shape."""
    content = message["content"]
    if isinstance(content, str):
        yield {"role": message["role"], "content": content}
    elif message["role"] == "assistant":
        yield _assistant(content)
    else:
        yield from (_result(block) for block in content if block["type"] == "tool_result")
        if parts := [_part(block) for block in content if block["type"] != "tool_result"]:
            yield {"role": message["role"], "content": parts}


def _assistant(blocks: list[JSON]) -> JSON:
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    calls = [_call(block) for block in blocks if block["type"] == "tool_use"]
    made: JSON = {"role": "assistant", "content": text or None, **({"tool_calls": calls} if calls else {})}
    if any(block["type"] not in ("text", "tool_use") for block in blocks):
        made["provider_fields"] = {"anthropic": {"content": blocks}}
    return made


def _call(block: JSON) -> JSON:
    function = {"name": block["name"], "arguments": json.dumps(block["input"])}
    return {"id": block["id"], "type": "function", "function": function}


def _result(block: JSON) -> JSON:
    content = block.get("content") or ""
    parts = content if isinstance(content, str) else [_part(part) for part in content]
    error = {"is_error": block["is_error"]} if "is_error" in block else {}
    return {"role": "tool", "tool_call_id": block["tool_use_id"], "content": parts, **error, **_cached(block)}


def _part(block: JSON) -> JSON:
    """An image in OpenAI's words; documents and the like go as they are."""
    if block["type"] != "image" or block["source"]["type"] not in ("base64", "url"):
        return block
    source = block["source"]
    url = source.get("url") or f"data:{source['media_type']};base64,{source['data']}"
    return {"type": "image_url", "image_url": {"url": url}, **_cached(block)}


def _cached(block: JSON) -> JSON:
    return {"cache_control": block["cache_control"]} if "cache_control" in block else {}
