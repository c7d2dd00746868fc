"""A function call's arguments that come in pieces, each with its place in the object (`$.orders[0].item`).

Vertex AI streams them so where a client asks for it (`streamFunctionCallArguments`).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from app.dialects import JSON

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[['\"](.*?)['\"]\]")

_LONGEST_LIST = 100_000
"""An index beyond it is no answer but an attack on memory."""

_VALUES = ("stringValue", "numberValue", "boolValue")


def put(arguments: JSON, pieces: Sequence[JSON]) -> None:
    """Put each piece at its place in `arguments`; a string's later pieces are appended. Raises ValueError and kin."""
    for piece in pieces:
        steps = _steps(piece["jsonPath"])
        holder: Any = arguments
        for step, following in pairwise(steps):
            holder = _enter(holder, step, [] if isinstance(following, int) else {})
        value = next((piece[key] for key in _VALUES if key in piece), None)
        before = _enter(holder, steps[-1], None)
        holder[steps[-1]] = before + value if isinstance(before, str) and isinstance(value, str) else value


def _steps(path: str) -> list[str | int]:
    steps: list[str | int] = []
    at = 1
    while match := _STEP.match(path, at):
        steps.append(int(match[2]) if match[2] else match[1] or match[3])
        at = match.end()
    if not steps or not path.startswith("$") or at != len(path):
        raise ValueError(f"'{path}' should be a path such as $.a[0].b")
    return steps


def _enter(holder: Any, step: str | int, default: Any) -> Any:
    """What stands at a step, made where it is missing."""
    if isinstance(step, str):
        return holder.setdefault(step, default)
    if step > _LONGEST_LIST:
        raise ValueError(f"{step} should be a place in a shorter list")
    holder.extend([None] * (step + 1 - len(holder)))
    if holder[step] is None:
        holder[step] = default
    return holder[step]
