"""Bedrock's Converse -> OpenAI's chat payload."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

JSON = dict[str, Any]

_TYPES = {"pdf": "application/pdf", "txt": "text/plain", "md": "text/markdown", "csv": "text/csv", "html": "text/html"}
_INFERENCE = {"maxTokens": "max_tokens", "temperature": "temperature", "topP": "top_p", "stopSequences": "stop"}


def payload(said: JSON) -> JSON:
    """The payload; what is Converse's own (guardrails, the model's own fields) stays as it is."""
    system = [{"role": "system", "content": _parts(said["system"])}] if said.get("system") else []
    made: JSON = {"messages": system + [turn for message in said["messages"] for turn in _turns(message)]}
    inference = said.get("inferenceConfig") or {}
    made |= {ours: inference[theirs] for theirs, ours in _INFERENCE.items() if inference.get(theirs) not in (None, [])}
    made |= {key: said[key] for key in ("guardrailConfig", "requestMetadata", "serviceTier") if key in said}
    return {**made, **_tools(said), **_output(said), **(said.get("additionalModelRequestFields") or {})}


def _turns(message: JSON) -> Iterator[JSON]:
    """Tool results are messages of their own in OpenAI's shape."""
    blocks = message["content"]
    if message["role"] == "assistant":
        yield _assistant(blocks)
        return
    for result in (block["toolResult"] for block in blocks if "toolResult" in block):
        status = {"status": result["status"]} if "status" in result else {}
        content = _parts(result["content"])
        yield {"role": "tool", "tool_call_id": result["toolUseId"], "content": content, **status}
    if rest := [block for block in blocks if "toolResult" not in block]:
        yield {"role": "user", "content": _parts(rest)}


def _assistant(blocks: list[JSON]) -> JSON:
    made: JSON = {"role": "assistant", "content": "".join(block.get("text") or "" for block in blocks) or None}
    if calls := [_call(block["toolUse"]) for block in blocks if "toolUse" in block]:
        made["tool_calls"] = calls
    if any(not block.keys() & {"text", "toolUse"} for block in blocks):
        made["provider_fields"] = {"bedrock": {"content": blocks}}
    return made


def _call(use: JSON) -> JSON:
    function = {"name": use["name"], "arguments": json.dumps(use["input"])}
    return {"id": use["toolUseId"], "type": "function", "function": function}


def _parts(blocks: list[JSON]) -> list[JSON]:
    """A cache point after a block is a mark on it."""
    made: list[JSON] = []
    for block in blocks:
        if "cachePoint" in block and made:
            made[-1]["cache_control"] = {"type": "ephemeral"}
        else:
            made.append(_part(block))
    return made


def _part(block: JSON) -> JSON:
    if "text" in block:
        return {"type": "text", "text": block["text"]}
    if "image" in block:
        image, source = block["image"], block["image"]["source"]
        url = source["s3Location"]["uri"] if "s3Location" in source else _data(f"image/{image['format']}", source)
        return {"type": "image_url", "image_url": {"url": url}}
    if "bytes" in (block.get("document") or {}).get("source", {}):
        document = block["document"]
        data = _data(_TYPES.get(document["format"], "application/pdf"), document["source"])
        return {"type": "file", "file": {"filename": document["name"], "file_data": data}}
    kind = next(iter(block))
    return {"type": kind, kind: block[kind]}


def _data(kind: str, source: JSON) -> str:
    return f"data:{kind};base64,{source['bytes']}"


def _tools(said: JSON) -> JSON:
    config = said.get("toolConfig")
    if not config:
        return {}
    tools: list[JSON] = []
    for tool in config["tools"]:
        if "cachePoint" in tool and tools:
            tools[-1]["cache_control"] = {"type": "ephemeral"}
        else:
            tools.append(_tool(tool["toolSpec"]) if "toolSpec" in tool else tool)
    return {"tools": tools, **_tool_choice(config.get("toolChoice") or {})}


def _tool(spec: JSON) -> JSON:
    kept = {key: spec[key] for key in ("name", "description", "strict") if key in spec}
    return {"type": "function", "function": {**kept, "parameters": spec["inputSchema"]["json"]}}


def _tool_choice(choice: JSON) -> JSON:
    if "tool" in choice:
        return {"tool_choice": {"type": "function", "function": {"name": choice["tool"]["name"]}}}
    words = {"any": "required", "auto": "auto"}
    return {"tool_choice": words[next(iter(choice))]} if choice else {}


def _output(said: JSON) -> JSON:
    if not said.get("outputConfig"):
        return {}
    described = said["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {
                **described,
                "name": described.get("name", "answer"),
                "schema": json.loads(described["schema"]),
            },
        }
    }
