"""Text completions of the built-in model: how a prompt goes on."""

from __future__ import annotations

from app.local import prose
from app.local.answer import Answer, Choice, Form, completion, limited
from app.local.payload import JSON, MOST_CHOICES, Refusal, Text, integer, refuse_what_is_not_done, texts
from app.local.tokens import count


def answer(payload: JSON) -> Answer:
    """The completion: whole, or a stream if the payload asks for one."""
    refuse_what_is_not_done(payload, "echo", "suffix", "logprobs")
    prompts = texts(payload.get("prompt"), "prompt")
    return completion(payload, FORM, sum(map(count, prompts)), _choices(payload, prompts))


def _choices(payload: JSON, prompts: list[Text]) -> list[Choice]:
    """`n` choices for the first prompt, `n` for the second, and so on; each differs by its index."""
    number = integer(payload, "n", 1, 128) or 1
    if number * len(prompts) > MOST_CHOICES:
        raise Refusal(f"{len(prompts)} prompts times n {number} is more than {MOST_CHOICES} choices", "n")
    most = integer(payload, "max_tokens", 0)
    each = enumerate(prompt for prompt in prompts for _ in range(number))
    return [
        limited(index, prose.continuation(_readable(prompt), payload.get("seed"), index), payload, most)
        for index, prompt in each
    ]


def _readable(prompt: Text) -> str:
    return prompt if isinstance(prompt, str) else f"{len(prompt)} token ids"


def _entry(choice: Choice, text: str, finish_reason: str | None) -> JSON:
    return {"index": choice.index, "text": text, "logprobs": None, "finish_reason": finish_reason}


FORM = Form(
    name="text_completion",
    chunk="text_completion",
    id="cmpl",
    entry=lambda choice: _entry(choice, choice.text, choice.finish_reason),
    first=lambda choice: None,
    token=lambda choice, token: _entry(choice, token, None),
    end=lambda choice: _entry(choice, "", choice.finish_reason),
)
