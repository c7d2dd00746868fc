"""Embeddings of providers with a form of their own: texts in, all vectors out."""

from __future__ import annotations

from typing import Any

import pytest

from app.dialects import vectors
from app.errors import Garbled, InvalidPayload


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("a", 1), (["a"], 1), (["a", "b"], 2), ([5, 6, 7], 1), ([[5, 6], [7]], 2)],
)
def test_an_input_without_an_embedding_is_half_an_answer(said: Any, wanted: int) -> None:
    whole = vectors.response([[0.5]] * wanted, "m", wanted)
    assert vectors.finished([whole], {"input": said}) is whole
    with pytest.raises(Garbled):
        vectors.finished([{**whole, "data": whole["data"][1:]}], {"input": said})


def test_batches_are_counted_together() -> None:
    parts = [vectors.response([[0.5]], "m", 1), vectors.response([[1.0]], "m", 2)]
    joined = vectors.finished(parts, {"input": ["a", "b"]})
    assert [(item["index"], item["embedding"]) for item in joined["data"]] == [(0, [0.5]), (1, [1.0])]
    assert joined["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    with pytest.raises(Garbled, match="2 embeddings for 3 inputs"):
        vectors.finished(parts, {"input": ["a", "b", "c"]})


def test_what_batches_say_beside_their_vectors_is_kept_of_all_of_them() -> None:
    beside = [
        {"acme": {"id": "a", "model": "m", "int8": [[1]], "meta": {"units": 1}}},
        {"acme": {"id": "b", "model": "m", "int8": [[1]], "meta": {"units": 2, "warnings": ["w"]}}},
        {},
    ]
    parts = [{**vectors.response([[0.5]], "m", 1), "provider_fields": fields} for fields in beside]
    told = vectors.finished(parts, {"input": ["a", "b", "c"]})["provider_fields"]["acme"]
    meta = {"units": [1, 2], "warnings": ["w"]}
    assert told == {"id": ["a", "b"], "model": "m", "int8": [[1], [1]], "meta": meta}


@pytest.mark.parametrize("vector", [[], [True], ["0.5"], [None], "0.5", None, {"0": 0.5}])
def test_a_vector_is_a_list_of_numbers(vector: Any) -> None:
    with pytest.raises(Garbled):
        vectors.response([vector], None, None)


@pytest.mark.parametrize(
    ("said", "places"),
    [([5, 6], ["input"]), ([[5], [6]], ["input"]), (["a", [5], "b", 6], ["input[1]", "input[3]"])],
)
def test_tokens_are_refused_where_they_stand(said: Any, places: list[str]) -> None:
    with pytest.raises(InvalidPayload) as caught:
        vectors.texts({"input": said}, "Acme")
    assert [problem.path for problem in caught.value.problems] == places
    assert "Acme takes text, not tokens" in caught.value.message
