"""Databricks' model serving: OpenAI's dialect, with an access token or as a service principal (OAuth)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from app.call import Call
from app.dialects import openai_like
from app.providers.calling import below, with_bearer
from app.providers.compatible import translators
from app.providers.oauth import Grant
from app.providers.provider import Provider
from app.providers.settings import Secret, Settings, SettingsSchema, base_url, flag, http_url


def _workspace(value: str) -> None:
    """A validator: a workspace's address; MLflow's users leave out `https://` too."""
    http_url(value if "://" in value else f"https://{value}")


class DatabricksSettings(SettingsSchema):
    """MLflow's keys: the workspace, and a token or a service principal."""

    host = fields.String(required=True, validate=_workspace)
    token = Secret()
    client_id = fields.String()
    client_secret = Secret()
    api_base = base_url()
    stream_usage = flag(load_default=True)

    @validates_schema(skip_on_field_errors=True)
    def check_credentials(self, settings: dict[str, Any], **_: Any) -> None:
        """One of the two ways, whole."""
        pair = [key for key in ("client_id", "client_secret") if settings.get(key)]
        if settings.get("token") and pair:
            raise ValidationError({pair[0]: ["is for OAuth, which needs no token; give one of the two"]})
        if len(pair) == 1:
            missing = "client_secret" if pair[0] == "client_id" else "client_id"
            raise ValidationError({missing: [f"is required with {pair[0]}"]})
        if not pair and not settings.get("token"):
            raise ValidationError({"token": ["is required, or client_id and client_secret"]})


def _host(settings: Settings) -> str:
    host = settings["host"].rstrip("/")
    return host if "://" in host else f"https://{host}"


def _url(settings: Settings, model: str, path: str) -> str:
    return below(settings.get("api_base") or f"{_host(settings)}/serving-endpoints", model, path)


def grant(settings: Settings) -> Grant | None:
    """What to get a token with; None where the settings hold one."""
    if settings.get("token"):
        return None
    url = f"{_host(settings)}/oidc/v1/token"
    return Grant(url, settings["client_id"], settings["client_secret"], "all-apis")


def _authorize(settings: Settings, call: Call) -> Call:
    """The access token, if the settings hold one; else the gateway puts OAuth's on the call."""
    return with_bearer(call, settings.get("token"))


_TRANSLATORS = {
    **translators("chat embeddings"),
    "llm/v1/completions": openai_like.completions_translator(path="{model}/invocations"),
}

DATABRICKS = Provider("databricks", DatabricksSettings, _TRANSLATORS, _url, _authorize, asks_usage=True, grant=grant)
DATABRICKS_MODEL_SERVING = replace(DATABRICKS, name="databricks-model-serving")
"""MLflow's other name for it."""
