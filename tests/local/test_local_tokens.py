"""The built-in model's tokens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from app.local import tokens


@given(st.text())
def test_tokens_joined_are_the_text_and_the_first_ones_are_those_of_its_beginning(text):
    found = tokens.split(text)
    assert "".join(found) == text
    assert all(tokens.split("".join(found[:most])) == found[:most] for most in range(len(found)))
