"""OpenAI, Azure OpenAI, and any server that speaks OpenAI's dialect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import quote, urlencode

from marshmallow import ValidationError, fields, validate, validates_schema

from app.call import Call
from app.dialects import openai
from app.providers.provider import Provider, Secret, Settings, SettingsSchema

_http_url = validate.URL(
    schemes={"http", "https"}, require_tld=False, error="should be an http:// or https:// URL, not '{input}'"
)


def base_url(**kwargs: Any) -> fields.String:
    """A setting that holds the address that a provider's paths are appended to."""
    return fields.String(validate=_http_url, **kwargs)


class CompatibleSettings(SettingsSchema):
    """Where the server is and, if it wants one, a key."""

    api_base = base_url(required=True)
    api_key = Secret()
    stream_usage = fields.Boolean(load_default=True)


class OpenAISettings(SettingsSchema):
    """MLflow's keys for OpenAI and Azure OpenAI, all under `provider: openai`."""

    API_TYPES = ("openai", "azure", "azuread")

    openai_api_key = Secret(required=True)
    openai_api_type = fields.String(load_default="openai", validate=validate.OneOf(API_TYPES))
    openai_api_base = base_url()
    openai_api_version = fields.String()
    openai_deployment_name = fields.String()
    openai_organization = fields.String()
    openai_project = fields.String()
    stream_usage = fields.Boolean(load_default=True)

    @validates_schema
    def check_type(self, settings: dict[str, Any], **_: Any) -> None:
        """Azure needs an address of its own; only OpenAI has organizations."""
        api_type = settings["openai_api_type"]
        if api_type == "openai":
            wrong = "is for openai_api_type 'azure' or 'azuread' only"
            errors = {key: [wrong] for key in ("openai_deployment_name",) if settings.get(key)}
        else:
            needed = ("openai_api_base", "openai_deployment_name", "openai_api_version")
            errors = {key: [f"is required with openai_api_type '{api_type}'"] for key in needed if not settings.get(key)}
            wrong = "is for openai_api_type 'openai' only"
            errors |= {key: [wrong] for key in ("openai_organization", "openai_project") if settings.get(key)}
        if errors:
            raise ValidationError(errors)  # type: ignore[arg-type]


class AzureSettings(OpenAISettings):
    """The same keys, of type `azure` unless they say otherwise."""

    openai_api_type = fields.String(load_default="azure", validate=validate.OneOf(OpenAISettings.API_TYPES))


def _below(base: str, path: str) -> str:
    return f"{base.rstrip('/')}/{path}"


def _compatible_url(settings: Settings, model: str, path: str) -> str:
    return _below(settings["api_base"], path)


def _openai_url(settings: Settings, model: str, path: str) -> str:
    if settings["openai_api_type"] == "openai":
        return _below(settings.get("openai_api_base") or "https://api.openai.com/v1", path)
    deployment = quote(settings["openai_deployment_name"], safe="")
    query = urlencode({"api-version": settings["openai_api_version"]})
    return _below(settings["openai_api_base"], f"openai/deployments/{deployment}/{path}?{query}")


def _bearer(call: Call, key: str, **more: str) -> Call:
    return replace(call, headers={**call.headers, "Authorization": f"Bearer {key}", **more})


def _authorize_compatible(settings: Settings, call: Call) -> Call:
    return _bearer(call, settings["api_key"]) if settings.get("api_key") else call


def _authorize_openai(settings: Settings, call: Call) -> Call:
    key = settings["openai_api_key"]
    if settings["openai_api_type"] == "azure":
        return replace(call, headers={**call.headers, "api-key": key})
    more = {"OpenAI-Organization": settings.get("openai_organization"), "OpenAI-Project": settings.get("openai_project")}
    return _bearer(call, key, **{name: value for name, value in more.items() if value})


OPENAI = Provider("openai", OpenAISettings, openai.TRANSLATORS, _openai_url, _authorize_openai, asks_usage=True)
AZURE = replace(OPENAI, name="azure", settings=AzureSettings)
COMPATIBLE = Provider(
    "openai-compatible",
    CompatibleSettings,
    openai.TRANSLATORS,
    _compatible_url,
    _authorize_compatible,
    asks_usage=True,
)
