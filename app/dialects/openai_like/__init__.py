"""OpenAI's dialect as others speak it: what they name, place or shape otherwise is put right.

What is right stays as it came: `response` gives back the very object that it was given, and a stream the very chunks,
where there was nothing to put right. The provider's bytes can then pass as they are.
"""

from __future__ import annotations

from functools import partial

from app.dialects import Translator
from app.dialects.openai_like.request import OPENAI_LIKE, Manner, chat_request, request
from app.dialects.openai_like.response import chat, completion, embeddings
from app.dialects.openai_like.stream import chat_stream, completion_stream

__all__ = ["OPENAI_LIKE", "Manner", "chat_translator", "completions_translator", "embeddings_translator"]


def chat_translator(manner: Manner = OPENAI_LIKE, path: str = "chat/completions") -> Translator:
    """`llm/v1/chat` for a provider with this manner."""
    return Translator(path, partial(chat_request, manner), chat, chat_stream)


def completions_translator(manner: Manner = OPENAI_LIKE, path: str = "completions") -> Translator:
    """`llm/v1/completions` for a provider with this manner."""
    return Translator(path, partial(request, manner), completion, completion_stream)


def embeddings_translator(manner: Manner = OPENAI_LIKE, path: str = "embeddings") -> Translator:
    """`llm/v1/embeddings` for a provider with this manner."""
    return Translator(path, partial(request, manner), embeddings)
