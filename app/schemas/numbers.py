"""Integers that our JSON parser cannot hold: refused, because the other way is to change them in silence."""

from __future__ import annotations

import json
import re

from app.errors import InvalidPayload, Problem

_MAYBE = re.compile(rb"e\+(?:1[89]|[2-9]\d|\d{3})[,}\]]")
"""What an integer beyond 64 bits has become when it is written again: a float of 1e18 or more, and its value's end."""


def check_exact(said: bytes, written: bytes) -> None:
    """Raise InvalidPayload if `said`, the client's JSON, holds an integer that `written` can only hold as a float.

    The search is for what such an integer would look like, which costs nothing; only then is `said` read again.
    """
    if _MAYBE.search(written):
        json.loads(said, parse_int=_checked)


def _checked(digits: str) -> int:
    value = int(digits) if len(digits) <= 20 else None
    if value is None or not -(2**63) <= value < 2**64:
        raise InvalidPayload([Problem((), f"the integer {digits[:24]} does not fit into 64 bits")])
    return value
