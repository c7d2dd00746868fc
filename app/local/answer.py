"""An answer of the built-in model, as pieces of bytes that each know how many tokens lead up to their end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from app.local.refusal import Refusal

DONE = b"data: [DONE]\n\n"


class Piece(NamedTuple):
    """Bytes, and the number of tokens that are out once they have been sent: what pacing and cutting count."""

    tokens: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, headers and pieces."""

    pieces: Iterable[Piece]
    content_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    def until(self, cut_after: int | None) -> Iterator[Piece]:
        """The pieces; after `cut_after` tokens ConnectionResetError, as from a connection that drops.

        A stream breaks between two events, a whole answer in the middle of its JSON.
        """
        for piece in self.pieces:
            if cut_after is not None and piece.tokens > cut_after:
                if self.content_type == "application/json":
                    yield Piece(cut_after, piece.data[: len(piece.data) * cut_after // piece.tokens])
                raise ConnectionResetError(f"cut on purpose: cut_after is {cut_after}")
            yield piece


def whole(body: Any, tokens: int) -> Answer:
    """One JSON body that took `tokens` tokens to make."""
    return Answer([Piece(tokens, orjson.dumps(body))])


def stream(chunks: Iterable[tuple[int, Any]]) -> Answer:
    """Server-sent events from (tokens so far, chunk), ended by `[DONE]`."""

    def pieces() -> Iterator[Piece]:
        tokens = 0
        for tokens, chunk in chunks:
            yield Piece(tokens, b"data: " + orjson.dumps(chunk) + b"\n\n")
        yield Piece(tokens, DONE)

    return Answer(pieces(), "text/event-stream")


def refused(refusal: Refusal) -> Answer:
    """The refusal as a response."""
    return Answer([Piece(0, orjson.dumps(refusal.body))], status=refusal.status, headers=refusal.headers)
