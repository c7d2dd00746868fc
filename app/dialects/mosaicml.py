"""MosaicML's inference API: everything goes to `POST /{model}/v1/predict`; nothing is streamed, nothing counted."""

from __future__ import annotations

from app.dialects import JSON, Body, Translator, shapes, vectors
from app.dialects import conversation as said
from app.dialects.fields import Fields, texts, without_nones
from app.dialects.mlflow_serving import completion

NAME = "MosaicML"

_PATH = "{model}/v1/predict"


def completions_request(model: str, payload: JSON) -> Body:
    """Prompts are the inputs; all the rest their parameters."""
    prompts = texts(payload, "prompt", NAME)
    fields = Fields(payload)
    fields.take("prompt", "stream", "stream_options")
    known = {"max_new_tokens": fields.take("max_tokens"), "stop": said.stops(fields.take("stop"))}
    return Body({"inputs": prompts, "parameters": {**without_nones(known), **fields.rest()}})


def embeddings_request(model: str, payload: JSON) -> Body:
    """Texts are the inputs; the rest goes beside them."""
    inputs = vectors.texts(payload, NAME)
    fields = Fields(payload)
    fields.take("input", "encoding_format")  # numbers come back as numbers; the gateway packs them
    return Body({"inputs": inputs, **fields.rest()})


@shapes.whole(NAME)
def completions_response(body: JSON) -> JSON:
    """A text completion with a choice per output. Raises Garbled."""
    return completion(body["outputs"], body, NAME)


@shapes.whole(NAME)
def embeddings_response(body: JSON) -> JSON:
    """OpenAI's list of embeddings. Raises Garbled."""
    return vectors.response(body["outputs"], None, None)


TRANSLATORS = {
    "llm/v1/completions": Translator(_PATH, completions_request, completions_response),
    "llm/v1/embeddings": Translator(_PATH, embeddings_request, embeddings_response),
}
"""Endpoint type -> translator. Chat is not there: it was a completion of a text that each model wanted otherwise."""
