"""Providers that speak OpenAI's dialect at another address: a row each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from marshmallow import fields

from app.call import Call
from app.dialects import Translator, openai_like
from app.dialects.openai_like import OPENAI_LIKE, Manner, mistral, perplexity
from app.providers.calling import below, with_bearer, with_headers
from app.providers.provider import Provider
from app.providers.settings import Secret, Settings, SettingsSchema, base_url, flag, header_value

Translators = Mapping[str, Translator]


def translators(types: str, manner: Manner = OPENAI_LIKE) -> dict[str, Translator]:
    """The translators of some endpoint types, named by their last words."""
    every: dict[str, Callable[[Manner], Translator]] = {
        "chat": openai_like.chat_translator,
        "completions": openai_like.completions_translator,
        "embeddings": openai_like.embeddings_translator,
    }
    return {f"llm/v1/{name}": every[name](manner) for name in types.split()}


def settings_schema(
    base: str | None, key: str, key_required: bool = True, **more: fields.Field[Any]
) -> type[SettingsSchema]:
    """A schema with an address (required where there is no default), a key, and what else a provider wants to know."""
    known: dict[str, fields.Field[Any]] = {
        "api_base": base_url(load_default=base) if base else base_url(required=True),
        key: Secret(required=key_required),
        "stream_usage": flag(load_default=True),
    }
    schema = SettingsSchema.from_dict({**known, **more}, name="CompatibleSettings")
    assert issubclass(schema, SettingsSchema)
    return schema


def row(
    name: str,
    base: str | None,
    can: str | Translators,
    manner: Manner = OPENAI_LIKE,
    key: str = "api_key",
    key_required: bool = True,
) -> Provider:
    """A provider: its name in the configuration, address, endpoint types, manner, and how its key is called."""

    def url(settings: Settings, model: str, path: str) -> str:
        return below(settings["api_base"], model, path)

    def authorize(settings: Settings, call: Call) -> Call:
        return with_bearer(call, settings.get(key))

    able = translators(can, manner) if isinstance(can, str) else can
    schema = settings_schema(base, key, key_required)
    return Provider(name, schema, able, url, authorize, asks_usage=manner.stream_options)


ALL = "chat completions embeddings"
_NEWER = Manner(new_limit=True, thought="reasoning")
_REASONING = Manner(thought="reasoning")
_USAGE_UNASKED = Manner(stream_options=False)

_DEEPSEEK = {**translators("chat"), "llm/v1/completions": openai_like.completions_translator(path="beta/completions")}
_PERPLEXITY = {**translators("chat", _USAGE_UNASKED), "llm/v1/embeddings": perplexity.EMBEDDINGS}


def _deepseek_url(settings: Settings, model: str, path: str) -> str:
    """Completions are in the beta, which does not lie below `/v1`."""
    base = settings["api_base"].rstrip("/")
    return below(base.removesuffix("/v1") if path.startswith("beta/") else base, model, path)


def _mistral_url(settings: Settings, model: str, path: str) -> str:
    """Completions of a model that only chats go to chat."""
    if path == "fim/completions" and not mistral.is_for_filling(model):
        path = "chat/completions"
    return below(settings["api_base"], model, path)


def _ollama_url(settings: Settings, model: str, path: str) -> str:
    """Ollama's own address stands for the part of it that speaks OpenAI's dialect."""
    base = settings["api_base"].rstrip("/")
    return below(base if urlsplit(base).path else f"{base}/v1", model, path)


_PORTKEY = "https://api.portkey.ai/v1"
_PORTKEY_SETTINGS = settings_schema(
    _PORTKEY,
    "api_key",
    portkey_provider=fields.String(validate=header_value),
    portkey_config=fields.String(validate=header_value),
    provider_api_key=Secret(),
)


def _authorize_portkey(settings: Settings, call: Call) -> Call:
    """Portkey's key, and that of the provider behind it in its usual place."""
    settings_of = {
        "x-portkey-api-key": "api_key",
        "x-portkey-provider": "portkey_provider",
        "x-portkey-config": "portkey_config",
    }
    headers = {name: settings[setting] for name, setting in settings_of.items() if settings.get(setting)}
    if settings.get("provider_api_key"):
        headers["Authorization"] = f"Bearer {settings['provider_api_key']}"
    return with_headers(call, headers)


PROVIDERS = (
    row("openai-compatible", None, ALL, Manner(new_limit=True, is_gateway=True), key_required=False),
    row("groq", "https://api.groq.com/openai/v1", "chat", _NEWER),
    replace(row("deepseek", "https://api.deepseek.com", _DEEPSEEK), url=_deepseek_url),
    row("xai", "https://api.x.ai/v1", "chat completions"),
    row("openrouter", "https://openrouter.ai/api/v1", ALL, _NEWER),
    row("togetherai", "https://api.together.ai/v1", ALL, Manner(counts_logprobs=True), key="togetherai_api_key"),
    row("fireworks", "https://api.fireworks.ai/inference/v1", ALL),
    row("nvidia", "https://integrate.api.nvidia.com/v1", ALL),
    replace(
        row("mistral", "https://api.mistral.ai/v1", mistral.TRANSLATORS, _USAGE_UNASKED, key="mistral_api_key"),
        url=_mistral_url,
    ),
    row("perplexity", "https://api.perplexity.ai", _PERPLEXITY, _USAGE_UNASKED),
    row("cerebras", "https://api.cerebras.ai/v1", "chat completions", _REASONING),
    row("moonshot", "https://api.moonshot.ai/v1", "chat"),
    row("deepinfra", "https://api.deepinfra.com/v1/openai", ALL),
    replace(
        row("portkey", _PORTKEY, ALL, Manner(new_limit=True)),
        settings=_PORTKEY_SETTINGS,
        authorize=_authorize_portkey,
    ),
    replace(row("ollama", "http://localhost:11434/v1", ALL, _REASONING, key_required=False), url=_ollama_url),
    row("vllm", None, ALL, _REASONING, key_required=False),
    row("huggingface", "https://router.huggingface.co/v1", "chat"),
)
"""A provider of OpenAI's type is one row more."""
