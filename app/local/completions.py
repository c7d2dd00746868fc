"""Text completions of the built-in model: how a prompt goes on."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.local import prose, tokens
from app.local.answer import Answer, stream, whole
from app.local.choices import Choice, Limits, in_turns, limited, longest, usage
from app.local.payload import (
    JSON,
    MOST_CHOICES,
    as_text,
    flag,
    integer,
    is_integer,
    refuse,
    stops,
    wants_stream_usage,
)
from app.local.refusal import Refusal
from app.local.variety import key

_calls = itertools.count()


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt's text (None for token ids, which the built-in model cannot read) and its tokens."""

    text: str | None
    tokens: int


def answer(payload: JSON) -> Answer:
    """The completion: whole, or a stream if the payload asks for one."""
    given = prompts(payload.get("prompt"))
    choices = _choices(payload, given)
    used = usage(sum(prompt.tokens for prompt in given), choices)
    head = {
        "id": f"cmpl-local-{key(payload, time.time_ns(), next(_calls))}",
        "object": "text_completion",
        "created": int(time.time()),
        "model": payload.get("model"),
        "system_fingerprint": "fp_local",
    }
    echoes = _echoes(payload, given, len(choices))
    if flag(payload, "stream"):
        return stream(_chunks(head, choices, echoes, used if wants_stream_usage(payload) else None))
    listed = [_entry(one.index, echo + one.text, one.finish_reason) for one, echo in zip(choices, echoes, strict=True)]
    return whole({**head, "choices": listed, "usage": used}, longest(choices))


def prompts(value: Any) -> list[Prompt]:
    """The prompts in any of the four forms that OpenAI takes: text, texts, token ids, lists of token ids."""
    if isinstance(value, str):
        return [Prompt(value, tokens.count(value))]
    if not isinstance(value, list) or not value:
        raise refuse("prompt", value, "a string, a list of strings, a list of token ids or a list of those")
    if all(map(is_integer, value)):
        return [Prompt(None, len(value))]
    return [_prompt(one, f"prompt[{index}]") for index, one in enumerate(value)]


def _prompt(value: Any, place: str) -> Prompt:
    if isinstance(value, list) and value and all(map(is_integer, value)):
        return Prompt(None, len(value))
    return Prompt(as_text(value, place), tokens.count(value))


def _choices(payload: JSON, given: list[Prompt]) -> list[Choice]:
    """`n` choices for the first prompt, `n` for the second, and so on; each differs by its index."""
    number = integer(payload, "n", 1, 128) or 1
    if number * len(given) > MOST_CHOICES:
        raise Refusal(f"{len(given)} prompts times n {number} is more than {MOST_CHOICES} choices", "n")
    limits = Limits(integer(payload, "max_tokens", 0), stops(payload))
    suffix = "" if payload.get("suffix") is None else as_text(payload["suffix"], "suffix")
    each = [prompt for prompt in given for _ in range(number)]
    return [
        limited(index, prose.continuation(_readable(prompt), suffix, payload.get("seed"), index, prompt.text), limits)
        for index, prompt in enumerate(each)
    ]


def _readable(prompt: Prompt) -> str:
    return f"{prompt.tokens} token ids" if prompt.text is None else prompt.text


def _echoes(payload: JSON, given: list[Prompt], choices: int) -> list[str]:
    """What stands before each choice: its prompt with `echo`, else nothing."""
    if not flag(payload, "echo"):
        return [""] * choices
    if any(prompt.text is None for prompt in given):
        raise Refusal("echo needs prompts that are text: the built-in model cannot read token ids", "echo")
    return [prompt.text or "" for prompt in given for _ in range(choices // len(given))]


def _entry(index: int, text: str, finish_reason: str | None) -> JSON:
    return {"index": index, "text": text, "logprobs": None, "finish_reason": finish_reason}


def _chunks(head: JSON, choices: list[Choice], echoes: list[str], used: JSON | None) -> Iterator[tuple[int, JSON]]:
    """(tokens so far, chunk): the prompts if they are echoed, the tokens, how each choice ends, and the usage."""
    extra = {"usage": None} if used else {}
    for choice, echo in zip(choices, echoes, strict=True):
        if echo:
            yield 0, {**head, "choices": [_entry(choice.index, echo, None)], **extra}
    for number, choice, token in in_turns(choices):
        yield number, {**head, "choices": [_entry(choice.index, token, None)], **extra}
    end = longest(choices)
    for choice in choices:
        yield end, {**head, "choices": [_entry(choice.index, "", choice.finish_reason)], **extra}
    if used:
        yield end, {**head, "choices": [], "usage": used}
