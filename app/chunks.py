"""What a provider's bytes become for the client: events, passed on as they came or made anew by a dialect."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import orjson

from app.alike import Alike
from app.config import Endpoint
from app.dialects import JSON, ChunkStream, Unfinished, openai
from app.errors import Cut, Refused
from app.refusals import refused_under_200, retold
from app.sse import Decoder, Failure
from app.telemetry import Invocation

_DONE = b"[DONE]"
"""The data of the event after which nothing comes (OpenAI, "Streaming")."""

Decorate = Callable[[bytes], bytes]
"""What is added to a JSON object, whatever its texts say: at its end."""
Surface = Callable[[Endpoint], Decorate]
"""What a family of URLs adds to an endpoint's answers."""


class Chunks(Protocol):
    """One stream's: bytes in, chunks out, as JSON bytes each."""

    def take(self, data: bytes, into: list[bytes]) -> bool:
        """Add the chunks that some bytes end, or that the end of all does (b""); whether [DONE] was among the events.

        What follows that is nothing. Raises GatewayError for an event that is an error, or where there is none to be
        read; the chunks before it have been added.
        """

    def end(self, *, done: bool) -> list[bytes]:
        """The last chunks, at the stream's end; `done` says that [DONE] came. Raises Cut for an end that is none."""


def chunks_of(endpoint: Endpoint, payload: JSON, invocation: Invocation, decorate: Decorate) -> Chunks:
    """How the answer to a payload is read."""
    if endpoint.translator.stream is None:
        return Verbatim(endpoint, payload, invocation, decorate)
    return Translated(endpoint, payload, invocation, decorate, endpoint.translator.stream())


class Verbatim:
    """The dialect is the client's own: bytes pass as they came, parsed only to see usage, errors and garbage."""

    __slots__ = (
        "_alike", "_decoder", "_decorate", "_ended", "_endpoint", "_expected", "_invocation", "_wants_usage",
    )  # fmt: skip

    def __init__(self, endpoint: Endpoint, payload: JSON, invocation: Invocation, decorate: Decorate) -> None:
        self._endpoint, self._invocation, self._decorate = endpoint, invocation, decorate
        self._wants_usage = openai.asks_usage(payload) or not endpoint.asks_usage
        self._expected = payload.get("n") or 1
        self._ended: dict[int, bool] = {}  # choice by index: whether its finish_reason is here
        self._decoder, self._alike = Decoder(), Alike()

    def take(self, data: bytes, into: list[bytes]) -> bool:
        """See Chunks."""
        made = self._alike.made(data[6:-2])
        if made and data[:6] == b"data: " and data[-2:] == b"\n\n" and not self._decoder.pieces:
            into.append(made)  # most reads are one event: it needs no decoder
            return False
        return self._take_events(self._decoder.feed(data) if data else self._decoder.close(), into)

    def _take_events(self, events: Iterable[bytes], into: list[bytes]) -> bool:
        alike, decorate = self._alike, self._decorate
        for data in events:
            if type(data) is Failure:
                raise refused_under_200(self._endpoint, bytes(data))
            if made := alike.made(data):
                into.append(made)
                continue
            if data.startswith(_DONE):
                return True
            chunk = _object(data)
            if chunk is None:
                self._invocation.dropped_events += 1
                continue
            if chunk.get("error"):
                raise refused_under_200(self._endpoint, data)
            choices = chunk.get("choices")
            if usage := chunk.get("usage"):
                self._invocation.count(usage)
                if not choices and not self._wants_usage:
                    continue
            made = decorate(data)
            if not self._ends(choices) and not usage:
                alike.learn(data, made)
            into.append(made)
        return False

    def end(self, *, done: bool) -> list[bytes]:
        """See Chunks. [DONE] or, with providers that do not send it, a finish_reason of every choice is an end."""
        finished = len(self._ended) >= self._expected and all(self._ended.values())
        if not done and not finished:
            raise Cut(f"{self._endpoint.provider.name} broke off the stream before it was whole")
        return []

    def _ends(self, choices: Any) -> bool:
        """Note which choices have begun, and which are over; whether any of these are."""
        is_over = False
        for choice in choices if isinstance(choices, list) else ():
            if isinstance(choice, dict) and isinstance(index := choice.get("index", 0), int):
                if choice.get("finish_reason"):
                    is_over = self._ended[index] = True
                elif index not in self._ended:
                    self._ended[index] = False
        return is_over


class Translated:
    """The dialect is another: each event is what the translator makes of it."""

    def __init__(
        self, endpoint: Endpoint, payload: JSON, invocation: Invocation, decorate: Decorate, translation: ChunkStream
    ) -> None:
        self._endpoint, self._invocation, self._translation = endpoint, invocation, translation
        self._decorate = decorate
        self._decoder = endpoint.translator.decoder()
        self._wants_usage = openai.asks_usage(payload)
        self._expected = payload.get("n") or 1
        self._ended: dict[int, str] = {}  # choice by index: its finish_reason, where several are expected
        self._stamp = {
            "id": f"chatcmpl-{invocation.request_id}",
            "created": int(time.time()),
            "model": endpoint.model,
        }
        next(translation)

    def take(self, data: bytes, into: list[bytes]) -> bool:
        """See Chunks."""
        for event in self._decoder.feed(data) if data else self._decoder.close():
            if event.startswith(_DONE):
                return True
            said = _object(bytes(event))  # of a Failure, too: it says itself what it is
            if said is None:
                self._invocation.dropped_events += 1
                continue
            chunks = self._made(said)
            into += [made for chunk in chunks if (made := self._outgoing(chunk, said, event)) is not None]
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
        return self._decorate(data if chunk is said else orjson.dumps(stamped(chunk, self._stamp)))


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
