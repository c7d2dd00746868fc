"""Cohere's second version -> OpenAI's payloads for chat and embeddings."""

from __future__ import annotations

from typing import Any

JSON = dict[str, Any]

_NAMES = {"p": "top_p", "k": "top_k", "stop_sequences": "stop", "texts": "input", "output_dimension": "dimensions"}


def payload(said: JSON) -> JSON:
    """The payload: Cohere's names are OpenAI's but for some."""
    made = {_NAMES.get(key, key): value for key, value in said.items()}
    if "messages" in said:
        made["messages"] = [_message(message) for message in said["messages"]]
    if "tool_choice" in said:
        made["tool_choice"] = said["tool_choice"].lower()
    wanted = said.get("response_format") or {}
    if schema := wanted.get("json_schema") or wanted.get("schema"):
        described = {"name": "answer", "schema": schema}
        made["response_format"] = {"type": "json_schema", "json_schema": described}
    return made


def _message(message: JSON) -> JSON:
    """The plan of an assistant's tool calls is its text; citations and thoughts go back as the gateway gives them."""
    if message["role"] != "assistant":
        return message
    made = {key: value for key, value in message.items() if key not in ("tool_plan", "citations")}
    if message.get("tool_plan"):
        made["content"] = message["tool_plan"]
    if message.get("citations"):
        made["provider_fields"] = {"cohere": {"content": message.get("content"), "citations": message["citations"]}}
    return made
