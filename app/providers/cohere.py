"""Cohere."""

from __future__ import annotations

from app.call import Call
from app.dialects import cohere, through_chat
from app.providers.calling import below, with_bearer
from app.providers.provider import Provider, Secret, Settings, SettingsSchema
from app.providers.settings import base_url


class CohereSettings(SettingsSchema):
    """MLflow's key, and another address than Cohere's own, if need be."""

    cohere_api_key = Secret(required=True)
    api_base = base_url(load_default="https://api.cohere.com/v2")


def _url(settings: Settings, model: str, path: str) -> str:
    return below(settings["api_base"], model, path)


def _authorize(settings: Settings, call: Call) -> Call:
    return with_bearer(call, settings["cohere_api_key"])


COHERE = Provider(
    "cohere",
    CohereSettings,
    {
        "llm/v1/chat": cohere.CHAT,
        "llm/v1/completions": through_chat.completions(cohere.CHAT),
        "llm/v1/embeddings": cohere.EMBEDDINGS,
    },
    _url,
    _authorize,
    needs_model=True,
)
