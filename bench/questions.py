"""What the clients ask: a short question, one with a large image, and a long conversation with tools."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

Question = dict[str, Any]

SHORT: Question = {
    "messages": [
        {"role": "system", "content": "You are a helpful assistant."},
        {"role": "user", "content": "Hello, how are you?"},
    ],
    "temperature": 0.7,
    "max_tokens": 150,
}
STREAMED: Question = {**SHORT, "stream": True}

_MESSAGES, _TOOLS = 200, 20
_WORDS = "The quick brown fox jumps over the lazy dog, and it says “good evening” to everybody it meets. "


def image() -> Question:
    """A question of 1 MB: a picture stands in it as base64."""
    picture = base64.b64encode(random.Random(1).randbytes(750_000)).decode()
    parts = [
        {"type": "text", "text": "What is in this image?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
    ]
    return {"messages": [{"role": "user", "content": parts}], "max_tokens": 150}


def conversation() -> Question:
    """A question that ends 200 messages, every third of them the result of a call of one of 20 tools."""
    turns = [{"role": "system", "content": _WORDS * 4}]
    turns += [turn for number in range(_MESSAGES) for turn in _turn(number)]
    last = {"role": "user", "content": "And now?"}
    return {"messages": [*turns[: _MESSAGES - 1], last], "tools": [_tool(number) for number in range(_TOOLS)]}


def _turn(number: int) -> list[dict[str, Any]]:
    name, call_id = f"look_up_{number % _TOOLS}", f"call_{number:024d}"
    arguments = json.dumps({"city": "Malmö", "day": number, "detail": "all"})
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return [
        {"role": "user", "content": f"{number}: {_WORDS}"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": json.dumps({"result": _WORDS, "number": number})},
    ]


def _tool(number: int) -> dict[str, Any]:
    properties = {
        "city": {"type": "string", "description": _WORDS},
        "day": {"type": "integer", "minimum": 0},
        "detail": {"type": "string", "enum": ["all", "some", "none"]},
    }
    parameters = {"type": "object", "properties": properties, "required": ["city"]}
    function = {"name": f"look_up_{number}", "description": _WORDS, "parameters": parameters}
    return {"type": "function", "function": function}
