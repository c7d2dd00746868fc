"""Google's Vertex AI: Gemini, Claude, and the models of others. Needs the extra `weir[vertex]`."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote, urlsplit

from marshmallow import ValidationError, fields, pre_load, validate, validates_schema

from app.call import Call
from app.dialects import JSON, Body, Translator, anthropic, gemini, openai_like, through_chat
from app.errors import UpstreamError
from app.providers.calling import with_headers
from app.providers.gemini import refusal
from app.providers.kept import Kept
from app.providers.provider import Provider, Settings, SettingsSchema
from app.providers.settings import Document, base_url, flag, header_value

log = logging.getLogger("weir.providers.vertex")

NEEDS = "Vertex AI needs google-auth: pip install 'weir[vertex]'"

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)

_SECONDS = 10
"""How long Google may take to give a token."""

_WORD = partial(validate.Regexp, "[A-Za-z0-9.:-]+$")


class VertexSettings(SettingsSchema):
    """MLflow's keys: a project, a location, and a service account's key; without a key, Google's default credentials.

    `api_base` takes the place of the location's address, up to the version (`https://vertex.example/v1`).
    """

    vertex_project = fields.String(required=True, validate=_WORD(error="should be a project's id"))
    vertex_location = fields.String(
        load_default="global", validate=_WORD(error="should be a location, such as us-east5 or global")
    )
    vertex_credentials = Document()
    vertex_anthropic_betas = fields.List(fields.String(validate=header_value))
    vertex_anthropic_version = fields.String(load_default="vertex-2023-10-16", validate=header_value)
    vertex_function_ids = flag(load_default=False)
    api_base = base_url()

    @pre_load
    def with_list(self, settings: Any, **_: Any) -> Any:
        """MLflow takes the betas as one text too, with commas."""
        betas = settings.get("vertex_anthropic_betas") if isinstance(settings, dict) else None
        if not isinstance(betas, str):
            return settings
        return {**settings, "vertex_anthropic_betas": [beta for beta in map(str.strip, betas.split(",")) if beta]}

    @validates_schema(skip_on_field_errors=True)
    def check_credentials(self, settings: dict[str, Any], **_: Any) -> None:
        """google-auth has to be there, and to be able to read the key."""
        try:
            import google.auth
            from google.oauth2 import service_account  # noqa: F401
        except ImportError:
            raise ValidationError(NEEDS) from None
        if settings.get("vertex_credentials"):
            try:
                _service_account(settings["vertex_credentials"])
            except (ValueError, TypeError, AttributeError, google.auth.exceptions.GoogleAuthError):
                words = "should be the JSON of a service account's key"
                raise ValidationError({"vertex_credentials": [words]}) from None


# --- the address


def _host(location: str) -> str:
    if location == "global":
        return "https://aiplatform.googleapis.com"
    if location in ("us", "eu"):  # several regions at once
        return f"https://aiplatform.{location}.rep.googleapis.com"
    return f"https://{location}-aiplatform.googleapis.com"


def _url(settings: Settings, model: str, path: str) -> str:
    """A path below the project and the location. The `@` of Claude's versions stands in it as it is."""
    location = settings["vertex_location"]
    base = (settings.get("api_base") or _host(location)).rstrip("/")
    version = "" if urlsplit(base).path else "/v1"
    name = quote(model.rpartition("models/")[2], safe="@")
    below = f"projects/{settings['vertex_project']}/locations/{location}"
    return f"{base}{version}/{below}/{path.replace('{model}', name)}"


# --- the credentials


def _service_account(document: str) -> Any:
    """google-auth's credentials for a service account's key. Raises ValueError and its kin for what is none."""
    from google.oauth2 import service_account

    make: Any = service_account.Credentials.from_service_account_info
    return make(json.loads(document), scopes=_SCOPES)


class _Holder:
    """One identity's credentials: found at its first call, refreshed before they end, both under a lock."""

    def __init__(self, document: str | None) -> None:
        self._document = document
        self._found = Kept(self._find)
        self._fresh = Kept(self._refreshed, lambda credentials: credentials.valid)

    def headers(self) -> dict[str, str]:
        """What goes on a call. Raises UpstreamError; only the log says why: Google names accounts and projects."""
        from google.auth.exceptions import GoogleAuthError

        headers: dict[str, str] = {}
        try:
            self._fresh().apply(headers)
        except GoogleAuthError as error:
            log.warning("Google gave no token for Vertex AI: %s", error)
            raise UpstreamError("Google gave the gateway no credentials for Vertex AI", code="upstream_auth") from error
        return {"Authorization": headers.pop("authorization"), **headers}

    def _refreshed(self) -> Any:
        """Credentials that last for the call's way."""
        credentials = self._found()
        credentials.refresh(_request())
        return credentials

    def _find(self) -> Any:
        import google.auth

        return _service_account(self._document) if self._document else google.auth.default(scopes=_SCOPES)[0]


def _request() -> Any:
    """How google-auth speaks HTTP."""
    from google.auth.transport.requests import Request

    return partial(Request(), timeout=_SECONDS)


@lru_cache(maxsize=256)
def _holder(document: str | None) -> _Holder:
    """One holder per identity, for all endpoints that share it, and through every reload."""
    return _Holder(document)


def _authorize(settings: Settings, call: Call) -> Call:
    """The call with a token. Raises UpstreamError where Google gives none."""
    return with_headers(call, _holder(settings.get("vertex_credentials")).headers())


# --- the models


def _published(publisher: str, translator: Translator, **changed: Any) -> Translator:
    """A translator whose paths lie below a publisher's."""
    stream_path = translator.stream_path and f"publishers/{publisher}/{translator.stream_path}"
    return replace(translator, path=f"publishers/{publisher}/{translator.path}", stream_path=stream_path, **changed)


def _gemini_request(model: str, payload: JSON) -> Body:
    """Gemini's body. Which tier serves it a header says there; in a body `flex` is refused, and others are not read."""
    body = gemini.CHAT.request(model, {key: value for key, value in payload.items() if key != "service_tier"})
    return replace(body, adjusted=(*body.adjusted, "service_tier")) if payload.get("service_tier") else body


def _gemini_request_without_ids(model: str, payload: JSON) -> Body:
    """The same without the ids of function calls, which Vertex AI may refuse: order and names tell them apart."""
    body = _gemini_request(model, payload)
    contents = [
        {**turn, "parts": [_without_id(part) for part in turn.get("parts") or []]} for turn in body.json["contents"]
    ]
    return replace(body, json={**body.json, "contents": contents})


def _without_id(part: JSON) -> JSON:
    named = {key: part[key] for key in ("functionCall", "functionResponse") if isinstance(part.get(key), dict)}
    return {**part, **{key: {name: call[name] for name in call if name != "id"} for key, call in named.items()}}


_GEMINI_WITH_IDS = _published("google", gemini.CHAT, request=_gemini_request)
_GEMINI = replace(_GEMINI_WITH_IDS, request=_gemini_request_without_ids)
_EMBEDDINGS = _published("google", gemini.VERTEX_EMBEDDINGS)
_PREDICTIONS = _published("google", gemini.VERTEX_PREDICT)
_CLAUDE = _published(
    "anthropic",
    replace(anthropic.CHAT, path="models/{model}:rawPredict", stream_path="models/{model}:streamRawPredict"),
    wants_bytes=True,  # "URL sources are not supported", unlike at Anthropic's own
)
_OTHERS = openai_like.chat_translator(path="endpoints/openapi/chat/completions")
"""Llama, Mistral and others as a service: OpenAI's dialect. Their names hold a publisher, `meta/llama-4-...`."""


def _claude_request(version: str, betas: tuple[str, ...] | None, model: str, payload: JSON) -> Body:
    """Anthropic's body as Vertex AI takes it: the model stands in the path, and version and betas in the body."""
    body = anthropic.chat(version).request(model, payload)
    said = {key: value for key, value in body.json.items() if key != "model"}
    if chosen := _betas(betas, said.pop("anthropic_beta", None)):
        said["anthropic_beta"] = chosen
    return Body({"anthropic_version": version, **said}, body.adjusted)


def _betas(known: tuple[str, ...] | None, said: Any) -> Any:
    """Of the betas that a client asks for those that the settings let through, as in MLflow; None lets all through."""
    if known is None:
        return said
    return [beta for beta in said if beta in known] if isinstance(said, list) else None


def _chat(settings: Settings, model: str) -> Translator:
    if "claude" in model:
        betas = settings.get("vertex_anthropic_betas")
        version = settings["vertex_anthropic_version"]
        known = None if betas is None else tuple(betas)
        return replace(_CLAUDE, request=partial(_claude_request, version, known))
    if "/" in model.rpartition("models/")[2]:
        return _OTHERS
    return _GEMINI_WITH_IDS if settings["vertex_function_ids"] else _GEMINI


def _embeddings(model: str) -> Translator | None:
    if "gemini-embedding" in model:
        return _EMBEDDINGS
    return _PREDICTIONS if "embedding" in model and "multimodal" not in model else None


def _choose(settings: Settings, endpoint_type: str, model: str) -> Translator | None:
    if endpoint_type == "llm/v1/embeddings":
        return _embeddings(model)
    chat = _chat(settings, model)
    return chat if endpoint_type == "llm/v1/chat" else through_chat.completions(chat)


VERTEX = Provider(
    "vertex_ai",
    VertexSettings,
    {
        "llm/v1/chat": _GEMINI,
        "llm/v1/completions": through_chat.completions(_GEMINI),
        "llm/v1/embeddings": _EMBEDDINGS,
    },
    _url,
    _authorize,
    choose=_choose,
    refusal=refusal,
    needs_model=True,
    asks_usage=True,
)
