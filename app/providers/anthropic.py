"""Anthropic."""

from __future__ import annotations

from marshmallow import fields

from app.call import Call
from app.dialects import Translator, anthropic, through_chat
from app.providers.calling import below, with_headers
from app.providers.provider import Provider, Secret, Settings, SettingsSchema
from app.providers.settings import base_url, header_value


class AnthropicSettings(SettingsSchema):
    """MLflow's keys; `api_base` is another name for `anthropic_api_base`."""

    anthropic_api_key = Secret(required=True)
    anthropic_version = fields.String(load_default="2023-06-01", validate=header_value)
    anthropic_beta = fields.String(validate=header_value)
    anthropic_api_base = base_url(load_default="https://api.anthropic.com/v1")
    api_base = base_url()


def _url(settings: Settings, model: str, path: str) -> str:
    return below(settings.get("api_base") or settings["anthropic_api_base"], model, path)


def version_headers(settings: Settings) -> dict[str, str]:
    """Which version of the API is spoken, and which of its betas."""
    beta = {"anthropic-beta": settings["anthropic_beta"]} if settings.get("anthropic_beta") else {}
    return {"anthropic-version": settings["anthropic_version"], **beta}


def _authorize(settings: Settings, call: Call) -> Call:
    """`x-api-key` is what every version takes."""
    return with_headers(call, {"x-api-key": settings["anthropic_api_key"], **version_headers(settings)})


def _choose(settings: Settings, endpoint_type: str, model: str) -> Translator | None:
    chat = anthropic.chat(settings["anthropic_version"])
    return {"llm/v1/chat": chat, "llm/v1/completions": through_chat.completions(chat)}.get(endpoint_type)


ANTHROPIC = Provider(
    "anthropic",
    AnthropicSettings,
    {"llm/v1/chat": anthropic.CHAT, "llm/v1/completions": through_chat.completions(anthropic.CHAT)},
    _url,
    _authorize,
    choose=_choose,
    needs_model=True,
)
