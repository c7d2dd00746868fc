"""Texts made from patterns: judged by Python's own regular expressions."""

from __future__ import annotations

import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.local.json_schema.patterns import texts

PIECES = [
    "a",
    "b",
    "[ab]",
    "[^a]",
    r"\d",
    r"\w",
    ".",
    r"\.",
    "(?:ab)",
    "(a|b1)",
    "x{2}",
    "a+",
    "b*",
    "c?",
    "[a-c]{1,2}",
]
PIECES += [r"\S", r"[^\W\d]", r"[\s-]", r"(^a)?", "(b|$)", r"(?:-\d+){2,}"]
PATTERNS = st.builds(
    lambda start, pieces, end: start + "".join(pieces) + end,
    st.sampled_from(["", "^"]),
    st.lists(st.sampled_from([*PIECES, "|"]), max_size=6),
    st.sampled_from(["", "$"]),
)


@given(PATTERNS, st.integers(0, 30))
def test_a_text_that_is_made_matches(pattern, least):
    assert all(re.search(pattern, text) for text in islice(texts(pattern, least), 50))


@pytest.mark.parametrize(
    ("pattern", "least"),
    [("^[a-z]+$", 30), ("^a{2,40}$", 30), ("ab", 9), ("^ab", 9), ("ab$", 9), ("^(ab)+$", 7), (r"^\+?\d{7,15}$", 12)],
)
def test_a_text_can_be_made_as_long_as_needed(pattern, least):
    assert any(len(text) >= least for text in islice(texts(pattern, least), 100))


@pytest.mark.parametrize(
    "pattern",
    [
        *[
            "(?=a)",
            "(?!a)",
            "(?<=a)b",
            "(?i)a",
            r"(a)\1",
            r"\bword",
            r"\p{L}",
            "(",
            ")",
            "[a",
            "a**",
            "+",
            "[b-a]",
            "[]",
        ],
        *["{", "a{2,1}", "((a{999}){999})", "x" * 2000, r"\x02", r"\ud800", "\\"],
    ],
)
def test_what_is_not_known_is_refused(pattern):
    with pytest.raises(ValueError, match="it has"):
        next(texts(pattern, 0))
