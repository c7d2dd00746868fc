"""Wire formats: pure functions between the gateway's own format (OpenAI's) and a provider's."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Protocol

from app import sse
from app.errors import Cut

JSON = dict[str, Any]
"""A JSON object."""


@dataclass(frozen=True, slots=True)
class Body:
    """A provider's body, and the names of what the client said that it does not say, or says otherwise."""

    json: JSON
    adjusted: tuple[str, ...] = ()


ChunkStream = Generator[list[JSON], "JSON | None", None]
"""A stream being translated: primed with next(), sent each event's data, it gives the chunks that it is.

Sent None at the stream's end it gives the last ones. It raises Refused for an error event, Cut for an end that is none.
"""


class Unfinished(Cut):
    """An end that is one only if the provider itself says so, with [DONE]."""

    def __init__(self, message: str, last: list[JSON]) -> None:
        super().__init__(message)
        self.last = last
        """The last chunks, if it does."""


class Decoder(Protocol):
    """Bytes in whatever pieces they come -> events, each its data."""

    def feed(self, data: bytes) -> list[bytes]:
        """The events that end in `data`. Raises Garbled."""

    def close(self) -> list[bytes]:
        """What stands there unended when the stream is over. Raises Cut, Garbled."""


@dataclass(frozen=True, slots=True)
class Translator:
    """Between our schema for one endpoint type and a dialect's. Pure: no I/O; what comes in is copied, not changed.

    `response` and `stream` may give back the very object that they were given: then the provider's own bytes pass.
    """

    path: str
    """The path below the provider's base URL; may hold `{model}`."""
    request: Callable[[str, JSON], Body]
    """(model, "" for none, payload) -> the provider's body. Raises InvalidPayload for what it cannot say."""
    response: Callable[[JSON], JSON] | None = None
    """The provider's body -> ours; None: the dialect is the client's own. Raises Garbled, Refused."""
    stream: Callable[[], ChunkStream] | None = None
    """The provider's stream -> ours; None: the dialect is the client's own or, beside a `response`, cannot stream."""
    stream_path: str | None = None
    """The path for a stream, where it is another than `path`."""
    decoder: Callable[[], Decoder] = sse.Decoder
    """How a stream's bytes become events."""
    batch: int | None = None
    """The most inputs that one call takes, for embeddings; None: no limit."""
    wants_bytes: bool = False
    """Whether images should come as data URLs: the provider does not fetch them, or not from everywhere."""

    @property
    def can_stream(self) -> bool:
        """Whether a stream can be asked for."""
        return self.response is None or self.stream is not None
