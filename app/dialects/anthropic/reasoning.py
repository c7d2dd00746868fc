"""What Anthropic's models say of themselves by their names: how they are told to think, what sampling they refuse."""

from __future__ import annotations

import re
from collections.abc import Sequence

from app.dialects import JSON
from app.dialects.conversation import refuse
from app.dialects.fields import Fields

DEFAULT_MAX_TOKENS = 8192
"""Tokens to ask for where the client sets no limit: Anthropic wants one. Claude 3's models have 4,096 at most."""

_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32768}
"""`reasoning_effort` as tokens of thought, for models that take a budget."""

_LEAST_BUDGET = 1024
_MOST_TOKENS = 32_000
"""What the smallest of the models that take a budget gives in one answer, thoughts included."""

_WITHOUT_SAMPLING = "2026-10-21"
"""The version of the API since which no model takes them."""

_MODEL = re.compile(r"claude-(?:(?P<family>[a-z]+)-)?(?P<major>\d+)(?:[-.](?P<minor>\d{1,2}))?(?!\d)")


def version(model: str) -> tuple[int, int]:
    """(4, 6) of `claude-opus-4-6`, (3, 5) of `claude-3-5-haiku-20241022`; (0, 0) where the name does not say."""
    match = _MODEL.search(model)
    return (int(match["major"]), int(match["minor"] or 0)) if match else (0, 0)


def is_adaptive(model: str) -> bool:
    """Whether the model decides itself how long to think, and refuses all sampling: Opus 4.7 and all after it."""
    return version(model) >= (4, 7)


def default_limit(model: str, thinking: JSON | None) -> int:
    """Tokens for an answer whose length the client does not limit; a budget of thought comes on top."""
    budget = (thinking or {}).get("budget_tokens")
    return (budget if isinstance(budget, int) else 0) + (4096 if version(model) == (3, 0) else DEFAULT_MAX_TOKENS)


def effort(
    fields: Fields, model: str, limit: int | None, turns: Sequence[JSON], forced: bool
) -> tuple[JSON | None, str | None]:
    """(`thinking`, `output_config.effort`) that say `reasoning_effort` to the model.

    Nothing where a model that takes a budget could not think: `forced` to call a tool, with a limit below the least
    budget, amid a round of tools that began without thoughts. Source: Anthropic, "Extended thinking".
    """
    said = fields.take("reasoning_effort")
    if said in (None, "none"):
        return None, None
    if said not in _BUDGETS:
        raise refuse(("reasoning_effort",), f"should be none, {', '.join(_BUDGETS)}, not '{said}'")
    if is_adaptive(model):
        return {"type": "adaptive"}, "low" if said == "minimal" else said
    budget = min(_BUDGETS[said], (limit or _MOST_TOKENS) - (_LEAST_BUDGET if limit else DEFAULT_MAX_TOKENS))
    if forced or budget < _LEAST_BUDGET or (0, 0) < version(model) < (3, 7) or _began_without_thoughts(turns):
        fields.adjusted.append("reasoning_effort")
        return None, None
    return {"type": "enabled", "budget_tokens": budget}, None


def _began_without_thoughts(turns: Sequence[JSON]) -> bool:
    """Whether tools' results come last, and the turn that called the tools brings no thoughts."""
    if not turns or isinstance(turns[-1]["content"], str):
        return False
    answers = any(block.get("type") == "tool_result" for block in turns[-1]["content"])
    first: JSON = next((turn["content"][0] for turn in reversed(turns) if turn["role"] == "assistant"), {})
    return answers and first.get("type") not in ("thinking", "redacted_thinking")


def sampling(fields: Fields, model: str, version_of_api: str, thinks: bool) -> JSON:
    """Temperature and its kin: newer models, and a newer API, refuse them whatever they say; 4.1 to 4.6 take one."""
    day = version_of_api[-10:]  # of vertex-2023-10-16, too
    if is_adaptive(model) or day >= _WITHOUT_SAMPLING:
        fields.leave_out("temperature", "top_p", "top_k")
    if thinks:  # neither stands beside a thought
        fields.leave_out("temperature", "top_k")
    temperature = fields.clamp("temperature", 0, 1)
    if temperature is not None and version(model) >= (4, 1):
        fields.leave_out("top_p")
    return {"temperature": temperature, "top_p": fields.clamp("top_p", 0, 1), "top_k": fields.take("top_k")}
