"""One choice of an answer: its tokens, and why it ends there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from app.local import tokens


@dataclass(frozen=True, slots=True)
class Tool:
    """A call of a tool: what the choice's tokens are the arguments of."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Limits:
    """Where an answer ends before it is over: a number of tokens, and strings."""

    most: int | None = None
    stops: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Choice:
    """The tokens of one choice and its finish_reason."""

    index: int
    tokens: tuple[str, ...]
    finish_reason: str
    tool: Tool | None = None

    @property
    def text(self) -> str:
        """The tokens joined: the text, or the tool's arguments."""
        return "".join(self.tokens)

    @property
    def cost(self) -> int:
        """In tokens: what is said, and the name of the tool."""
        return len(self.tokens) + (tokens.count(self.tool.name) if self.tool else 0)


def limited(index: int, text: str, limits: Limits) -> Choice:
    """`text` up to the first stop string (which is left out) or the last token allowed, whichever comes first."""
    every = tokens.split(text)
    kept = every if limits.most is None else every[: limits.most]
    said = "".join(kept)
    ends = [at for stop in limits.stops if (at := said.find(stop)) >= 0]
    if ends:
        return Choice(index, tuple(tokens.split(said[: min(ends)])), "stop")
    return Choice(index, tuple(kept), "stop" if len(kept) == len(every) else "length")


def called(index: int, tool: Tool, arguments: str, limits: Limits) -> Choice:
    """A call of a tool. Stop strings are for text: they do not cut arguments."""
    choice = limited(index, arguments, Limits(limits.most))
    reason = "length" if choice.finish_reason == "length" else "tool_calls"
    return Choice(index, choice.tokens, reason, tool)


def in_turns(choices: Sequence[Choice]) -> Iterator[tuple[int, Choice, str]]:
    """(number, choice, token): the first token of every choice, then the second of every choice, and so on."""
    rows = zip_longest(*(choice.tokens for choice in choices))
    for number, row in enumerate(rows, 1):
        for choice, token in zip(choices, row, strict=True):
            if token is not None:
                yield number, choice, token


def longest(choices: Iterable[Choice]) -> int:
    """Tokens of the longest choice: choices are made side by side, so it decides how long an answer takes."""
    return max(len(choice.tokens) for choice in choices)


def usage(prompt_tokens: int, choices: Iterable[Choice]) -> dict[str, int]:
    """OpenAI's usage object."""
    completion = sum(choice.cost for choice in choices)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": prompt_tokens + completion,
    }
