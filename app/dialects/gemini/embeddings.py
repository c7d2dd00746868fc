"""OpenAI's embeddings payload <-> Google's three ways to embed: AI Studio's batches, Vertex AI's, and predictions."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from app.dialects import JSON, Body
from app.dialects.conversation import refuse
from app.dialects.fields import Fields, without_nones
from app.errors import Garbled

TEXTS_PER_BATCH = 100
"""The most texts that one batchEmbedContents takes."""

TEXTS_PER_PREDICTION = 250
"""The most texts that one prediction takes."""


def studio_request(model: str, payload: JSON) -> Body:
    """AI Studio: every text is a request that names the model again."""
    fields, texts, settings = _read(payload)
    name = model if "/" in model else f"models/{model}"
    requests = [{"model": name, "content": _content(text), **settings} for text in texts]
    return Body({"requests": requests}, tuple(fields.adjusted))


def vertex_request(model: str, payload: JSON) -> Body:
    """Vertex AI: the model stands in the path alone, and the settings in an object of their own."""
    fields, texts, settings = _read(payload)
    config = {"embedContentConfig": settings} if settings else {}
    return Body({"requests": [{"content": _content(text), **config} for text in texts]}, tuple(fields.adjusted))


def predict_request(model: str, payload: JSON) -> Body:
    """Vertex AI's older models: texts are instances, each with its task; the rest are parameters of the whole."""
    fields, texts, settings = _read(payload)
    of_each = without_nones({"task_type": settings.pop("taskType", None), "title": settings.pop("title", None)})
    body: JSON = {"instances": [{"content": text, **of_each} for text in texts]}
    return Body({**body, "parameters": settings} if settings else body, tuple(fields.adjusted))


def _read(payload: JSON) -> tuple[Fields, list[str], JSON]:
    """What is left, the texts, and the settings in Google's words; its own (autoTruncate, ...) go as they were said."""
    fields = Fields(payload)
    texts = _texts(fields.take("input"))
    fields.take("encoding_format")  # numbers come back as numbers; the gateway packs them
    fields.leave_out("user")
    named = {
        "taskType": fields.take("taskType", "task_type"),
        "title": fields.take("title"),
        "outputDimensionality": fields.take("dimensions", "outputDimensionality", "output_dimensionality"),
    }
    return fields, texts, {**without_nones(named), **fields.rest()}


def _texts(said: Any) -> list[str]:
    texts = [said] if isinstance(said, str) else said
    if texts and all(isinstance(token, int) for token in texts):
        raise refuse(("input",), "Gemini takes text, not tokens")
    for index, text in enumerate(texts):
        if not isinstance(text, str):
            raise refuse(("input", index), "Gemini takes text, not tokens")
    return list(texts)


def _content(text: str) -> JSON:
    return {"parts": [{"text": text}], "role": "user"}


def _guarded(read: Callable[[JSON], JSON]) -> Callable[[JSON], JSON]:
    """A shape that the format does not have shows as one of Python's errors; to the client it is a garbled answer."""

    @wraps(read)
    def guarded(body: JSON) -> JSON:
        try:
            return read(body)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise Garbled(f"Gemini's embeddings are not what their format says: {error!r}") from error

    return guarded


@_guarded
def response(body: JSON) -> JSON:
    """The list of embeddings of a batch. Raises Garbled."""
    counted = body.get("usageMetadata") or {}
    rest = {key: value for key, value in body.items() if key != "embeddings"}
    return _list([item["values"] for item in body["embeddings"]], counted.get("promptTokenCount") or 0, rest)


@_guarded
def predict_response(body: JSON) -> JSON:
    """The list of embeddings of a prediction. Raises Garbled."""
    found = [item["embeddings"] for item in body["predictions"]]
    statistics = [item.get("statistics") or {} for item in found]
    tokens = sum(item.get("token_count") or 0 for item in statistics)
    rest = {key: value for key, value in body.items() if key != "predictions"}
    return _list([item["values"] for item in found], tokens, {**rest, "statistics": statistics})


def _list(vectors: list[Any], tokens: int, rest: JSON) -> JSON:
    for vector in vectors:
        if not isinstance(vector, list) or not all(isinstance(number, (int, float)) for number in vector):
            raise Garbled("Gemini's embeddings are not what their format says: a vector that is not a list of numbers")
    listed = {
        "object": "list",
        "data": [{"object": "embedding", "index": index, "embedding": vector} for index, vector in enumerate(vectors)],
        "model": None,  # Google does not say it
        "usage": {"prompt_tokens": int(tokens), "total_tokens": int(tokens)},
    }
    return {**listed, "provider_fields": {"gemini": rest}} if rest else listed
