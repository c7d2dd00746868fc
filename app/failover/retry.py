"""What an error means for the attempts to come, and how long to wait before the next one. Pure."""

from __future__ import annotations

import re
import time
from calendar import timegm
from collections.abc import Callable, Mapping
from email.utils import parsedate_to_datetime
from enum import Enum

from app.config import Policy, Retries
from app.errors import GatewayError, Refused, UpstreamError

Uniform = Callable[[float, float], float]
"""random.uniform, or what a test has in its place."""


class Verdict(Enum):
    """What may be tried after an error."""

    AGAIN = "again"
    """The same target, and then others."""
    ELSEWHERE = "elsewhere"
    """Others: this one would say, or not say, the same."""
    NOWHERE = "nowhere"
    """Nothing: the error is about what the caller sent."""


_PASSING = (408, 409, 424, 429)
"""Statuses below 500 that may be another in a moment: OpenAI's SDKs retry them; 424 is Bedrock's and TGI's 500."""
_GATEWAYS_OWN = (401, 402, 403, 404, 410)
"""Statuses of a provider about the gateway's key, account or model name: another provider has others."""
_USED_UP = "insufficient_quota"
"""OpenAI's code for a 429 that does not pass: the account has no money left."""
_OF_LOAD = (429, 503, 529)
"""Statuses whose words are about load, whatever they sound like: Bedrock's 429 is "Too many tokens, please wait"."""

_CONTEXT_CODES = ("context_length_exceeded", "model_context_window_exceeded", "exceed_context_size_error")
# Each as its providers say it; tests/failover/test_wordings.py has the whole sentences.
_CONTEXT_WORDS = re.compile(
    r"""
      (?:prompt|input|length\ of\ all\ messages)\ is\ too\ long | exceed\ context\ limit | too\ many\ (?:input\ )?tokens
    | maximum\ (?:context|prompt|model|input)\ length | context\ (?:length|window|limit)\ (?:is\ )?exceed(?:ed|s)
    | (?:input|prompt)\ token\ count | input\ tokens\ exceed | `inputs`\ (?:tokens\ \+|must\ have\ less\ than)
    | exceeds?\ the\ (?:available\ context\ size|(?:model's\ )?context\ (?:window|length)|max\ input\ token\ limit)
    | context\ size\ has\ been\ exceeded | (?:longer|greater)\ than\ the\ (?:model's\ )?context\ length
    | total\ tokens\ exceeds\ the\ model | exceeded\ model\ token\ limit | too\ many\ total\ text\ bytes
    | too\ large\ for\ model | too\ long\ to\ fit\ into\ the\ model
    | reduce\ the\ length\ of\ the\ (?:messages|input\ prompt) | while\ limit\ is
    """,
    re.IGNORECASE | re.VERBOSE,
)
_POLICY_CODES = (
    "content_policy_violation", "content_filter", "moderation_blocked", "invalid_prompt", "data_inspection_failed",
)  # fmt: skip
# OpenAI (three), Azure, Anthropic, xAI, DeepSeek, Alibaba, Bedrock's image models.
_POLICY_WORDS = re.compile(
    r"""
      violating\ our\ usage\ polic | content[\ _](?:policy|management\ policy|filtering\ policy)
    | ResponsibleAIPolicyViolation | result\ of\ (?:our|the)\ safety\ system | violates\ usage\ guidelines
    | content\ exists\ risk | may\ contain\ inappropriate\ content | blocked\ by\ our\ content\ filters
    """,
    re.IGNORECASE | re.VERBOSE,
)


def verdict(error: GatewayError, policy: Policy) -> Verdict:
    """What may be tried after an error of a target with this policy."""
    if not isinstance(error, Refused):
        return Verdict.AGAIN if isinstance(error, UpstreamError) and not error.silent else Verdict.ELSEWHERE
    if is_content_policy(error):
        return Verdict.ELSEWHERE if policy.on_content_policy else Verdict.NOWHERE
    if is_context_length(error) or error.upstream_status in _GATEWAYS_OWN or _USED_UP in (error.code, error.type):
        return Verdict.ELSEWHERE
    if error.upstream_status in _PASSING or error.upstream_status >= 500:
        return Verdict.ELSEWHERE if _header(error.headers, "x-should-retry") == "false" else Verdict.AGAIN
    return Verdict.NOWHERE


def is_failure(error: GatewayError) -> bool:
    """Whether it says that the provider is not well, and not that the caller or a limit of ours is at fault."""
    if not isinstance(error, UpstreamError) or verdict(error, Policy()) is Verdict.NOWHERE:
        return False
    return not is_context_length(error)


def is_context_length(error: GatewayError) -> bool:
    """Whether the provider refused because its model cannot hold so much."""
    return _is_about(error, _CONTEXT_CODES, _CONTEXT_WORDS)


def is_content_policy(error: GatewayError) -> bool:
    """Whether the provider refused because of what the prompt, or its own answer, is about."""
    return _is_about(error, _POLICY_CODES, _POLICY_WORDS)


def _is_about(error: GatewayError, codes: tuple[str, ...], words: re.Pattern[str]) -> bool:
    """The code counts whatever the status; words, which many send alone, where they cannot be about load."""
    if not isinstance(error, Refused):
        return False
    if error.code in codes or error.type in codes:
        return True
    return error.upstream_status not in _OF_LOAD and words.search(error.message) is not None


def pause(error: GatewayError, retry: int, retries: Retries, uniform: Uniform) -> float | None:
    """Seconds before the retry (0: the first) of the same target; None: it asked for more than may be waited.

    Exponential backoff with full jitter, so that callers who failed together do not come back together.
    """
    backoff = uniform(0.0, min(retries.max_backoff, retries.backoff * 2.0**retry))
    asked = retry_after(error.headers, time.time)
    if asked is None:
        return backoff
    return None if asked > retries.max_backoff else max(backoff, min(retries.max_backoff, asked * uniform(1.0, 1.1)))


def retry_after(headers: Mapping[str, str], clock: Callable[[], float]) -> float | None:
    """Seconds that `retry-after-ms` or `Retry-After` (RFC 9110, section 10.2.3: seconds or a date) ask for."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        text = _header(headers, name)
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            return float(text) * unit
    try:
        return max(0.0, timegm(parsedate_to_datetime(text).utctimetuple()) - clock())  # asctime's has no zone: GMT
    except (ValueError, OverflowError):
        return None


def _header(headers: Mapping[str, str], name: str) -> str:
    """A header's value in small letters, whichever the case of its name; empty if it is absent."""
    return next((value.strip().lower() for key, value in headers.items() if key.lower() == name), "")
