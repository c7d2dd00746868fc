"""Regular expressions in a plain subset, read as recipes: as the pattern is parsed, a text that it matches is made.

Known: characters, `.`, classes, \\d \\w \\s and their opposites, groups, alternatives, repeats, ^ and $. Nothing is
ever matched, so there is nothing to go back and try again: no pattern can hold a worker.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NoReturn

LONGEST = 1000
"""Characters of a text that is made from a pattern, and of a pattern."""
TURNS = 16
"""How many ways the alternatives and classes are taken in turn, and how many times more than needed repeats go on."""
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
PLAIN = "a0A1bB2cC- " + PRINTABLE + "\t"
"""What a class is represented by, the plainest first; no others, so that engines cannot differ over Unicode."""
SHORTHANDS = {"d": "0123456789", "w": "".join(char for char in PLAIN if char.isalnum() or char == "_"), "s": " \t"}
CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
START, END = "\x02", "\x03"
"""Stand in a text for ^ and $ while it is made."""
COUNTS = re.compile(r"[*+?]|\{(\d{1,6})(?:(,)(\d{0,6}))?\}")
GROUP = re.compile(r"\((\?:|\?P?<[A-Za-z_]\w*>)?(?!\?)")
HEX = re.compile(r"x([0-9A-Fa-f]{2})|u([0-9A-Fa-f]{4})")


def texts(pattern: str, least: int) -> Iterator[str]:
    """Texts that the pattern matches, some with `least` characters or more; ValueError if it is not of the subset."""
    for turn in range(TURNS):
        before = None
        for more in range(least + TURNS):
            try:
                made = _Recipe(pattern, turn, more).read()
            except ValueError:
                if more == 0:
                    raise
                break  # It has grown too long.
            text = made.lstrip(START).rstrip(END)
            if made == before or START in text or END in text:
                break  # It grows no more, or has something before its start or after its end.
            yield text
            if len(text) < least and not (made.startswith(START) and made.endswith(END)):
                yield text.rjust(least, "a") if made.endswith(END) else text.ljust(least, "a")
            before = made


class _Recipe:
    """A pattern, how far it has been read, and which of the texts it matches is being made."""

    def __init__(self, pattern: str, turn: int, more: int) -> None:
        self.pattern, self.turn, self.more = pattern, turn, more
        self.at = 0

    def read(self) -> str:
        if len(self.pattern) > LONGEST:
            self.fail(f"more than {LONGEST} characters")
        text = self.choice()
        if self.at < len(self.pattern):
            self.fail("a ')' without its '('")
        return text

    def fail(self, what: str) -> NoReturn:
        raise ValueError(f"it has {what}, at character {self.at}")

    def sees(self, char: str) -> bool:
        """Whether that is next; if so, it is passed."""
        seen = self.pattern.startswith(char, self.at)
        self.at += seen
        return seen

    def take(self) -> str:
        self.at += 1
        return self.pattern[self.at - 1] if self.at <= len(self.pattern) else self.fail("an end that comes too early")

    def found(self, expression: re.Pattern[str]) -> re.Match[str] | None:
        """What an expression (ours) finds next; that is passed."""
        found = expression.match(self.pattern, self.at)
        self.at = found.end() if found else self.at
        return found

    def choice(self) -> str:
        options = [self.sequence()]
        while self.sees("|"):
            options.append(self.sequence())
        return options[self.turn % len(options)]

    def sequence(self) -> str:
        text = ""
        while self.at < len(self.pattern) and self.pattern[self.at] not in "|)":
            text += self.repeated(self.atom())
            if len(text) > LONGEST:
                self.fail(f"more than {LONGEST} characters to match")
        return text

    def repeated(self, part: str) -> str:
        counts = self.found(COUNTS)
        if not counts:
            return part
        if not self.sees("?") and self.found(COUNTS):  # Lazy or greedy, the same texts match.
            self.fail("a repeat of a repeat")
        least = int(counts[1] or counts[0] == "+")
        most = float(counts[3] or "inf") if counts[2] or counts[0] in "*+" else least if counts[1] else 1
        if least > most:
            self.fail(f"a repeat of {counts[0]}")
        return part * int(min(least + self.more, most, LONGEST + 1))

    def atom(self) -> str:
        if self.pattern.startswith("(", self.at):
            return self.group()
        char = self.take()
        if char in "*+?{":
            self.fail(f"a {char!r} that repeats nothing")
        if char in "^$":
            return START if char == "^" else END
        if char == "[":
            return self.one_of(self.bracket())
        return self.one_of(PLAIN if char == "." else self.member(char))

    def one_of(self, chars: str) -> str:
        return chars[self.turn % len(chars)] if chars else self.fail("a class without a plain character")

    def group(self) -> str:
        if not self.found(GROUP):
            self.fail("a group of a kind that is not known, such as one that looks around")
        text = self.choice()
        return text if self.sees(")") else self.fail("a '(' without its ')'")

    def member(self, char: str) -> str:
        """What a character stands for: itself or, after a backslash, one or more others."""
        if code := self.found(HEX) if char == "\\" else None:
            char = chr(int(code[1] or code[2], 16))
        if char in (START, END) or "\ud800" <= char <= "\udfff":
            self.fail("a character that no text here may hold")
        if char != "\\" or code:
            return char
        char = self.take()
        if known := SHORTHANDS.get(char.lower()):
            return known if char.islower() else "".join(one for one in PLAIN if one not in known)
        if char.isalnum() and char not in CONTROLS:
            self.fail(f"\\{char}, which is not known")
        return CONTROLS.get(char, char)

    def bracket(self) -> str:
        """The characters of a class, after its `[`: of a range, those that are plain and its ends."""
        negated, chars = self.sees("^"), ""
        while not self.sees("]"):
            low = self.member(self.take())
            if self.pattern.startswith("-", self.at) and not self.pattern.startswith("-]", self.at):
                self.at += 1
                high = self.member(self.take())
                if len(low + high) > 2 or low > high:
                    self.fail("a range that is none")
                low = low + "".join(char for char in PLAIN if low < char < high) + high
            chars += low
        if not chars:
            self.fail("an empty class")  # On which engines differ.
        return "".join(char for char in PLAIN if char not in chars) if negated else chars
