"""Mistral's chat -> OpenAI's: its own names, and thoughts that stand in the content."""

from __future__ import annotations

from typing import Any

JSON = dict[str, Any]


def payload(said: JSON) -> JSON:
    """The payload."""
    made = {("seed" if key == "random_seed" else key): value for key, value in said.items() if value is not None}
    if said.get("tool_choice") == "any":
        made["tool_choice"] = "required"
    if "messages" in said:
        made["messages"] = [_message(message) for message in said["messages"]]
    return made


def _message(message: JSON) -> JSON:
    content = message.get("content")
    if not isinstance(content, list):
        return message
    thoughts = [item["text"] for part in content if part["type"] == "thinking" for item in part["thinking"]]
    parts = [_part(part) for part in content if part["type"] != "thinking"]
    return {**message, "content": parts, **({"reasoning_content": "".join(thoughts)} if thoughts else {})}


def _part(part: JSON) -> JSON:
    if part["type"] == "image_url" and isinstance(part["image_url"], str):
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    return part
