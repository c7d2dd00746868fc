"""Integers that our JSON parser cannot hold: refused, because the other way is to change them in silence."""

from __future__ import annotations

import json
import re

from app.errors import InvalidPayload, Problem

_EXPONENT = b"e+"
_LARGE = re.compile(rb"(?:1[89]|[2-9]\d|\d{3})[,}\]]")
"""What follows it where an integer beyond 64 bits was written again: 18 or more, and the value's end."""


def check_exact(said: bytes, written: bytes) -> None:
    """Raise InvalidPayload if `said`, the client's JSON, holds an integer that `written` can only hold as a float.

    The search is for what such an integer would look like, which costs little; only then is `said` read again.
    """
    if _may_hold_large(written):
        json.loads(said, parse_int=_checked)


def _may_hold_large(written: bytes) -> bool:
    """Whether there is such an exponent: found by two bytes, since a megabyte of an image's text is full of `e`."""
    at = written.find(_EXPONENT)
    while at >= 0:
        if _LARGE.match(written, at + 2):
            return True
        at = written.find(_EXPONENT, at + 2)
    return False


def _checked(digits: str) -> int:
    value = int(digits) if len(digits) <= 20 else None
    if value is None or not -(2**63) <= value < 2**64:
        raise InvalidPayload([Problem((), f"the integer {digits[:24]} does not fit into 64 bits")])
    return value
