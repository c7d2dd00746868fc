"""Mistral's dialect of OpenAI's: names of its own, and a 422 for every field that it does not know."""

from __future__ import annotations

from typing import Any

from app.dialects import JSON, Body, ChunkStream, Translator
from app.dialects.conversation import Loc, check, image, refuse, tool_calls
from app.dialects.fields import CONTENTS, Fields, without_nones
from app.dialects.openai_like.request import allowed_only, kept
from app.dialects.openai_like.response import chat, embeddings, text_of_chat
from app.dialects.openai_like.stream import chat_stream, text_stream

NAME = "Mistral"

_UNKNOWN = ("user", "logit_bias", "best_of", "store", "prompt_cache_options", "safety_identifier", "verbosity")
"""OpenAI's parameters that Mistral has no counterpart for, and that do not change what is asked."""

_LESS_OR_MORE = ("minimal", "low", "medium", "xhigh", "max")
"""OpenAI's other words for an effort."""

_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")

_KNOWN_IN_MESSAGES = {
    "system": ("role", "content"),
    "user": ("role", "content"),
    "assistant": ("role", "content", "tool_calls", "prefix"),
    "tool": ("role", "content", "tool_call_id", "name"),
}


def is_for_filling(model: str | None) -> bool:
    """Whether a model completes text (Mistral's "fill in the middle"); the others only chat."""
    return "codestral" in (model or "").lower()


def chat_request(model: str | None, payload: JSON) -> Body:
    """The body of `POST /v1/chat/completions`. Raises InvalidPayload for what cannot be said."""
    fields = Fields(allowed_only(payload))
    fields.take("model", "stream_options")  # its streams always report usage
    messages = fields.take("messages")
    check(messages)
    choice = fields.take("tool_choice")
    body = {
        "model": model,
        "messages": [_message(message, ("messages", index)) for index, message in enumerate(messages)],
        "tool_choice": "any" if choice == "required" else choice,
        "temperature": fields.clamp("temperature", 0, 1.5),
        "reasoning_effort": _effort(fields),
        **_shared(fields),
    }
    fields.refuse(*CONTENTS, by=NAME)
    return Body(without_nones({**fields.rest(), **body}), tuple(fields.adjusted))


def _effort(fields: Fields) -> str | None:
    """Mistral thinks, with `high`, or does not, with `none`."""
    effort: str | None = fields.take("reasoning_effort")
    if effort not in _LESS_OR_MORE:
        return effort
    fields.adjusted.append("reasoning_effort")
    return "high"


def _shared(fields: Fields) -> JSON:
    """What chat and completions have in common."""
    fields.leave_out(*_UNKNOWN)
    if fields.rest().get("service_tier") not in ("auto", "standard_only"):
        fields.leave_out("service_tier")
    return {
        "max_tokens": fields.take("max_completion_tokens", "max_tokens"),
        "random_seed": fields.take("random_seed", "seed"),
    }


def completions_request(model: str | None, payload: JSON) -> Body:
    """The body of `POST /v1/fim/completions`, or for a model that only chats, a prompt as a user's message."""
    fields = Fields(payload)
    fields.take("model", "stream_options")
    fields.refuse("echo", "logprobs", by=NAME)
    prompt = _prompt(fields.take("prompt"))
    if not is_for_filling(model):
        fields.refuse("suffix", by=f"{model}, which only chats,")
        return chat_request(model, {"messages": [{"role": "user", "content": prompt}], **fields.rest()})
    fields.one_choice(NAME)
    fields.leave_out("presence_penalty", "frequency_penalty")
    body = {"model": model, "prompt": prompt, "temperature": fields.clamp("temperature", 0, 1.5), **_shared(fields)}
    return Body(without_nones({**fields.rest(), **body}), tuple(fields.adjusted))


def _prompt(said: Any) -> str:
    prompts = said if isinstance(said, list) else [said]
    if len(prompts) != 1 or not isinstance(prompts[0], str):
        raise refuse(("prompt",), f"{NAME} takes one text")
    return prompts[0]


def embeddings_request(model: str | None, payload: JSON) -> Body:
    """The body of `POST /v1/embeddings`."""
    fields = Fields(payload)
    fields.take("model")
    body = {"model": model, "output_dimension": fields.take("output_dimension", "dimensions")}
    fields.leave_out("user")
    return Body(without_nones({**fields.rest(), **body}), tuple(fields.adjusted))


def _message(message: JSON, loc: Loc) -> JSON:
    """A message with the fields that Mistral knows; an answer that came as parts goes back as parts."""
    role = "system" if message["role"] == "developer" else message["role"]
    list(tool_calls(message, loc))  # refuses what cannot be read
    said = {**message, **kept(message), "role": role}
    if role == "assistant":
        said["content"] = _with_thought({**said, "content": said.get("content") or said.get("refusal")})
    if isinstance(said.get("content"), list):
        said["content"] = [_part(part, (*loc, "content", index)) for index, part in enumerate(said["content"])]
    known = _KNOWN_IN_MESSAGES[role]
    return {key: value for key, value in said.items() if key in known and (value is not None or key == "content")}


def _with_thought(message: JSON) -> Any:
    """What an assistant said, after the thought that led to it, unless that is one of the parts already."""
    thought, content = message.get("reasoning_content"), message.get("content")
    parts = content if isinstance(content, list) else [{"type": "text", "text": content}] if content else []
    if not thought or not isinstance(thought, str) or any(part.get("type") == "thinking" for part in parts):
        return content
    return [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}, *parts]


def _part(part: JSON, loc: Loc) -> JSON:
    """A content part; of those that OpenAI and Mistral name alike, only files look different."""
    if part.get("type") == "refusal":
        return {"type": "text", "text": part.get("refusal")}
    if part.get("type") == "image_url":
        media = image(part, loc)
        if media.url is None and media.type not in _IMAGES:
            raise refuse(loc, f"{NAME} takes {', '.join(_IMAGES)}, not '{media.type}'")
    if part.get("type") != "file" or "file" not in part:
        return part
    file = part["file"]
    if isinstance(file, dict) and isinstance(file.get("file_id"), str):
        return {"type": "file", "file_id": file["file_id"]}
    if not isinstance(file, dict) or not isinstance(file.get("file_data"), str):
        raise refuse((*loc, "file"), "should hold file_data or file_id")
    data = file["file_data"]
    url = data if data.startswith(("data:", "http")) else f"data:application/pdf;base64,{data}"
    return without_nones({"type": "document_url", "document_url": url, "document_name": file.get("filename")})


def _completion(body: JSON) -> JSON:
    return text_of_chat(chat(body))


def _completion_stream() -> ChunkStream:
    return text_stream(chat_stream())


TRANSLATORS = {
    "llm/v1/chat": Translator("chat/completions", chat_request, chat, chat_stream),
    "llm/v1/completions": Translator("fim/completions", completions_request, _completion, _completion_stream),
    "llm/v1/embeddings": Translator("embeddings", embeddings_request, embeddings),
}
"""Endpoint type -> translator. Completions of a model that only chats go to chat's path."""
