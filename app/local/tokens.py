"""The built-in model's tokens: words and punctuation marks, each with the space before it; joined, the text again.

A word longer than 16 characters counts once per 16 characters; other white space counts once per character.
The first tokens of a text are the tokens of its beginning, so a text that was cut is counted as what was sent.
"""

from __future__ import annotations

import re

TOKEN = re.compile(r" ?\w{1,16}| ?[^\w\s]|\s")


def split(text: str) -> list[str]:
    """The tokens of `text`, in order; `"".join(split(text)) == text`."""
    return TOKEN.findall(text)


def count(text: str | list[int]) -> int:
    """How many tokens `text` has; it may be given as their ids."""
    return len(split(text) if isinstance(text, str) else text)
