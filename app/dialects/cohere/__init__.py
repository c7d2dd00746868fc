"""Cohere's API, version 2: chat and embeddings. (Version 1 has no models any more.)"""

from __future__ import annotations

from app.dialects import Translator
from app.dialects.cohere import embeddings
from app.dialects.cohere.request import request
from app.dialects.cohere.response import response
from app.dialects.cohere.stream import stream

__all__ = ["CHAT", "EMBEDDINGS"]

CHAT = Translator("chat", request, response, stream)
"""`llm/v1/chat`, whole and in pieces."""

EMBEDDINGS = Translator("embed", embeddings.request, embeddings.response, batch=embeddings.TEXTS_PER_CALL)
"""`llm/v1/embeddings`."""
