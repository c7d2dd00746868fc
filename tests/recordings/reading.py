"""What OpenAI's SDK reads in an answer of the gateway's."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from openai import APIError, APIResponseValidationError, APIStatusError, OpenAI

from tests.recordings.recorded import Recording


@dataclass
class Choice:
    """One choice, whole or put together from its pieces."""

    text: str = ""
    reasoning: str = ""
    refusal: str = ""
    calls: dict[int, list[str]] = field(default_factory=dict)
    """Place -> id, name, arguments."""
    finish: str | None = None
    native: dict[str, Any] = field(default_factory=dict)
    """What `provider_fields` held."""

    def tools(self) -> list[tuple[str, str, Any]]:
        """(id, name, arguments) of each call; None for no arguments at all. ValueError where they are not JSON."""
        return [
            (id_, name, json.loads(arguments) if arguments else None)
            for _, (id_, name, arguments) in sorted(self.calls.items())
        ]


@dataclass
class Reading:
    """An answer, or an error."""

    choices: dict[int, Choice] = field(default_factory=dict)
    usage: dict[str, Any] | None = None
    vectors: list[list[float]] = field(default_factory=list)
    packed: list[list[float]] = field(default_factory=list)
    """The same, asked for as base64, as the SDK does unless told not to."""
    status: int | None = None
    """The error's, or 200 where the error came in the midst of a stream."""
    error: str | None = None
    strict: str | None = None
    """Why the SDK's strict mode refused the answer, if it did."""


def read(strict: OpenAI, lenient: OpenAI, recording: Recording, payload: dict[str, Any]) -> Reading:
    """The answer to a payload, read in strict mode if it can be."""
    if recording.kind == "embeddings":
        return _read_vectors(strict, lenient, recording, payload)
    try:
        return _read(strict, recording, payload)
    except APIResponseValidationError as error:
        reading = _read(lenient, recording, payload)
        reading.strict = str(error.__cause__ or error)
        return reading


def _read_vectors(strict: OpenAI, lenient: OpenAI, recording: Recording, payload: dict[str, Any]) -> Reading:
    """In strict mode the SDK does not accept the base64 that it asks for itself."""
    rest = {key: value for key, value in payload.items() if key != "encoding_format"}
    packed = _read(lenient, recording, rest)
    if payload.get("encoding_format") == "base64":  # so recorded: the provider answers nothing else
        return replace(packed, packed=packed.vectors)
    return replace(_read(strict, recording, {**rest, "encoding_format": "float"}), packed=packed.vectors)


def _read(client: OpenAI, recording: Recording, payload: dict[str, Any]) -> Reading:
    reading = Reading()
    try:
        _ask(client, recording, payload, reading)
    except APIResponseValidationError:
        raise
    except APIStatusError as error:
        reading.status, reading.error = error.status_code, error.message
    except APIError as error:  # in the midst of a stream
        reading.status, reading.error = 200, error.message
    return reading


def _ask(client: OpenAI, recording: Recording, payload: dict[str, Any], reading: Reading) -> None:
    if recording.kind == "embeddings":
        answer = client.embeddings.create(model=payload["model"], input=payload["input"], extra_body=payload)
        reading.vectors = [list(item.embedding) for item in answer.data]
        reading.usage = answer.usage.model_dump() if answer.usage else None
        return
    api: Any = client.chat.completions if recording.kind == "chat" else client.completions
    most = {"messages": payload["messages"]} if recording.kind == "chat" else {"prompt": payload["prompt"]}
    if not recording.streams:
        _whole(api.create(model=payload["model"], **most, extra_body=payload), reading)
        return
    said = {**payload, "stream_options": {"include_usage": True}}
    _stream(api.create(model=payload["model"], **most, stream=True, extra_body=said), reading)


def _whole(answer: Any, reading: Reading) -> None:
    for item in answer.choices:
        choice = reading.choices[item.index] = Choice(finish=item.finish_reason)
        _add(choice, item.message if hasattr(item, "message") else item)
    reading.usage = answer.usage.model_dump() if answer.usage else None


def _stream(chunks: Iterable[Any], reading: Reading) -> None:
    for chunk in chunks:
        if chunk.usage:
            reading.usage = chunk.usage.model_dump()
        for item in chunk.choices:
            choice = reading.choices.setdefault(item.index, Choice())
            choice.finish = item.finish_reason or choice.finish
            _add(choice, item.delta if hasattr(item, "delta") else item)


def _add(choice: Choice, said: Any) -> None:
    """A message's, or a delta's, part of a choice."""
    if said is None:
        return
    choice.text += getattr(said, "content", None) or getattr(said, "text", None) or ""
    choice.reasoning += getattr(said, "reasoning_content", None) or getattr(said, "reasoning", None) or ""
    choice.refusal += getattr(said, "refusal", None) or ""
    for fields in (getattr(said, "provider_fields", None) or {}).values():
        choice.native |= fields
    for place, call in enumerate(getattr(said, "tool_calls", None) or ()):
        known = choice.calls.setdefault(getattr(call, "index", place), ["", "", ""])
        known[0] += call.id or ""
        known[1] += call.function.name or ""
        known[2] += call.function.arguments or ""
