"""What the built-in model says. It says what it is, and shows that it read the prompt."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import orjson

from app.local import tokens
from app.local.messages import Conversation, Said

WORD = re.compile(r"\w+")
QUOTED = 40
"""Tokens of the prompt that an answer repeats."""
READ = 4_000
"""Characters of the prompt that an answer looks at: it does not take longer to answer a book."""

OPENINGS = (
    "This is Weir's built-in model, which needs no key and no network.",
    "This is Weir's built-in model: no key, no account, no network.",
    "You have reached Weir's built-in model, which runs inside the gateway.",
    "Weir's built-in model here, a stand-in for a real one.",
)
CLOSINGS = (
    "For an answer with thought in it, name another provider in endpoints.yaml.",
    "Name another provider in endpoints.yaml and the same request goes to a real model.",
    "I do not think: I show that the gateway works, and that your request arrived whole.",
    "A real model would now say something clever; I only promise to say the same thing every time.",
)
CONTINUATIONS = (
    "something that Weir's built-in model can continue but not know",
    "a line that only a real model could finish well; this is Weir's built-in model",
    "left to the reader by Weir's built-in model, which needs no key and no network",
)
ENDINGS = (
    "Name another provider in endpoints.yaml and a real model will take it from there.",
    "The rest is for a real model to write.",
    "It says the same every time, which is what tests like.",
)


def key(*parts: Any) -> str:
    """A short name for JSON values, the same in every process: 24 hexadecimal digits."""
    return hashlib.blake2b(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()


def _pick(options: Sequence[str], *parts: Any) -> str:
    """One of `options`, decided by `parts`: it looks free and is the same every time."""
    return options[int(key(*parts), 16) % len(options)]


def reply(chat: Conversation, *variety: Any) -> str:
    """The answer to the last message of a chat; `variety` decides between wordings."""
    sentences = [_pick(OPENINGS, *variety), _what_was_said(chat), _what_it_is(chat.last)]
    if len(chat.said) > 1:
        sentences.append(f"It was message {len(chat.said)} of our conversation.")
    return " ".join([*filter(None, sentences), _pick(CLOSINGS, "closing", *variety)])


def continuation(prompt: str, *variety: Any) -> str:
    """How a prompt goes on, with the space that it needs before it."""
    seen = WORD.findall(prompt[-READ:])
    read = f"which read {_counted(len(seen), 'word')}" + (f" up to '{_clipped(seen[-1], 1)}'" if seen else "")
    text = f"{_pick(CONTINUATIONS, prompt, *variety)}, {read}. {_pick(ENDINGS, prompt, *variety)}"
    return text if not prompt or prompt[-1].isspace() else f" {text}"


def _clipped(text: str, most: int = QUOTED) -> str:
    """The first tokens of a text; an ellipsis says that there was more."""
    seen = tokens.split(text[: 40 * (most + 1)])
    return "".join(seen[:most]) + ("..." if len(seen) > most else "")


def _quoted(text: str) -> str:
    """A text on one line, clipped, in quotation marks."""
    return f'"{" ".join(_clipped(text).split())}"'


def _what_was_said(chat: Conversation) -> str:
    last = chat.last
    if not last.text:
        return "Your last message has no text."
    if last.role in ("tool", "function"):
        return f"The result of {chat.tool_of(last)} is: {_quoted(last.text)}."
    return f"You said: {_quoted(last.text)}."


def _what_it_is(last: Said) -> str:
    seen = WORD.findall(last.text[:READ])
    if not seen:
        return ""
    longest = max(seen, key=len)
    return f"That is {_counted(len(seen), 'word')}, the longest '{_clipped(longest, 1)}'."


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
