"""Models served by MLflow."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from app.call import Call
from app.dialects import Translator, mlflow_serving
from app.providers.calling import below, with_bearer
from app.providers.provider import Provider, Secret, Settings, SettingsSchema
from app.providers.settings import Missing, OneOf, base_url


class ServingSettings(SettingsSchema):
    """Where the server is, under MLflow's name or ours, and a key if something before it wants one.

    `chat_input` says what the model takes: a conversation (`messages`), or one text (`inputs`), as in MLflow's gateway.
    """

    model_server_url = base_url()
    api_base = base_url()
    api_key = Secret()
    chat_input = fields.String(load_default="messages", validate=OneOf("messages", "inputs"))

    @validates_schema
    def check_address(self, settings: dict[str, Any], **_: Any) -> None:
        """One of the two says where the server is."""
        if not settings.get("model_server_url") and not settings.get("api_base"):
            raise ValidationError({"model_server_url": [Missing()]})


def _url(settings: Settings, model: str, path: str) -> str:
    return below(settings.get("api_base") or settings["model_server_url"], model, path)


def _authorize(settings: Settings, call: Call) -> Call:
    return with_bearer(call, settings.get("api_key"))


def _choose(settings: Settings, endpoint_type: str, model: str) -> Translator | None:
    if endpoint_type == "llm/v1/chat" and settings["chat_input"] == "inputs":
        return mlflow_serving.CHAT_OF_ONE_TEXT
    return mlflow_serving.TRANSLATORS.get(endpoint_type)


MLFLOW_SERVING = Provider(
    "mlflow-model-serving", ServingSettings, mlflow_serving.TRANSLATORS, _url, _authorize, choose=_choose
)
