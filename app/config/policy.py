"""What may be done when a provider fails, as the file says it. Every default has its reason in the README."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.call import Timeouts

Said = Mapping[str, Any]
"""Keys of the file, as the schemas have loaded them."""


@dataclass(frozen=True, slots=True)
class Retries:
    """How often, how soon and how much the same provider is asked again."""

    attempts: int = 2
    """Retries after the first call; 0: none."""
    backoff: float = 0.5
    """Seconds: the longest wait before the first retry. It doubles with each; the wait is random up to it."""
    max_backoff: float = 8.0
    """Seconds: the longest wait at all. A provider that asks for a longer one is not asked again."""
    budget: float = 0.2
    """The share of an endpoint's calls that retries may add."""


@dataclass(frozen=True, slots=True)
class BreakerLimits:
    """When an endpoint is taken to be down, and how it is found to be up again."""

    failures: int = 5
    """Failures in a row that open the circuit."""
    window: float = 30.0
    """Seconds within which they lie."""
    probe_after: float = 10.0
    """Seconds from its opening to the one call that finds out."""


@dataclass(frozen=True, slots=True)
class Policy:
    """An endpoint's. As it is here it is a bare endpoint's: one call, and its answer is the caller's."""

    retries: Retries = Retries(attempts=0)
    breaker: BreakerLimits = BreakerLimits()
    resumes: bool | None = None
    """Whether a stream that breaks off goes on in another attempt, verified; None: where there can be another."""
    on_content_policy: bool = False
    """Whether what this provider's content policy refuses is sent to the next target."""
    context: int | None = None
    """Tokens that the model can hold; None: unknown."""
    max_in_flight: int | None = None
    """Calls at once, in one worker process; None: as many as come."""


HURRIED_FIRST_TOKEN = 10.0
"""Seconds: the default `first_token` where another target stands ready."""
HURRIED_TOTAL = 60.0
"""Seconds: the default `total` of a whole answer where another target stands ready. A stream's stays as it is."""

_GROUPS = ("timeouts", "retries", "breaker")
_KEYS = (*_GROUPS, "fallbacks", "resume", "on_content_policy", "max_in_flight")


def said(entry: Said, file: Said) -> Said:
    """What holds for an entry: its own keys, then those at the top of the file; groups are joined key by key."""
    top = {key: file[key] for key in _KEYS if key in file and key != "max_in_flight"}  # there it is the process's
    own = {key: entry[key] for key in (*_KEYS, "context") if key in entry}
    joined = {key: {**top[key], **own[key]} for key in _GROUPS if key in top and key in own}
    return {**top, **own, **joined}


def policy(said: Said) -> Policy:
    """The policy. Retries are on where `retries` or `fallbacks` is said: asking again can cost twice."""
    asks_again = "retries" in said or bool(said.get("fallbacks"))
    return Policy(
        retries=Retries(**said.get("retries", {})) if asks_again else Policy().retries,
        breaker=BreakerLimits(**said.get("breaker", {})),
        resumes=said["resume"] == "verify" if "resume" in said else None,
        on_content_policy=said.get("on_content_policy", False),
        context=said.get("context"),
        max_in_flight=said.get("max_in_flight"),
    )


def timeouts(said: Said) -> tuple[Timeouts, tuple[Timeouts, Timeouts]]:
    """How long a provider is waited for: where nobody else can be asked; else for a whole answer, and for a stream."""
    own = said.get("timeouts", {})
    alone = Timeouts(**own)
    whole = Timeouts(**{"first_token": HURRIED_FIRST_TOKEN, "total": HURRIED_TOTAL, **own})
    return alone, (whole, replace(whole, total=alone.total))
