"""The payload of an `llm/v1/completions` endpoint (OpenAI, "Create completion")."""

from __future__ import annotations

from app.schemas.fields import Exactly, StringOrListOf, text_or_tokens
from app.schemas.sampling import SamplingSchema


class CompletionsSchema(SamplingSchema):
    """A prompt (text, several texts, tokens) and how to go on from it."""

    prompt = StringOrListOf(text_or_tokens, at_least=1, required=True)
    max_tokens = Exactly("an integer", least=0)  # 0 with echo and logprobs scores a prompt
    best_of = Exactly("an integer", least=1)
    echo = Exactly("a boolean")
    logprobs = Exactly("an integer", least=0)
    suffix = Exactly("a string")
