"""What a provider's events become for the client: the bytes that came, or what a dialect makes of them."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any, Protocol

import orjson

from app.config import Endpoint
from app.dialects import JSON, ChunkStream, Unfinished, openai
from app.errors import Cut, Refused
from app.refusals import refused_under_200, retold
from app.sse import Event
from app.telemetry import Invocation

_DONE = b"[DONE]"
"""The data of the event after which nothing comes (OpenAI, "Streaming")."""


class Chunks(Protocol):
    """One stream's: events in, chunks out, as JSON bytes each."""

    def take(self, events: Iterable[Event], into: list[bytes]) -> bool:
        """Add the chunks that some events are; whether [DONE] was among them: what follows it is nothing.

        Raises GatewayError for an event that is an error; the chunks before it have been added.
        """

    def end(self, *, done: bool) -> list[bytes]:
        """The last chunks, at the stream's end; `done` says that [DONE] came. Raises Cut for an end that is none."""


def chunks_of(endpoint: Endpoint, payload: JSON, invocation: Invocation) -> Chunks:
    """How the answer to a payload is read."""
    if endpoint.translator.stream is None:
        return Verbatim(endpoint, payload, invocation)
    return Translated(endpoint, payload, invocation, endpoint.translator.stream())


class Verbatim:
    """The dialect is the client's own: bytes pass as they came, parsed only to see usage, errors and garbage."""

    def __init__(self, endpoint: Endpoint, payload: JSON, invocation: Invocation) -> None:
        self._endpoint, self._invocation = endpoint, invocation
        self._wants_usage = openai.asks_usage(payload) or not endpoint.asks_usage
        self._expected = payload.get("n") or 1
        self._ended: dict[int, bool] = {}  # choice by index: whether its finish_reason is here

    def take(self, events: Iterable[Event], into: list[bytes]) -> bool:
        """See Chunks."""
        for data, name in events:
            chunk = _object(data)
            if chunk is None:
                if data.startswith(_DONE):
                    return True
                self._invocation.dropped_events += 1
                continue
            if name == b"error" or chunk.get("error"):
                raise refused_under_200(self._endpoint, data)
            choices = chunk.get("choices")
            if usage := chunk.get("usage"):
                self._invocation.count(usage)
                if not choices and not self._wants_usage:
                    continue
            if choices:
                self._note_ends(choices)
            into.append(data)
        return False

    def end(self, *, done: bool) -> list[bytes]:
        """See Chunks. [DONE] or, with providers that do not send it, a finish_reason of every choice is an end."""
        finished = len(self._ended) >= self._expected and all(self._ended.values())
        if not done and not finished:
            raise Cut(f"{self._endpoint.provider.name} broke off the stream before it was whole")
        return []

    def _note_ends(self, choices: Any) -> None:
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and isinstance(index := choice.get("index", 0), int):
                if choice.get("finish_reason"):
                    self._ended[index] = True
                elif index not in self._ended:
                    self._ended[index] = False


class Translated:
    """The dialect is another: each event is what the translator makes of it."""

    def __init__(self, endpoint: Endpoint, payload: JSON, invocation: Invocation, translation: ChunkStream) -> None:
        self._endpoint, self._invocation, self._translation = endpoint, invocation, translation
        self._wants_usage = openai.asks_usage(payload)
        self._expected = payload.get("n") or 1
        self._ended: dict[int, str] = {}  # choice by index: its finish_reason, where several are expected
        self._stamp = {
            "id": f"chatcmpl-{invocation.request_id}",
            "created": int(time.time()),
            "model": endpoint.model,
        }
        next(translation)

    def take(self, events: Iterable[Event], into: list[bytes]) -> bool:
        """See Chunks."""
        for data, _ in events:
            said = _object(data)
            if said is None:
                if data.startswith(_DONE):
                    return True
                self._invocation.dropped_events += 1
                continue
            chunks = self._made(said)
            into += [made for chunk in chunks if (made := self._outgoing(chunk, said, data)) is not None]
        return False

    def _made(self, said: JSON) -> list[JSON]:
        try:
            return self._translation.send(said)
        except Refused as error:
            raise retold(self._endpoint, error) from error
        except StopIteration:  # it knows that the stream is over
            return []

    def end(self, *, done: bool) -> list[bytes]:
        """See Chunks. After [DONE] a translator may miss a finish_reason: the provider itself says that it is whole."""
        try:
            made = self._translation.send(None)
        except StopIteration:
            made = []
        except Cut as error:
            if not done:
                raise
            made = error.last if isinstance(error, Unfinished) else []
        chunks = [data for chunk in made if (data := self._outgoing(chunk, None, b"")) is not None]
        if not done and self._lacks_choices():
            raise Cut(f"{self._endpoint.provider.name} ended the stream without all the choices that were asked for")
        return chunks

    def _lacks_choices(self) -> bool:
        """Whether there are fewer than were asked for. A prompt that is refused is refused once."""
        lacks = self._expected > 1 and len(self._ended) < self._expected
        return lacks and "content_filter" not in self._ended.values()

    def _outgoing(self, chunk: JSON, said: JSON | None, data: bytes) -> bytes | None:
        """A chunk as bytes, its usage counted; None for usage that the client did not ask for."""
        if usage := chunk.get("usage"):
            self._invocation.count(usage)
            if not chunk.get("choices") and not self._wants_usage:
                return None
        if self._expected > 1:
            self._ended |= {choice["index"]: end for choice in chunk["choices"] if (end := choice.get("finish_reason"))}
        return data if chunk is said else orjson.dumps(stamped(chunk, self._stamp))


def _object(data: bytes) -> JSON | None:
    """An event's JSON object; None for what is none."""
    try:
        said = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return said if isinstance(said, dict) else None


def stamped(body: JSON, stamp: JSON) -> JSON:
    """The body with what every answer has, where the provider has not said it."""
    for key in stamp:
        if body.get(key) is None:
            return {**stamp, **{key: value for key, value in body.items() if value is not None or key not in stamp}}
    return body
