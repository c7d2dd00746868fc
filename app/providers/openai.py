"""OpenAI, Azure OpenAI, and any server that speaks OpenAI's dialect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from marshmallow import ValidationError, fields, validates_schema

from app.call import Call
from app.dialects import Translator, openai
from app.dialects.openai_like import Manner
from app.providers import entra
from app.providers.calling import with_bearer, with_headers
from app.providers.compatible import translators
from app.providers.provider import Provider
from app.providers.settings import Missing, OneOf, Secret, Settings, SettingsSchema, base_url, flag, header_value

_API_TYPES = ("openai", "azure", "azuread")


class _ApiType(fields.String):
    """One of MLflow's three, in whichever case."""

    def _deserialize(self, value: Any, *args: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value, *args, **kwargs).lower()


def _api_type(default: str) -> _ApiType:
    return _ApiType(load_default=default, validate=OneOf(*_API_TYPES))


class OpenAISettings(SettingsSchema):
    """MLflow's keys for OpenAI and Azure OpenAI, all under `provider: openai`."""

    openai_api_key = Secret()
    openai_api_type = _api_type("openai")
    openai_api_base = base_url()
    openai_api_version = fields.String()
    openai_deployment_name = fields.String()
    openai_organization = fields.String(validate=header_value)
    openai_project = fields.String(validate=header_value)
    stream_usage = flag(load_default=True)

    @validates_schema(pass_original=True, skip_on_field_errors=False)
    def check_type(self, settings: dict[str, Any], said: Any, **_: Any) -> None:
        """Azure needs an address of its own; only OpenAI has organizations. `said` has the keys that are wrong too."""
        api_type = settings.get("openai_api_type")
        if api_type is None or not isinstance(said, dict):
            return
        keys = {key for key, value in said.items() if value}
        errors = {**_misplaced(api_type, keys, _is_v1(settings)), **_without_key(api_type, keys)}
        if errors:
            raise ValidationError(errors)


def _misplaced(api_type: str, keys: set[str], is_v1: bool) -> dict[str, Any]:
    """What is wrong with which keys for an API type."""
    if api_type == "openai":
        return _are("is for openai_api_type 'azure' or 'azuread' only", keys & {"openai_deployment_name"})
    deployed = {"openai_deployment_name", "openai_api_version"}
    needed = {"openai_api_base"} if is_v1 else {"openai_api_base", *deployed}
    moved = keys & {"openai_deployment_name"} if is_v1 else set()
    return {
        **_are(f"is required with openai_api_type '{api_type}'", needed - keys),
        **_are("is for openai_api_type 'openai' only", keys & {"openai_organization", "openai_project"}),
        **_are("has no place at a v1 address: there model.name names the deployment", moved),
    }


def _are(wrong: str, keys: set[str]) -> dict[str, Any]:
    return {key: [wrong] for key in sorted(keys)}


def _without_key(api_type: str, keys: set[str]) -> dict[str, Any]:
    """What is wrong where there is no key: only a token can be got without one."""
    if "openai_api_key" in keys:
        return {}
    if api_type != "azuread":
        missing: Any = [Missing()]
        return {"openai_api_key": missing}
    return {} if entra.is_installed() else {"_schema": [entra.NEEDS]}


class AzureSettings(OpenAISettings):
    """The same keys, of type `azure` unless they say otherwise."""

    openai_api_type = _api_type("azure")


class AzureADSettings(OpenAISettings):
    """The same keys, of type `azuread` unless they say otherwise: the key, if any, is a token of Microsoft Entra ID."""

    openai_api_type = _api_type("azuread")


# --- the address


def _is_v1(settings: Settings) -> bool:
    """Whether the address is one of Azure's v1: the paths are OpenAI's, and the model's name is the deployment's."""
    return urlsplit(settings.get("openai_api_base") or "").path.rstrip("/").endswith("/openai/v1")


def _below(base: str, path: str, **query: str | None) -> str:
    """The URL of a path below an address, its query added to that of the address."""
    url = urlsplit(base)
    pairs = [*parse_qsl(url.query, keep_blank_values=True), *((key, value) for key, value in query.items() if value)]
    return urlunsplit((url.scheme, url.netloc, f"{url.path.rstrip('/')}/{path}", urlencode(pairs), ""))


def _openai_url(settings: Settings, model: str, path: str) -> str:
    version = {"api-version": settings.get("openai_api_version")}
    if settings["openai_api_type"] == "openai" or _is_v1(settings):
        return _below(settings.get("openai_api_base") or "https://api.openai.com/v1", path, **version)
    deployment = quote(settings["openai_deployment_name"], safe="")
    return _below(settings["openai_api_base"], f"openai/deployments/{deployment}/{path}", **version)


# --- the credentials


def _authorize_openai(settings: Settings, call: Call) -> Call:
    """A key, or a token of Microsoft Entra ID. Raises UpstreamError where that gives none."""
    key = settings.get("openai_api_key") or entra.token()
    if settings["openai_api_type"] == "azure":
        return with_headers(call, {"api-key": key})
    named = {"OpenAI-Organization": "openai_organization", "OpenAI-Project": "openai_project"}
    said = {name: settings[setting] for name, setting in named.items() if settings.get(setting)}
    return with_headers(with_bearer(call, key), said)


_AZURE = translators("chat completions embeddings", Manner(new_limit=True))
"""Azure's streams begin with a chunk of its filters, and what they filter has no message: both are put right."""


def _choose(settings: Settings, endpoint_type: str, model: str) -> Translator | None:
    return (_AZURE if _is_azure(settings) else openai.TRANSLATORS).get(endpoint_type)


def _is_azure(settings: Settings) -> bool:
    """Whether Azure answers: by its type or address, or since only Azure's addresses have a version."""
    return settings["openai_api_type"] != "openai" or _is_v1(settings) or bool(settings.get("openai_api_version"))


OPENAI = Provider(
    "openai",
    OpenAISettings,
    openai.TRANSLATORS,
    _openai_url,
    _authorize_openai,
    choose=_choose,
    asks_usage=True,
)
AZURE = replace(OPENAI, name="azure", settings=AzureSettings)
AZUREAD = replace(OPENAI, name="azuread", settings=AzureADSettings)
