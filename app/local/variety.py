"""Choices that look free and are not: the same key always picks the same."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, TypeVar

import orjson

T = TypeVar("T")


def key(*parts: Any) -> str:
    """A short name for JSON values, the same in every process: 24 hexadecimal digits."""
    return hashlib.blake2b(orjson.dumps(parts, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()


def pick(options: Sequence[T], *parts: Any) -> T:
    """One of `options`, decided by `parts`."""
    return options[int(key(*parts), 16) % len(options)]
