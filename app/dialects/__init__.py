"""Wire formats: pure functions between the gateway's own format (OpenAI's) and a provider's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

JSON = dict[str, Any]
"""A JSON object."""


@dataclass(frozen=True, slots=True)
class Translator:
    """Between our schema for one endpoint type and a dialect's. Pure: no I/O; what comes in is copied, not changed."""

    path: str
    """The path below the provider's base URL."""
    request: Callable[[str | None, JSON], JSON]
    """(model, payload) -> the provider's body."""
