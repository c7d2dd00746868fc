"""Embeddings of the built-in model: hashed words, word pairs and character trigrams, at unit length.

Each feature is hashed to a dimension and a sign (the "hashing trick"), so that texts that share words point the
same way and others stand nearly at right angles. The hash is CRC-32: the same in every process and on every machine.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from zlib import crc32

from app.local import tokens
from app.local.answer import Answer, whole
from app.local.payload import JSON, Refusal, Text, integer, refuse, texts

MOST_DIMENSIONS = 4096
MOST_TOKENS = 8192
"""In one input, as OpenAI's models have it; all inputs together may have forty times as many."""
WORD = re.compile(r"\w+")
WORD_WEIGHT, PAIR_WEIGHT, TRIGRAM_WEIGHT = 1.0, 0.3, 0.2


def answer(payload: JSON, dimensions: int) -> Answer:
    """OpenAI's list of embeddings; `dimensions` where the payload does not say."""
    size = integer(payload, "dimensions", 1, MOST_DIMENSIONS) or dimensions
    encoding = payload.get("encoding_format")
    if encoding not in (None, "float", "base64"):
        raise refuse("encoding_format", encoding, "'float' or 'base64'")
    inputs = texts(payload.get("input"), "input")
    used = _used(inputs)
    vectors = (vector(text, size) for text in inputs)
    data = [
        {"object": "embedding", "index": index, "embedding": packed(one) if encoding == "base64" else one}
        for index, one in enumerate(vectors)
    ]
    usage = {"prompt_tokens": used, "total_tokens": used}
    return whole({"object": "list", "data": data, "model": payload.get("model"), "usage": usage}, used)


def vector(text: Text, dimensions: int) -> list[float]:
    """The embedding: `dimensions` numbers whose squares add up to 1."""
    sums = [0.0] * dimensions
    for feature, weight in _weighted(text).items():
        hashed = crc32(feature.encode())
        # The low bits choose the dimension, the top bit the sign: collisions then cancel out rather than add up.
        sums[hashed % dimensions] += weight if hashed & 0x80000000 else -weight
    length = math.sqrt(sum(value * value for value in sums))
    if length < 1e-9:
        return [1.0] + [0.0] * (dimensions - 1)
    return [round(value / length, 8) for value in sums]


def packed(vector: Sequence[float]) -> str:
    """`encoding_format: base64`: little-endian 32-bit floats."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _weighted(text: Text) -> dict[str, float]:
    """Each feature's weight: the square root tempers a word that comes often."""
    counts = Counter(_features(text))
    weights = {"w": WORD_WEIGHT, "p": PAIR_WEIGHT, "c": TRIGRAM_WEIGHT}
    return {feature: weights[feature[0]] * math.sqrt(count) for feature, count in counts.items()}


def _features(text: Text) -> Iterator[str]:
    """`w` and a word, `p` and two words in a row, `c` and three characters of a word and its borders."""
    is_text = isinstance(text, str)
    words = WORD.findall(text.casefold()) if isinstance(text, str) else [str(token) for token in text]
    for word in words:
        yield f"w{word}"
        if is_text:
            bordered = f" {word} "
            yield from (f"c{bordered[at : at + 3]}" for at in range(len(bordered) - 2))
    yield from (f"p{first} {second}" for first, second in pairwise(words))


def _used(inputs: list[Text]) -> int:
    """Tokens of all inputs; Refusal if that is too many."""
    counts = list(map(tokens.count, inputs))
    for index, count in enumerate(counts):
        if count > MOST_TOKENS:
            raise Refusal(f"input[{index}] has {count} tokens; at most {MOST_TOKENS} are taken", f"input[{index}]")
    if sum(counts) > 40 * MOST_TOKENS:
        raise Refusal(f"input has {sum(counts)} tokens in all; at most {40 * MOST_TOKENS} are taken", "input")
    return sum(counts)
