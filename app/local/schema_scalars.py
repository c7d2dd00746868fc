"""Texts, numbers, booleans and null that fit plain JSON Schemas which must hold together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from typing import Any

from app.local import formats, patterns
from app.local.expressions import Unsupported

Together = list[dict[str, Any]]

LONGEST = 10_000
"""Characters of a text that is made."""
NUMBERS = 2000
"""How many numbers are tried."""
KINDS = ("string", "object", "integer", "number", "boolean", "array", "null")
HINTS = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "propertyNames"),
    "array": ("items", "prefixItems", "minItems", "uniqueItems", "contains"),
    "string": ("minLength", "maxLength", "pattern", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
"""Where a schema names no type, its keywords say which it has in mind."""


class Impossible(Exception):
    """No value can be made; the message says why."""


def kinds(together: Together) -> list[str]:
    """The types that a value may have: those that every schema allows, the most likely first."""
    allowed = list(KINDS)
    stated: list[str] = []
    for one in together:
        if "type" in one:
            named = one["type"] if isinstance(one["type"], list) else [one["type"]]
            allowed = [kind for kind in allowed if kind in named or (kind == "integer" and "number" in named)]
            stated += named
    hinted = [kind for kind in allowed if any(hint in one for one in together for hint in HINTS.get(kind, ()))]
    return list(dict.fromkeys(kind for kind in [*hinted, *stated, *allowed] if kind in allowed))


def found(pattern: str, text: str) -> bool:
    """Whether a pattern matches in a text; Impossible if the pattern cannot be followed."""
    try:
        return patterns.matches(pattern, text)
    except Unsupported as problem:
        raise Impossible(f"the pattern {pattern!r} cannot be followed: {problem}") from None


def texts(together: Together) -> Iterator[str]:
    """Texts of the length, pattern and format that are asked for."""
    least = math.ceil(max((one.get("minLength", 0) for one in together), default=0))
    most = math.floor(min((one["maxLength"] for one in together if "maxLength" in one), default=LONGEST))
    if least > LONGEST:
        raise Impossible(f"a text of {least} characters is longer than the {LONGEST} that are made")
    if least > most:
        raise Impossible(f"minLength {least} is above maxLength {most}")
    for one in together:
        if found_format := formats.known(one.get("format")):
            yield from found_format.examples
    wanted = [one["pattern"] for one in together if "pattern" in one]
    for pattern in wanted:
        yield from _matching(pattern, least, most)
    if not wanted:
        yield from _plain(least, most)


def _matching(pattern: str, least: int, most: int) -> Iterator[str]:
    try:
        yield from patterns.strings(pattern, least, most)
    except Unsupported as problem:
        raise Impossible(f"the pattern {pattern!r} cannot be followed: {problem}") from None


def _plain(least: int, most: int) -> Iterator[str]:
    """ "text", "text 2", ... in the length that is asked for."""
    for number in range(1, NUMBERS):
        name = "text" if number == 1 else f"text {number}" if most >= 9 else _letters(number)
        yield name[:most] + "." * (least - len(name))


def _letters(number: int) -> str:
    """The shortest different texts: a, b, ... z, ba, ..."""
    number -= 2
    said = ""
    while not said or number:
        number, letter = divmod(number, 26)
        said = chr(ord("a") + letter) + said
    return said


def numbers(together: Together) -> Iterator[float]:
    """Numbers within the bounds, on the grid of `multipleOf` if there is one."""
    step = _step(together)
    low, high = _bounds_of(together)
    grid = (_number(value) for value in _grid(step or Fraction(1), low, high))
    yield from islice(grid, 4)
    if step is None:
        yield from (_number(value) for value in _between(low, high))
    yield from grid


def integers(together: Together) -> Iterator[int]:
    """Integers of 64 bits within the bounds."""
    step = _step(together)
    whole = Fraction(1) if step is None else Fraction(step.numerator)
    for value in _grid(whole, *_bounds_of(together)):
        if -(2**63) <= value < 2**64:
            yield int(value)


def _grid(step: Fraction, low: Fraction | None, high: Fraction | None) -> Iterator[Fraction]:
    """Multiples of `step` from the lower bound up; without one, from the upper bound or from 1 step down and up."""
    if low is None:
        start = step if high is None or high >= step else step * math.floor(high / step)
        yield from (start - step * index for index in range(NUMBERS // 2))
    else:
        start = step * math.ceil(low / step)
    for index in range(NUMBERS):
        if high is not None and start + step * index > high:
            return
        yield start + step * index


def _bounds(together: Together, *keys: str) -> list[Fraction]:
    values = [one[key] for one in together for key in keys if key in one]
    return [Fraction(str(value)) for value in values if not isinstance(value, bool)]


def _bounds_of(together: Together) -> tuple[Fraction | None, Fraction | None]:
    """The lowest and the highest value, each None if there is none; Impossible if they have nothing between them."""
    low = max(_bounds(together, "minimum", "exclusiveMinimum"), default=None)
    high = min(_bounds(together, "maximum", "exclusiveMaximum"), default=None)
    if low is not None and high is not None and low > high:
        raise Impossible(f"the minimum {float(low):g} is above the maximum {float(high):g}")
    return low, high


def _between(low: Fraction | None, high: Fraction | None) -> Iterator[Fraction]:
    """Values off the grid of whole numbers: the bounds, and 64ths of the way from one to the other."""
    low = low if low is not None else Fraction(0) if high is None else high - 1
    high = high if high is not None else low + 1
    yield from (low + (high - low) * part / 64 for part in (32, 16, 48, *range(65)))


def _step(together: Together) -> Fraction | None:
    """The least common multiple of all `multipleOf`."""
    steps = _bounds(together, "multipleOf")
    if not steps:
        return None
    tops = [step.numerator for step in steps]
    return Fraction(math.lcm(*tops), math.gcd(*(step.denominator for step in steps)))


def _number(value: Fraction) -> float:
    if value.denominator == 1 and abs(value) < 2**53:
        return int(value)
    try:
        return float(value)
    except OverflowError:
        raise Impossible("its numbers are too large") from None


def _booleans(together: Together) -> Iterator[bool]:
    yield from (True, False)


def _nulls(together: Together) -> Iterator[None]:
    yield None


VALUES: dict[str, Callable[[Together], Iterator[Any]]] = {
    "string": texts,
    "integer": integers,
    "number": numbers,
    "boolean": _booleans,
    "null": _nulls,
}
