"""What a provider's answer is made of, checked: another shape is a garbled answer, not one of Python's errors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, Protocol

import orjson

from app.dialects import JSON, ChunkStream
from app.errors import Cut, Garbled

_MALFORMED = (KeyError, IndexError, TypeError, AttributeError, ValueError)
"""What Python raises over a shape that it was not written for."""


@contextmanager
def _read(provider: str) -> Iterator[None]:
    try:
        yield
    except _MALFORMED as error:
        raise Garbled(f"{provider}'s answer is not what its format says: {_words(error)}") from error


def _words(error: Exception) -> str:
    """What was wrong. Our own words say what should be; Python's are none for a client."""
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return str(error) if "should" in str(error) else "a part of it is of another shape"


def whole(provider: str) -> Callable[[Callable[[JSON], JSON]], Callable[[JSON], JSON]]:
    """A decorator for a translator's `response`: what it stumbles over is Garbled."""

    def decorate(response: Callable[[JSON], JSON]) -> Callable[[JSON], JSON]:
        @wraps(response)
        def guarded(body: JSON) -> JSON:
            with _read(provider):
                return response(body)

        return guarded

    return decorate


def pieces(provider: str) -> Callable[[Callable[[], ChunkStream]], Callable[[], ChunkStream]]:
    """A decorator for a translator's `stream`: what it stumbles over is Garbled."""

    def decorate(stream: Callable[[], ChunkStream]) -> Callable[[], ChunkStream]:
        @wraps(stream)
        def guarded() -> ChunkStream:
            with _read(provider):
                yield from stream()

        return guarded

    return decorate


class Reading(Protocol):
    """A stream's answer as far as it has come."""

    finished: bool
    """Whether the provider has said that it is whole."""

    def go_on(self, event: JSON) -> list[JSON]:
        """The chunks that one event is."""

    def last(self) -> list[JSON]:
        """Those that only the end of the stream brings."""


def read(provider: str, begin: Callable[[], Reading]) -> Callable[[], ChunkStream]:
    """A translator's `stream`: sent each event, yields its chunks; sent None at the end. Raises Garbled and Cut."""

    def stream() -> ChunkStream:
        with _read(provider):
            reading = begin()
            chunks: list[JSON] = []
            while (event := (yield chunks)) is not None:
                chunks = reading.go_on(event)
            if not reading.finished:
                raise Cut(f"{provider} broke off the stream before it was whole")
            if last := reading.last():
                yield last

    return stream


def text(value: Any) -> str:
    """A string; nothing is an empty one. Raises TypeError for another thing."""
    if value is None or isinstance(value, str):
        return value or ""
    raise TypeError(f"{value!r:.100} should be a string")


def count(value: Any) -> int:
    """A number of tokens; nothing is 0. Some write it as a float."""
    tokens = 0 if value is None else int(number(value))
    if not 0 <= tokens < 2**53:
        raise ValueError(f"{value!r:.100} should be a number of tokens")
    return tokens


def number(value: Any) -> float:
    """A number that has to be there."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    raise TypeError(f"{value!r:.100} should be a number")


def mapping(value: Any) -> JSON:
    """An object; nothing is an empty one."""
    if value is None or isinstance(value, dict):
        return value or {}
    raise TypeError(f"{value!r:.100} should be an object")


def mappings(value: Any) -> list[JSON]:
    """A list of objects; nothing is an empty one."""
    if value is None or (isinstance(value, list) and all(isinstance(item, dict) for item in value)):
        return value or []
    raise TypeError(f"{value!r:.100} should be a list of objects")


def made_id(prefix: str, body: JSON) -> str:
    """An id for an answer that has none: the same for the same answer."""
    return f"{prefix}-{hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:24]}"
