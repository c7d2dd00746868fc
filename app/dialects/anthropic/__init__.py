"""Anthropic's Messages API, versions 2023-06-01 and 2026-10-21."""

from __future__ import annotations

from app.dialects import Translator
from app.dialects.anthropic.request import request
from app.dialects.anthropic.response import response
from app.dialects.anthropic.stream import stream

CHAT = Translator("messages", request, response, stream)
"""`llm/v1/chat`, whole and in pieces."""
