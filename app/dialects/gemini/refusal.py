"""What Google adds to an error: a better code, and when to come back. Its words are read as everybody's."""

from __future__ import annotations

import math
import re
from typing import Any

from app.dialects import JSON
from app.dialects import refusal as refusals
from app.dialects.refusal import Refusal

_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")


def read(body: bytes) -> Refusal:
    """The refusal in an answer's body; that of a stream without alt=sse stands in an array."""
    return _with_googles(refusals.read(body))


def of(event: JSON) -> Refusal:
    """The refusal in a stream's event."""
    return _with_googles(refusals.of(event))


def _with_googles(said: Refusal) -> Refusal:
    """Google's `code` is the status again, its `status` a word; a `google.rpc.RetryInfo` stands for a Retry-After."""
    word, details = said.extra.get("status"), said.extra.get("details")
    delays = map(_delay, details if isinstance(details, list) else ())
    return said._replace(
        code=word if isinstance(word, str) else said.code, retry_after=next(filter(None, delays), None)
    )


def _delay(detail: Any) -> str | None:
    """Whole seconds, rounded up."""
    if not isinstance(detail, dict) or not str(detail.get("@type")).endswith("google.rpc.RetryInfo"):
        return None
    match = _SECONDS.fullmatch(str(detail.get("retryDelay")))
    return str(math.ceil(float(match[1]))) if match else None
