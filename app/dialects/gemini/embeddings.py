"""OpenAI's embeddings payload <-> Google's three ways to embed: AI Studio's batches, Vertex AI's, and predictions."""

from __future__ import annotations

from app.dialects import JSON, Body, shapes, vectors
from app.dialects.fields import Fields, without_nones
from app.dialects.gemini.contents import NAME

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
    texts = vectors.texts(payload, NAME)
    fields = Fields(payload)
    fields.take("input", "encoding_format")  # numbers come back as numbers; the gateway packs them
    fields.leave_out("user")
    named = {
        "taskType": fields.take("taskType", "task_type"),
        "title": fields.take("title"),
        "outputDimensionality": fields.take("dimensions", "outputDimensionality", "output_dimensionality"),
    }
    return fields, texts, {**without_nones(named), **fields.rest()}


def _content(text: str) -> JSON:
    return {"parts": [{"text": text}], "role": "user"}


@shapes.whole(NAME)
def response(body: JSON) -> JSON:
    """The list of embeddings of a batch, or the only one. Raises Garbled."""
    found = shapes.mappings(body["embeddings"] if "embeddings" in body else [body["embedding"]])
    counted = shapes.mapping(body.get("usageMetadata")).get("promptTokenCount")
    rest = {key: value for key, value in body.items() if key not in ("embeddings", "embedding")}
    return _list(found, shapes.count(counted), rest)


@shapes.whole(NAME)
def predict_response(body: JSON) -> JSON:
    """The list of embeddings of a prediction. Raises Garbled."""
    found = [shapes.mapping(item["embeddings"]) for item in body["predictions"]]
    tokens = sum(shapes.count(shapes.mapping(item.get("statistics")).get("token_count")) for item in found)
    return _list(found, tokens, {key: value for key, value in body.items() if key != "predictions"})


def _list(found: list[JSON], tokens: int, rest: JSON) -> JSON:
    """The vectors; what is said beside one of them (its statistics) is kept in their order."""
    beside = [{key: value for key, value in item.items() if key != "values"} for item in found]
    kept = {**rest, "embeddings": beside} if any(beside) else rest
    listed = vectors.response([item["values"] for item in found], None, tokens)  # Google does not say its model
    return {**listed, "provider_fields": {"gemini": kept}} if kept else listed
