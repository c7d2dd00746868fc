"""The grammar of regular expressions, as far as the built-in model knows it: text in, a tree out.

Known: characters, `.`, classes, \\d \\w \\s and their opposites, groups, alternatives, repeats, ^ and $. Not known:
looking around, going back to a group, word borders, Unicode classes: those raise Unsupported.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import chain, islice
from typing import NoReturn

FAVOURITES = "a0A1 -_.@/:#"
"""Tried first where a class leaves a choice."""
LAST = 0x10FFFF
DEEPEST = 40
"""Groups inside groups."""
Range = tuple[int, int]
DIGIT: tuple[Range, ...] = ((0x30, 0x39),)
WORD: tuple[Range, ...] = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
SPACE: tuple[Range, ...] = ((0x09, 0x0D), (0x20, 0x20), (0xA0, 0xA0), (0x2028, 0x2029))
CONTROL = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
COUNTS = re.compile(r"\{(\d{1,6})(,(\d{0,6}))?\}")
GROUP = re.compile(r"\((\?:|\?P?<[A-Za-z_]\w*>)?(?!\?)")
HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})|u\{([0-9A-Fa-f]{1,5})\}")


class Unsupported(Exception):
    """The pattern is not a regular expression, or uses something that is not known here."""


@dataclass(frozen=True, slots=True)
class Class:
    """One character inside, or (`negated`) outside, ranges of code points."""

    ranges: tuple[Range, ...]
    negated: bool = False

    def has(self, char: str) -> bool:
        """Whether the character is of the class."""
        return any(low <= ord(char) <= high for low, high in self.ranges) != self.negated

    def any(self, option: int) -> str:
        """A character of the class, a plain one if there is one; another for another option, if there is another."""
        lows = (chr(low + more) for low, high in self.ranges for more in range(min(high - low, 9) + 1))
        others = map(chr, range(0x21, 0x3000)) if self.negated else ()
        every = (char for char in chain(FAVOURITES, lows, others) if not "\ud800" <= char <= "\udfff")
        plain = (char for char in every if self.has(char))
        found = list(dict.fromkeys(islice(plain, option + 1)))
        if not found:
            raise Unsupported("it has a class without a character")
        return found[option % len(found)]


@dataclass(frozen=True, slots=True)
class Edge:
    """The start or the end of the text."""

    start: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after the other."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """The part at least `least` and at most `most` times; None: any number."""

    part: Node
    least: int
    most: int | None


Node = Class | Edge | Sequence | Choice | Repeat


def parse(pattern: str) -> Node:
    """The tree of a pattern; raises Unsupported."""
    parser = _Parser(pattern)
    node = parser.choice()
    if parser.at < len(pattern):
        parser.fail("a ')' without its '('")
    return node


class _Parser:
    """A pattern and the place in it."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0

    def fail(self, what: str) -> NoReturn:
        raise Unsupported(f"it has {what}, at character {self.at}")

    def sees(self, text: str) -> bool:
        return self.pattern.startswith(text, self.at)

    def take(self) -> str:
        """The next character."""
        if self.at >= len(self.pattern):
            self.fail("an end that comes too early")
        self.at += 1
        return self.pattern[self.at - 1]

    def choice(self) -> Node:
        options = [self.sequence()]
        while self.sees("|"):
            self.at += 1
            options.append(self.sequence())
        return options[0] if len(options) == 1 else Choice(tuple(options))

    def sequence(self) -> Node:
        parts: list[Node] = []
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            parts.append(self.repeated(self.atom()))
        return Sequence(tuple(parts))

    def repeated(self, part: Node) -> Node:
        counts = self.counts()
        if counts is None:
            return part
        if self.sees("?"):
            self.at += 1  # Lazy or greedy, the same strings match.
        elif self.sees("+") or self.sees("*") or self.counts_next():
            self.fail("a repeat of a repeat")
        least, most = counts
        if most is not None and least > most:
            self.fail(f"a repeat of {least} to {most}")
        return Repeat(part, least, most)

    def counts_next(self) -> bool:
        return COUNTS.match(self.pattern, self.at) is not None

    def counts(self) -> tuple[int, int | None] | None:
        """What `*`, `+`, `?` or `{m,n}` say; None where there is none of them."""
        found = COUNTS.match(self.pattern, self.at)
        if found:
            self.at = found.end()
            least = int(found[1])
            return least, (least if not found[2] else int(found[3]) if found[3] else None)
        for sign, counts in (("*", (0, None)), ("+", (1, None)), ("?", (0, 1))):
            if self.sees(sign):
                self.at += 1
                return counts
        return None

    def atom(self) -> Node:
        char = self.pattern[self.at]
        if char == "(":
            return self.group()
        self.at += 1
        if char in "*+?":
            self.fail(f"a {char!r} with nothing before it")
        if char == "[":
            return self.bracket()
        if char in "^$":
            return Edge(char == "^")
        if char == ".":
            return Class(((0x0A, 0x0A), (0x0D, 0x0D), (0x2028, 0x2029)), negated=True)
        return self.escape() if char == "\\" else _one(char)

    def group(self) -> Node:
        found = GROUP.match(self.pattern, self.at)
        if not found:
            self.fail("a group of a kind that the built-in model does not know")
        self.at = found.end()
        self.depth += 1
        if self.depth > DEEPEST:
            self.fail(f"more than {DEEPEST} groups inside each other")
        node = self.choice()
        if self.take() != ")":
            self.fail("a '(' without its ')'")
        self.depth -= 1
        return node

    def escape(self) -> Class:
        """What follows a backslash."""
        char = self.take()
        for letter, ranges in (("d", DIGIT), ("w", WORD), ("s", SPACE)):
            if char.lower() == letter:
                return Class(ranges, negated=char.isupper())
        found = HEX.match(self.pattern, self.at - 1)
        if found:
            self.at = found.end()
            return _one(chr(int(next(filter(None, found.groups())), 16)))
        if char in CONTROL:
            return _one(CONTROL[char])
        if char.isalnum():
            self.fail(f"\\{char}, which the built-in model does not know")
        return _one(char)

    def bracket(self) -> Class:
        """What follows a `[`."""
        negated = self.sees("^")
        self.at += negated
        ranges: list[Range] = []
        while not self.sees("]"):
            ranges += self.ranges()
        self.at += 1
        return Class(tuple(ranges), negated)

    def ranges(self) -> tuple[Range, ...]:
        """The next member of a class in brackets: a character, a shorthand, or a range."""
        low = self.member()
        if not self.sees("-") or self.pattern[self.at + 1 : self.at + 2] in ("]", ""):
            return _complement(low.ranges) if low.negated else low.ranges
        self.at += 1
        high = self.member()
        ends = (low.ranges[0][0], high.ranges[-1][1])
        if len(low.ranges) + len(high.ranges) != 2 or low.negated or high.negated or ends[0] > ends[1]:
            self.fail("a range that is none")
        return (ends,)

    def member(self) -> Class:
        char = self.take()
        if char != "\\":
            return _one(char)
        if self.sees("b"):
            self.at += 1
            return _one("\b")
        return self.escape()


def _one(char: str) -> Class:
    return Class(((ord(char), ord(char)),))


def _complement(ranges: tuple[Range, ...]) -> tuple[Range, ...]:
    """Everything outside `ranges`, which are in order."""
    starts = [0, *(high + 1 for _, high in ranges)]
    stops = [*(low - 1 for low, _ in ranges), LAST]
    return tuple((low, high) for low, high in zip(starts, stops, strict=True) if low <= high)
