"""A payload being translated key by key, so that nothing in it is lost by being forgotten.

Three fates (docs/decisions/0007): what has a counterpart is taken; what has none and only shapes the sampling is left
out, and named to the client; what has none and changes what the answer *is* is refused. The rest goes on as it is.
"""

from __future__ import annotations

from typing import Any

from app.dialects import JSON
from app.errors import InvalidPayload, Problem

HANDLING = (
    "store",
    "metadata",
    "prompt_cache_key",
    "prompt_cache_options",
    "safety_identifier",
    "prediction",
    "verbosity",
)
"""OpenAI's own parameters that change how a request is handled, not what is asked."""

SAMPLING = ("seed", "presence_penalty", "frequency_penalty", "logit_bias", "best_of")
"""Parameters that shape which words are chosen."""

CONTENTS = (
    "logprobs",
    "top_logprobs",
    "audio",
    "modalities",
    "functions",
    "function_call",
    "web_search_options",
    "moderation",
)
"""Parameters without which the answer would be another."""


_NOTHING: tuple[Any, ...] = (None, False, 0, "", [], ["text"])
"""Values that ask for nothing: the last one is what `modalities` are without it. `{}` is no such, but all defaults."""


class Fields:
    """What is left of a payload; `adjusted` names what the provider will not see as the client said it.

    Its `model` is taken from the start: it is an endpoint's name, of which a provider knows nothing.
    """

    def __init__(self, payload: JSON) -> None:
        self._left = {key: value for key, value in payload.items() if value is not None and key != "model"}
        self.adjusted: list[str] = []

    def take(self, *names: str) -> Any:
        """The value of the first of `names` that is there; all of them count as taken."""
        values = [self._left.pop(name) for name in names if name in self._left]
        return values[0] if values else None

    def clamp(self, name: str, low: float, high: float) -> float | None:
        """A number, moved into the provider's range; never rescaled."""
        value: float | None = self.take(name)
        if value is None or low <= value <= high:
            return value
        self.adjusted.append(name)
        return min(max(value, low), high)

    def leave_out(self, *names: str) -> None:
        """Drop what has no counterpart and only shapes the sampling or the handling."""
        self.adjusted += [name for name in names if self._left.pop(name, None) is not None]

    def refuse(self, *names: str, by: str) -> None:
        """Raise InvalidPayload for what has no counterpart and changes the answer, but for values that ask nothing."""
        problems = [
            Problem((name,), f"{by} has no counterpart for this")
            for name in names
            if self._left.pop(name, None) not in _NOTHING
        ]
        if problems:
            raise InvalidPayload(problems)

    def one_choice(self, by: str) -> None:
        """Refuse an `n` above 1."""
        if (self.take("n") or 1) > 1:
            raise InvalidPayload([Problem(("n",), f"{by} gives one choice per call")])

    def rest(self) -> JSON:
        """What nobody took: the provider's own parameters, and those that we do not know."""
        return self._left


def texts(payload: JSON, key: str, by: str) -> list[str]:
    """A prompt or an input as texts. Tokens are refused: they are those of another provider's tokenizer."""
    said = payload[key]
    found = [said] if isinstance(said, str) else said
    if wrong := [index for index, text in enumerate(found) if not isinstance(text, str)]:
        words = f"{by} takes text, not tokens"
        every = [Problem((key, index), words) for index in wrong]
        raise InvalidPayload([Problem((key,), words)] if len(wrong) == len(found) else every)
    return list(found)


def without_nones(body: JSON) -> JSON:
    """The body without keys that have no value."""
    return {key: value for key, value in body.items() if value is not None}
