"""Completions by way of chat, for providers that only chat: the prompt is a user's message."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from app.dialects import JSON, Body, ChunkStream, Translator, Unfinished
from app.errors import InvalidPayload, Problem

_ONLY_COMPLETIONS = {"suffix": "", "echo": False, "logprobs": None, "best_of": 1}
"""What chat has no counterpart for, and the value that asks for nothing."""


def completions(chat: Translator) -> Translator:
    """The translator of `llm/v1/completions` for a provider whose chat is `chat`."""
    assert chat.response is not None
    return replace(
        chat,
        request=_request(chat.request),
        response=_response(chat.response),
        stream=chat.stream and _stream(chat.stream),
    )


def _request(chat: Callable[[Any, JSON], Body]) -> Callable[[Any, JSON], Body]:
    def request(model: Any, payload: JSON) -> Body:
        if problems := list(_problems(payload)):
            raise InvalidPayload(problems)
        said = payload["prompt"]
        prompt = said if isinstance(said, str) else said[0]
        rest = {key: value for key, value in payload.items() if key not in ("prompt", *_ONLY_COMPLETIONS)}
        return chat(model, {"messages": [{"role": "user", "content": prompt}], **rest})

    return request


def _problems(payload: JSON) -> Iterator[Problem]:
    """What a conversation cannot say."""
    for key, nothing in _ONLY_COMPLETIONS.items():
        if payload.get(key) not in (None, nothing):
            yield Problem((key,), "the provider has chat only, where this has no counterpart")
    prompt = payload["prompt"]
    if not isinstance(prompt, str) and not (len(prompt) == 1 and isinstance(prompt[0], str)):
        yield Problem(("prompt",), "the provider has chat only, which takes one text")
    if payload.get("max_tokens") == 0:
        yield Problem(("max_tokens",), "the provider has chat only, which gives at least one token")


def _response(chat: Callable[[JSON], JSON]) -> Callable[[JSON], JSON]:
    def response(body: JSON) -> JSON:
        return _completion(chat(body), "message")

    return response


def _stream(chat: Callable[[], ChunkStream]) -> Callable[[], ChunkStream]:
    def stream() -> ChunkStream:
        inner = chat()
        chunks = next(inner)
        while True:
            event = yield [_completion(chunk, "delta") for chunk in chunks]
            try:
                chunks = inner.send(event)
            except StopIteration:
                return
            except Unfinished as error:
                raise Unfinished(error.message, [_completion(chunk, "delta") for chunk in error.last]) from error

    return stream


def _completion(said: JSON, holder: str) -> JSON:
    """A chat completion, or a chunk of one, as a text completion. What is not text stays under `provider_fields`."""
    return {**said, "object": "text_completion", "choices": [_choice(choice, holder) for choice in said["choices"]]}


def _choice(choice: JSON, holder: str) -> JSON:
    message = dict(choice[holder])
    text = message.pop("content", None) or ""
    message.pop("role", None)
    kept = {key: value for key, value in message.items() if value is not None}
    made = {"index": choice["index"], "text": text, "logprobs": None, "finish_reason": choice["finish_reason"]}
    return {**made, **({"provider_fields": {"message": kept}} if kept else {})}
