"""Models served by MLflow."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, validates_schema

from app.call import Call
from app.dialects import mlflow_serving
from app.providers.calling import below, with_bearer
from app.providers.provider import Provider, Secret, Settings, SettingsSchema
from app.providers.settings import Missing, base_url


class ServingSettings(SettingsSchema):
    """Where the server is, under MLflow's name or ours, and a key if something before it wants one."""

    model_server_url = base_url()
    api_base = base_url()
    api_key = Secret()

    @validates_schema
    def check_address(self, settings: dict[str, Any], **_: Any) -> None:
        """One of the two says where the server is."""
        if not settings.get("model_server_url") and not settings.get("api_base"):
            raise ValidationError({"model_server_url": [Missing()]})


def _url(settings: Settings, model: str, path: str) -> str:
    return below(settings.get("api_base") or settings["model_server_url"], model, path)


def _authorize(settings: Settings, call: Call) -> Call:
    return with_bearer(call, settings.get("api_key"))


MLFLOW_SERVING = Provider("mlflow-model-serving", ServingSettings, mlflow_serving.TRANSLATORS, _url, _authorize)
