"""Embeddings of the built-in model."""

from __future__ import annotations

import base64
import math
import struct
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.local.embeddings import vector

WORDS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=4, max_size=9)


def cosine(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


def embed(text, dimensions=256):
    return vector(text, dimensions)


@given(st.one_of(st.text(), st.lists(st.integers(0, 100_000))), st.integers(1, 300))
def test_every_embedding_has_unit_length(text, dimensions):
    found = vector(text, dimensions)
    assert len(found) == dimensions
    assert math.isclose(cosine(found, found), 1, rel_tol=1e-5)


@given(st.lists(WORDS, min_size=18, max_size=18, unique_by=lambda word: word[:3]))
def test_texts_that_share_half_their_words_are_closer_than_texts_that_share_none(words):
    text, near, far = " ".join(words[:6]), " ".join(words[3:9]), " ".join(words[9:15])
    # 1,024 dimensions: chance brings two texts as near as 1 over the square root of that.
    assert cosine(embed(text, 1024), embed(near, 1024)) > cosine(embed(text, 1024), embed(far, 1024))


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        ("the cat sat on the mat", "a cat on a mat", "stock prices fell sharply today"),
        ("how do I reset my password", "password reset", "opening hours of the library"),
        ("Machine learning models", "models for MACHINE LEARNING!", "a recipe for apple pie"),
        ("reset", "resetting", "banana"),
        ("größere Häuser", "GRÖSSERE häuser", "kleine Katzen"),
    ],
)
def test_texts_about_the_same_are_closer_than_others_in_256_dimensions(text, near, far):
    assert cosine(embed(text), embed(near)) > cosine(embed(text), embed(far)) + 0.1


def test_base64_is_little_endian_floats_of_the_same_numbers(ask):
    plain = ask("embeddings", {"input": "Text to embed", "encoding_format": "float"}).json["data"][0]["embedding"]
    packed = ask("embeddings", {"input": "Text to embed", "encoding_format": "base64"}).json["data"][0]["embedding"]
    assert struct.unpack("<256f", base64.b64decode(packed)) == pytest.approx(plain, abs=1e-7)


def test_dimensions_come_from_the_request_and_else_from_the_settings(ask):
    sizes = [
        len(ask("embeddings", payload, **settings).json["data"][0]["embedding"])
        for payload, settings in [
            ({"input": "a"}, {}),
            ({"input": "a"}, {"dimensions": 64}),
            ({"input": "a", "dimensions": 8}, {"dimensions": 64}),
        ]
    ]
    assert sizes == [256, 64, 8]


@pytest.mark.parametrize(
    ("value", "counts"),
    [("one two", [2]), (["one two", "three"], [2, 1]), ([5, 6, 7], [3]), ([[5, 6], [7]], [2, 1])],
)
def test_each_form_of_input_is_answered_in_its_order_with_true_usage(ask, value, counts):
    answer = ask("embeddings", {"model": "m", "input": value}).json
    assert [entry["index"] for entry in answer["data"]] == list(range(len(counts)))
    assert answer["usage"] == {"prompt_tokens": sum(counts), "total_tokens": sum(counts)}
    assert (answer["object"], answer["model"]) == ("list", "m")
    if len(counts) == 2:
        assert [entry["embedding"] for entry in answer["data"]] == [embed(one) for one in value]


def test_an_embedding_is_the_same_in_another_process():
    code = "from app.local.embeddings import vector; print(vector('hash seeds differ', 16))"
    env = {"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(embed("hash seeds differ", 16))


@pytest.mark.parametrize(
    ("payload", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": ["a", None]}, "input[1]"),
        ({"input": ["a", [1, "b"]]}, "input[1]"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": 10**9}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "encoding_format": []}, "encoding_format"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": "a " * 9000}, "input[0]"),
    ],
)
def test_a_payload_of_the_wrong_shape_is_a_400_that_names_the_place(ask, payload, param):
    answer = ask("embeddings", payload)
    assert answer.response.status_code == 400
    assert answer.error["param"] == param
