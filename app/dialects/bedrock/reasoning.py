"""How the models behind Converse are told how much to think, and which of their parameters they refuse: by family."""

from __future__ import annotations

import re

from app.dialects import JSON
from app.dialects.conversation import refuse
from app.dialects.fields import Fields

_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32768}
"""`reasoning_effort` as tokens of thought, for models that take a budget."""

_LEAST_BUDGET = 1024
"""Of thought; and as much is left to answer with."""

ROOM_TO_ANSWER = 8192
"""Tokens beside a budget of thought where the client sets no limit: the model's own may be below the budget."""

_THREE_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high", "max": "high"}

_CLAUDE = re.compile(r"claude-(?:[a-z]+-)?(?P<major>\d+)(?:[-.](?P<minor>\d{1,2}))?(?!\d)")


def claude_version(model: str) -> tuple[int, int]:
    """(4, 6) of `us.anthropic.claude-opus-4-6-v1:0`; (0, 0) for another model, or a profile's ARN, which names none."""
    match = _CLAUDE.search(model)
    return (int(match["major"]), int(match["minor"] or 0)) if match else (0, 0)


def is_adaptive(model: str) -> bool:
    """Whether it is a Claude that decides itself how long to think, and refuses all sampling: Opus 4.7 and later."""
    return claude_version(model) >= (4, 7)


def effort(fields: Fields, model: str, limit: int | None, hindered: bool) -> tuple[JSON, JSON]:
    """(additionalModelRequestFields, outputConfig) that say `reasoning_effort` to a model of this family.

    Nothing where a Claude that takes a budget could not think: `hindered`, or with a limit that leaves it no room.
    """
    said = fields.take("reasoning_effort")
    if said in (None, "none"):
        return {}, {}
    if said not in _BUDGETS:
        raise refuse(("reasoning_effort",), f"should be none, {', '.join(_BUDGETS)}, not '{said}'")
    if is_adaptive(model):
        return {"thinking": {"type": "adaptive"}}, {"effort": "low" if said == "minimal" else said}
    if claude_version(model) >= (3, 7):
        budget = min(_BUDGETS[said], limit - _LEAST_BUDGET if limit else _BUDGETS["max"])
        able = budget >= _LEAST_BUDGET and not hindered
        found = {"thinking": {"type": "enabled", "budget_tokens": budget}} if able else {}
    else:
        found = _of_others(model, _THREE_LEVELS[said])
    if not found:
        fields.adjusted.append("reasoning_effort")
    return found, {}


def _of_others(model: str, level: str) -> JSON:
    """Source: AWS's pages of model parameters for gpt-oss, Nova 2 and Qwen 3."""
    if "gpt-oss" in model:
        return {"reasoning_effort": level}
    if "nova-2" in model:
        return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": level}}
    if "qwen" in model:
        return {"reasoning_config": level}
    return {}
