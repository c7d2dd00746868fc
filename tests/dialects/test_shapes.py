"""What is told of an answer of another shape: what should be there, and nothing of Python's."""

from __future__ import annotations

from typing import Any

import pytest

from app.dialects import JSON, shapes
from app.errors import Garbled


@shapes.whole("Acme")
def read(body: JSON) -> JSON:
    """The text of the first choice."""
    return {"text": shapes.text(body["choices"][0].get("text"))}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "'choices' is missing"),
        ({"choices": [{"text": 5}]}, "5 should be a string"),
        ({"choices": []}, "a part of it is of another shape"),
        ({"choices": None}, "a part of it is of another shape"),
        ({"choices": ["x"]}, "a part of it is of another shape"),
    ],
)
def test_what_was_wrong_is_told_in_our_words(body: Any, words: str) -> None:
    with pytest.raises(Garbled) as caught:
        read(body)
    assert caught.value.message == f"Acme's answer is not what its format says: {words}"
