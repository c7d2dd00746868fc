"""Regular expressions as JSON Schema's `pattern` has them: strings that match, and whether a string matches.

Our own, and not `re`, for two reasons: a string that matches can be built from the parsed expression, and matching
keeps the set of places where it could be instead of going back, so that no pattern of a client's can hold a worker.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from app.local.expressions import Choice, Class, Edge, Node, Repeat, Sequence, Unsupported, parse

LONGEST = 1000
"""Characters of a string that is built or matched."""
LOOKS = 20_000
"""Nodes of an expression that one construction looks at; a search, which looks from many places, 15 times as many."""
VARIANTS = 16
"""How many ways are tried at each turn."""


def matches(pattern: str, text: str) -> bool:
    """Whether `pattern` matches somewhere in `text`; raises Unsupported if that cannot be told in short."""
    if len(text) > LONGEST:
        raise Unsupported(f"it is matched with a text of more than {LONGEST} characters")
    return bool(_Search(text).ends(_parsed(pattern), set(range(len(text) + 1))))


def strings(pattern: str, least: int, most: int) -> Iterator[str]:
    """Some strings that match and have `least` to `most` characters, none twice."""
    seen: set[str] = set()
    for candidate in _candidates(_parsed(pattern), least, min(most, LONGEST)):
        if least <= len(candidate) <= most and candidate not in seen:
            seen.add(candidate)
            if matches(pattern, candidate):
                yield candidate


@lru_cache(maxsize=128)
def _parsed(pattern: str) -> Node:
    return parse(pattern)


class _Search:
    """One text, and how much longer it may be searched."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.looks = LOOKS * 15

    def ends(self, node: Node, starts: set[int]) -> set[int]:
        """Where a match of `node` can end if it starts at one of `starts`."""
        self.looks -= 1 + len(starts)
        if self.looks < 0:
            raise Unsupported("it takes too long to match")
        if isinstance(node, Class):
            return {at + 1 for at in starts if at < len(self.text) and node.has(self.text[at])}
        if isinstance(node, Edge):
            return starts & ({0} if node.start else {len(self.text)})
        if isinstance(node, Choice):
            return set().union(*(self.ends(option, starts) for option in node.options))
        if isinstance(node, Repeat):
            return self._repeated(node, starts)
        for part in node.parts:
            starts = self.ends(part, starts) if starts else starts
        return starts

    def _repeated(self, node: Repeat, starts: set[int]) -> set[int]:
        for _ in range(node.least):
            before, starts = starts, self.ends(node.part, starts)
            if starts == before:
                break
        reached, new, count = set(starts), starts, node.least
        while new and (node.most is None or count < node.most):
            new = self.ends(node.part, new) - reached
            reached |= new
            count += 1
        return reached


def _candidates(node: Node, least: int, most: int) -> Iterator[str]:
    """Each option of the alternatives in turn, each repeat in turn as often as the length asks, and padding around."""
    for option in range(VARIANTS):
        builder = _Builder(option)
        shortest = builder.build(node)
        pad = "a" * max(least - len(shortest), 0)
        yield from (shortest, shortest + pad, pad + shortest)
        for which in range(min(builder.repeats, VARIANTS)):
            yield from _grown(node, (option, which), shortest, (least, most))
        yield from (shortest + "a" * extra for extra in range(1, VARIANTS))


def _grown(node: Node, chosen: tuple[int, int], shortest: str, length: tuple[int, int]) -> Iterator[str]:
    """Strings in which one repeat goes on, from where the least length is reached."""
    unit = len(_Builder(*chosen, 1).build(node)) - len(shortest)
    if unit <= 0:
        return
    first = max(1, -(-(length[0] - len(shortest)) // unit))
    for extra in range(first, first + VARIANTS):
        if len(shortest) + unit * extra > length[1]:
            return
        yield _Builder(*chosen, extra).build(node)


class _Builder:
    """Builds one string: everywhere the alternative and the character numbered `option`, and every repeat at its least.

    The repeat numbered `which` is made `extra` times more.
    """

    def __init__(self, option: int, which: int = -1, extra: int = 0) -> None:
        self.option = option
        self.which = which
        self.extra = extra
        self.repeats = 0
        self.looks = LOOKS

    def build(self, node: Node) -> str:
        """The string; raises Unsupported if it gets too long."""
        self.looks -= 1
        if self.looks < 0:
            raise Unsupported("it is too long")
        if isinstance(node, Class):
            return node.any(self.option)
        if isinstance(node, Edge):
            return ""
        if isinstance(node, Choice):
            return self.build(node.options[self.option % len(node.options)])
        if isinstance(node, Sequence):
            return _bounded(self.build(part) for part in node.parts)
        return self._repeat(node)

    def _repeat(self, node: Repeat) -> str:
        times = node.least + (self.extra if self.repeats == self.which else 0)
        times = times if node.most is None else min(times, node.most)
        self.repeats += 1
        once = self.build(node.part)
        return _bounded(once for _ in range(min(times, LONGEST + 1) if once else 0))


def _bounded(parts: Iterator[str]) -> str:
    built = ""
    for part in parts:
        built += part
        if len(built) > LONGEST:
            raise Unsupported(f"its shortest match has more than {LONGEST} characters")
    return built
