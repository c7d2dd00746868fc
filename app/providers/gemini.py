"""Google's AI Studio."""

from __future__ import annotations

from collections.abc import Mapping

from app.call import Call
from app.dialects import gemini, through_chat
from app.dialects.refusal import Refusal
from app.providers.calling import below, with_headers
from app.providers.provider import Provider, Secret, Settings, SettingsSchema
from app.providers.settings import base_url


class GeminiSettings(SettingsSchema):
    """MLflow's key, and another address than Google's own, if need be."""

    gemini_api_key = Secret(required=True)
    api_base = base_url(load_default="https://generativelanguage.googleapis.com/v1beta")


def _url(settings: Settings, model: str, path: str) -> str:
    return below(settings["api_base"], model.removeprefix("models/"), path)


def _authorize(settings: Settings, call: Call) -> Call:
    return with_headers(call, {"x-goog-api-key": settings["gemini_api_key"]})


def refusal(headers: Mapping[str, str], body: bytes) -> Refusal:
    """Google's error, whose headers say nothing of it."""
    return gemini.read_refusal(body)


GEMINI = Provider(
    "gemini",
    GeminiSettings,
    {
        "llm/v1/chat": gemini.CHAT,
        "llm/v1/completions": through_chat.completions(gemini.CHAT),
        "llm/v1/embeddings": gemini.EMBEDDINGS,
    },
    _url,
    _authorize,
    refusal=refusal,
    needs_model=True,
)
