"""Integers that JSON may hold and 64 bits may not: refused, wherever they stand; everything else passes."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidPayload
from app.schemas.numbers import check_exact

HELD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=5),
)
TOO_LARGE = st.one_of(
    st.integers(min_value=2**64, max_value=10**300), st.integers(max_value=-(2**63) - 1, min_value=-(10**300))
)


def nested(value: Any, path: list[str]) -> Any:
    """The value inside lists (`[`) and objects (any other step)."""
    for step in path:
        value = [1, value, "x"] if step == "[" else {step: value, "after": 0.5}
    return value


def check(said: bytes) -> None:
    """As the gateway does it: what it read is written again."""
    check_exact(said, orjson.dumps(orjson.loads(said)))


PATHS = st.lists(st.sampled_from(["[", "a", "e+19,"]), max_size=5)


@given(TOO_LARGE, PATHS, st.booleans())
def test_an_integer_beyond_64_bits_is_refused_wherever_it_stands(value: int, path: list[str], compact: bool) -> None:
    said = json.dumps(
        {"x": nested(value, path)}, separators=(",", ":") if compact else None, indent=None if compact else 1
    )
    with pytest.raises(InvalidPayload, match="does not fit into 64 bits") as caught:
        check(said.encode())
    assert len(str(caught.value)) < 100


@given(HELD, PATHS)
def test_whatever_64_bits_or_a_double_hold_passes(value: Any, path: list[str]) -> None:
    check(json.dumps({"x": nested(value, path)}).encode())


@pytest.mark.parametrize(
    "said",
    [
        b'{"a":1e30}',
        b'{"a":1.5E+300}',
        b'{"a":[1e19,-1e19]}',
        b'{"a":18446744073709551615,"b":-9223372036854775808}',
        b'{"a":"e+19,"}',
        b'{"a":"1e+19]"}',
        b'{"a":"iVBORw0KGgo/e+19,e+20}e+300]=="}',
        b'{"e+19,":1}',
    ],
)
def test_floats_and_texts_that_look_like_one_pass(said: bytes) -> None:
    check(said)


@pytest.mark.parametrize("digits", [str(2**64), str(-(2**63) - 1), "1" + "0" * 29, "9" * 300, "-" + "9" * 40])
def test_the_first_integers_beyond_are_refused(digits: str) -> None:
    with pytest.raises(InvalidPayload):
        check(b'{"messages":[],"seed": %s}' % digits.encode())


def test_the_deepest_nesting_that_can_be_written_is_searched() -> None:
    depth = 250  # orjson writes 254
    check(b'{"a":' + b"[" * depth + b"1e30" + b"]" * depth + b"}")
    with pytest.raises(InvalidPayload):
        check(b'{"a":' + b"[" * depth + b"9" * 30 + b"]" * depth + b"}")
