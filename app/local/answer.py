"""An answer of the built-in model: choices made of tokens, sent whole or as events; or a refusal, in OpenAI's shape."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from app.local import tokens
from app.local.payload import JSON, Refusal, flag, stops, wants_stream_usage
from app.local.prose import key

_made = itertools.count()


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


def refused(refusal: Refusal) -> Answer:
    """The refusal as a response."""
    headers = {} if refusal.retry_after is None else {"retry-after": str(refusal.retry_after)}
    return Answer([Piece(0, orjson.dumps(refusal.body))], status=refusal.status, headers=headers)


def whole(body: Any, tokens: int) -> Answer:
    """One JSON body that took `tokens` tokens to make."""
    return Answer([Piece(tokens, orjson.dumps(body))])


@dataclass(frozen=True, slots=True)
class Choice:
    """The tokens of one choice and its finish_reason; `tool` is the (id, name) of the tool that they are for."""

    index: int
    tokens: Sequence[str]
    finish_reason: str
    tool: tuple[str, str] | None = None

    @property
    def text(self) -> str:
        """The tokens joined: the text, or the tool's arguments."""
        return "".join(self.tokens)


def limited(index: int, text: str, payload: JSON, most: int | None) -> Choice:
    """`text` up to the payload's first stop string (left out) or the last token allowed, whichever comes first."""
    every = tokens.split(text)
    kept = every if most is None else every[:most]
    said = "".join(kept)
    ends = [at for stop in stops(payload) if (at := said.find(stop)) >= 0]
    if ends:
        return Choice(index, tokens.split(said[: min(ends)]), "stop")
    return Choice(index, kept, "stop" if len(kept) == len(every) else "length")


@dataclass(frozen=True, slots=True)
class Form:
    """How choices look in the JSON of one endpoint type: whole, and as they come token by token."""

    name: str
    chunk: str
    id: str
    entry: Callable[[Choice], JSON]
    first: Callable[[Choice], JSON | None]
    """What announces a choice, if anything does."""
    token: Callable[[Choice, str], JSON]
    end: Callable[[Choice], JSON]


def completion(payload: JSON, form: Form, prompt_tokens: int, choices: Sequence[Choice]) -> Answer:
    """The choices and their usage, whole, or as a stream if the payload asks for one."""
    streamed = flag(payload, "stream")
    used = _usage(prompt_tokens, choices)
    head = {
        "id": f"{form.id}-local-{key(payload, time.time_ns(), next(_made))}",
        "object": form.chunk if streamed else form.name,
        "created": int(time.time()),
        "model": payload.get("model"),
        "system_fingerprint": "fp_local",
    }
    if not streamed:
        return whole({**head, "choices": [form.entry(choice) for choice in choices], "usage": used}, _longest(choices))
    chunks = _chunks(form, choices, used if wants_stream_usage(payload) else None)
    return Answer(_events(head, chunks), "text/event-stream")


def _events(head: JSON, chunks: Iterator[tuple[int, JSON]]) -> Iterator[Piece]:
    number = 0
    for number, chunk in chunks:
        yield Piece(number, b"data: " + orjson.dumps({**head, **chunk}) + b"\n\n")
    yield Piece(number, b"data: [DONE]\n\n")


def _chunks(form: Form, choices: Sequence[Choice], used: JSON | None) -> Iterator[tuple[int, JSON]]:
    """(tokens so far, chunk): what announces each choice, the tokens, how each choice ends, and the usage."""
    extra = {"usage": None} if used else {}
    for choice in choices:
        if first := form.first(choice):
            yield 0, {"choices": [first], **extra}
    # The first token of every choice, then the second of every choice, and so on.
    rows = itertools.zip_longest(*(choice.tokens for choice in choices))
    for number, row in enumerate(rows, 1):
        for choice, token in zip(choices, row, strict=True):
            if token is not None:
                yield number, {"choices": [form.token(choice, token)], **extra}
    for choice in choices:
        yield _longest(choices), {"choices": [form.end(choice)], **extra}
    if used:
        yield _longest(choices), {"choices": [], "usage": used}


def _longest(choices: Iterable[Choice]) -> int:
    """Tokens of the longest choice: choices are made side by side, so it decides how long an answer takes."""
    return max(len(choice.tokens) for choice in choices)


def _usage(prompt_tokens: int, choices: Iterable[Choice]) -> JSON:
    """OpenAI's usage object; the name of a tool that is called costs its tokens too."""
    made = sum(len(choice.tokens) + (tokens.count(choice.tool[1]) if choice.tool else 0) for choice in choices)
    return {"prompt_tokens": prompt_tokens, "completion_tokens": made, "total_tokens": prompt_tokens + made}
