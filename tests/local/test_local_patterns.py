"""Regular expressions of the built-in model: judged by Python's own."""

from __future__ import annotations

import re
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.local import tokens
from app.local.expressions import Unsupported
from app.local.patterns import matches, strings

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
PATTERNS = st.builds(
    lambda start, pieces, end: start + "".join(pieces) + end,
    st.sampled_from(["", "^"]),
    st.lists(st.sampled_from([*PIECES, "|"]), max_size=6),
    st.sampled_from(["", "$"]),
)


@given(PATTERNS, st.text("ab1.xc", max_size=8))
def test_a_match_is_one_for_python_too(pattern, text):
    assert matches(pattern, text) == bool(re.search(pattern, text))


@given(PATTERNS)
def test_a_string_that_is_made_matches_for_python_too(pattern):
    made = list(islice(strings(pattern, 0, 100), 5))
    assert made
    assert all(re.search(pattern, text) for text in made)


@pytest.mark.parametrize(
    "pattern", ["(?=a)", "(?!a)", r"(a)\1", r"\bword", r"\p{L}", "(", ")", "[a", "a**", "+", "[b-a]"]
)
def test_what_is_not_known_is_refused(pattern):
    with pytest.raises(Unsupported):
        matches(pattern, "a")


def test_a_pattern_made_to_go_back_for_ever_is_matched_at_once():
    assert not matches("^(a+)+$", "a" * 500 + "b")


@given(st.text())
def test_tokens_joined_are_the_text_and_the_first_ones_are_those_of_its_beginning(text):
    found = tokens.split(text)
    assert "".join(found) == text
    assert all(tokens.split("".join(found[:most])) == found[:most] for most in range(len(found)))
