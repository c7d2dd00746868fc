"""OpenAI's payload -> the body that a provider of OpenAI's type understands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.dialects import JSON, Body
from app.dialects.conversation import refuse, tool_choice

FIELDS = "openai_like"
"""Our key in `provider_fields`."""


@dataclass(frozen=True, slots=True)
class Manner:
    """Where a provider of OpenAI's type differs in what it takes."""

    new_limit: bool = False
    """It knows OpenAI's newer words, `max_completion_tokens`, `developer`, `refusal`; all know the older ones."""
    thought: str | None = None
    """What it calls the thought in an assistant message; None where the client's word goes on as it is."""
    stream_options: bool = True
    """It knows `stream_options`; the others refuse it, and report usage unasked."""
    counts_logprobs: bool = False
    """Its `logprobs` is how many; that of the others is true or false, with `top_logprobs` beside it."""
    is_gateway: bool = False
    """It may itself stand before others: what they need back under `provider_fields` goes on."""


OPENAI_LIKE = Manner()


def request(manner: Manner, model: str | None, payload: JSON) -> Body:
    """The payload with the provider's model and names. A `null` says nothing; some servers stumble over it."""
    body = {key: value for key, value in payload.items() if value is not None and key != "model"}
    if model:
        body["model"] = model
    if not manner.new_limit and "max_completion_tokens" in body:
        body["max_tokens"] = body.pop("max_completion_tokens")
    if not manner.stream_options:
        body.pop("stream_options", None)
    return Body(body)


def chat_request(manner: Manner, model: str | None, payload: JSON) -> Body:
    """The same, with the messages as they were said there."""
    body = request(manner, model, payload if manner.is_gateway else allowed_only(payload))
    body.json["messages"] = [_message(manner, message) for message in payload["messages"]]
    if manner.counts_logprobs and isinstance(body.json.get("logprobs"), bool):
        others = body.json.pop("top_logprobs", 0)
        body.json["logprobs"] = max(1, others) if body.json["logprobs"] else 0
    return body


def allowed_only(payload: JSON) -> JSON:
    """The payload without a `tool_choice` of `allowed_tools`, which OpenAI alone knows: no other tools are offered."""
    said = payload.get("tool_choice")
    choice = tool_choice(said) if isinstance(said, dict) and said.get("type") == "allowed_tools" else None
    if choice is None:
        return payload
    names = choice.names or ()
    tools = [tool for tool in payload.get("tools") or () if (tool.get("function") or {}).get("name") in names]
    if not tools:
        raise refuse(("tool_choice",), "names no function that is among the tools")
    return {**payload, "tools": tools, "tool_choice": choice.mode}


def _message(manner: Manner, message: JSON) -> JSON:
    """A message without what is ours: thoughts under their own name, what was taken out of an answer in its place."""
    said = {
        key: value
        for key, value in message.items()
        if key != "provider_fields" and (value is not None or key == "content")  # some servers stumble over a null
    }
    if said.get("role") == "developer" and not manner.new_limit:
        said["role"] = "system"
    if not manner.new_limit and said.get("refusal") and not said.get("content"):
        said["content"] = said.pop("refusal")
    if not (message.get("provider_fields") or message.get("reasoning_content")):
        return said
    said |= kept(message)
    if manner.is_gateway:
        said |= _others(message)
    thought = said.get("reasoning_content")
    if isinstance(said.get("content"), list) and said["content"] is not message.get("content"):
        said.pop("reasoning_content", None)  # the thought is one of the parts
        return said
    if thought and (manner.thought or said.get("reasoning") == thought):  # the second is a name that we added
        del said["reasoning_content"]
        said.setdefault(manner.thought or "reasoning", thought)
    return said


def _others(message: JSON) -> JSON:
    """What is under `provider_fields` and not ours."""
    fields = message.get("provider_fields")
    others = {key: value for key, value in fields.items() if key != FIELDS} if isinstance(fields, dict) else {}
    return {"provider_fields": others} if others else {}


def kept(message: JSON) -> JSON:
    """What an answer held that its OpenAI form has no place for, if the message still says the same."""
    fields = message.get("provider_fields")
    ours = fields.get(FIELDS) if isinstance(fields, dict) else None
    if not isinstance(ours, dict):
        return {}
    back = {key: ours[key] for key in ("content", "annotations") if isinstance(ours.get(key), list)}
    if "content" in back and _text(back["content"]) != (message.get("content") or ""):
        del back["content"]  # the client changed it since
    return back


def _text(parts: list[Any]) -> str:
    texts = [part for part in parts if isinstance(part, dict) and part.get("type") == "text"]
    return "".join(str(part.get("text") or "") for part in texts)
