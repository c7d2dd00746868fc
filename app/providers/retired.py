"""Providers whose service is over, and those that MLflow knows and this gateway does not."""

from __future__ import annotations

from dataclasses import replace

from app.call import Call
from app.dialects import mosaicml
from app.providers.calling import below, with_headers
from app.providers.compatible import row
from app.providers.gemini import GEMINI
from app.providers.provider import Provider, Secret, Settings, SettingsSchema
from app.providers.settings import base_url


class MosaicMLSettings(SettingsSchema):
    """MLflow's keys; the address has no default any more."""

    mosaicml_api_key = Secret(required=True)
    mosaicml_api_base = base_url(required=True)


def _mosaicml_url(settings: Settings, model: str, path: str) -> str:
    return below(settings["mosaicml_api_base"], model, path)


def _authorize_mosaicml(settings: Settings, call: Call) -> Call:
    return with_headers(call, {"Authorization": settings["mosaicml_api_key"]})


class PalmSettings(SettingsSchema):
    """MLflow's key, which is one of AI Studio's."""

    palm_api_key = Secret(required=True)
    api_base = base_url(load_default="https://generativelanguage.googleapis.com/v1beta")


def _authorize_palm(settings: Settings, call: Call) -> Call:
    return with_headers(call, {"x-goog-api-key": settings["palm_api_key"]})


PROVIDERS = (
    replace(
        row("ai21labs", "https://api.ai21.com/studio/v1", "chat", key="ai21labs_api_key"),
        retired="AI21 announced the end of its API for 9 August 2026 (of its Jurassic models' in 2024); "
        "Jamba's dialect still works with an 'api_base' of yours",
    ),
    Provider(
        "mosaicml",
        MosaicMLSettings,
        mosaicml.TRANSLATORS,
        _mosaicml_url,
        _authorize_mosaicml,
        needs_model=True,
        retired="MosaicML's public API is gone since it became part of Databricks (use the provider 'databricks'); "
        "its dialect still works with a 'mosaicml_api_base' of yours",
    ),
    replace(
        GEMINI,
        name="palm",
        settings=PalmSettings,
        authorize=_authorize_palm,
        retired="Google's PaLM API is gone since 15 August 2024 (on Vertex AI since 9 April 2025); this endpoint "
        "speaks Gemini's API, which has no PaLM model: use the provider 'gemini'",
    ),
)

NOT_OURS = {
    "litellm": "it is a library that calls other providers: use their own, or 'openai-compatible' for LiteLLM's proxy",
    "sap-ai-core": "there is none to use in its place",
    "typesafe": "it answers typed questions (System One), and no endpoint type here does; there is none to use in its "
    "place",
}
"""Names that MLflow knows and that stand for nothing here, in the registry's spelling, and what to do about each."""
