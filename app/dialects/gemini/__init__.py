"""Google's generateContent API: AI Studio's and Vertex AI's Gemini, and their embeddings."""

from __future__ import annotations

from app.dialects import Translator
from app.dialects.gemini import embeddings
from app.dialects.gemini.refusal import read as read_refusal
from app.dialects.gemini.request import request
from app.dialects.gemini.response import response
from app.dialects.gemini.stream import stream

__all__ = ["CHAT", "EMBEDDINGS", "VERTEX_EMBEDDINGS", "VERTEX_PREDICT", "read_refusal"]

CHAT = Translator(
    "models/{model}:generateContent",
    request,
    response,
    stream,
    stream_path="models/{model}:streamGenerateContent?alt=sse",
    wants_bytes=True,
)
"""`llm/v1/chat`, whole and in pieces. Without `alt=sse` a stream would be one growing JSON array."""

EMBEDDINGS = Translator("models/{model}:batchEmbedContents", embeddings.studio_request, embeddings.response, batch=100)
"""`llm/v1/embeddings` of AI Studio."""

VERTEX_EMBEDDINGS = Translator(
    "models/{model}:batchEmbedContents", embeddings.vertex_request, embeddings.response, batch=100
)
"""`llm/v1/embeddings` of Vertex AI's gemini-embedding-* models."""

VERTEX_PREDICT = Translator(
    "models/{model}:predict", embeddings.predict_request, embeddings.predict_response, batch=250
)
"""`llm/v1/embeddings` of Vertex AI's text-embedding-* models."""
