"""Hugging Face's Text Generation Inference, and its sister for embeddings."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validates_schema

from app.call import Call
from app.dialects import tgi
from app.providers.calling import below, with_bearer
from app.providers.provider import Provider, Secret, Settings, SettingsSchema
from app.providers.settings import Missing, base_url, flag


class TGISettings(SettingsSchema):
    """Where the server is, under MLflow's name or ours, and a key if something before it wants one."""

    hf_server_url = base_url()
    api_base = base_url()
    api_key = Secret()
    stream_usage = flag(load_default=True)

    @validates_schema
    def check_address(self, settings: dict[str, Any], **_: Any) -> None:
        """One of the two says where the server is."""
        if not settings.get("hf_server_url") and not settings.get("api_base"):
            raise ValidationError({"hf_server_url": [Missing()]})


def _url(settings: Settings, model: str, path: str) -> str:
    return below(settings.get("api_base") or settings["hf_server_url"], model, path)


def _authorize(settings: Settings, call: Call) -> Call:
    return with_bearer(call, settings.get("api_key"))


HUGGINGFACE_TGI = Provider(
    "huggingface-text-generation-inference", TGISettings, tgi.TRANSLATORS, _url, _authorize, asks_usage=True
)
