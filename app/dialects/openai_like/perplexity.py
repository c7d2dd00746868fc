"""Perplexity's embeddings: whole numbers from -128 to 127, a byte each, in base64."""

from __future__ import annotations

from array import array
from base64 import b64decode
from typing import Any

from app.dialects import JSON, Body, Translator
from app.dialects.openai_like.request import OPENAI_LIKE, request
from app.dialects.openai_like.response import embeddings
from app.errors import Garbled


def _request(model: str | None, payload: JSON) -> Body:
    """Without `encoding_format`: OpenAI's two are unknown there, and what comes unasked can be made into both."""
    return request(OPENAI_LIKE, model, {key: value for key, value in payload.items() if key != "encoding_format"})


def _response(body: JSON) -> JSON:
    said = embeddings(body)
    return {**said, "data": [{**item, "embedding": _numbers(item["embedding"])} for item in said["data"]]}


def _numbers(embedding: Any) -> list[float]:
    """The numbers as they came: unscaled, as Perplexity's own users get them; cosine similarity does not mind."""
    if not isinstance(embedding, str):
        return embedding  # type: ignore[no-any-return]
    try:
        return [float(number) for number in array("b", b64decode(embedding, validate=True))]
    except ValueError as error:
        raise Garbled("the provider's embedding is not base64") from error


EMBEDDINGS = Translator("v1/embeddings", _request, _response)
"""`llm/v1/embeddings`."""
