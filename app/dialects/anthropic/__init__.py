"""Anthropic's Messages API, versions 2023-06-01 and 2026-10-21."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from app.dialects import Translator
from app.dialects.anthropic.request import request
from app.dialects.anthropic.response import response
from app.dialects.anthropic.stream import stream

CHAT = Translator("messages", request, response, stream)
"""`llm/v1/chat`, whole and in pieces."""


def chat(version: str) -> Translator:
    """The same for a version of the API: since 2026-10-21 it takes no sampling parameters."""
    return replace(CHAT, request=partial(request, version=version))
