"""The built-in provider: Weir's own model, for first runs, demonstrations and tests. No key and no network."""

from __future__ import annotations

from dataclasses import replace

import orjson
from marshmallow import fields
from marshmallow.validate import Range

from app.call import Call
from app.dialects import openai
from app.local.behaviour import HEADER
from app.local.embeddings import MOST_DIMENSIONS
from app.providers.provider import Provider, Settings, SettingsSchema


class LocalSettings(SettingsSchema):
    """How the built-in model behaves, and how it misbehaves on demand. All may be left out."""

    latency = fields.Float(validate=Range(min=0, error="must be a number of seconds, 0 or more"))
    tokens_per_second = fields.Float(validate=Range(min=0, min_inclusive=False, error="must be more than 0"))
    fail_rate = fields.Float(validate=Range(0, 1, error="must be between 0 (no call fails) and 1 (every call fails)"))
    fail_status = fields.Integer(
        strict=True, validate=Range(400, 599, error="must be the status of an error, 400 to 599")
    )
    retry_after = fields.Integer(strict=True, validate=Range(min=0, error="must be whole seconds, 0 or more"))
    cut_after = fields.Integer(strict=True, validate=Range(min=0, error="must be a number of tokens, 0 or more"))
    dimensions = fields.Integer(
        strict=True, validate=Range(1, MOST_DIMENSIONS, error=f"must be between 1 and {MOST_DIMENSIONS}")
    )


def _url(settings: Settings, model: str, path: str) -> str:
    return f"local://weir/{path.lstrip('/')}"


def _authorize(settings: Settings, call: Call) -> Call:
    """The settings stand where a credential would: the call is their only way to the model."""
    return replace(call, headers={**call.headers, HEADER: orjson.dumps(dict(settings)).decode()})


LOCAL = Provider(
    name="local",
    settings=LocalSettings,
    translators=openai.TRANSLATORS,
    url=_url,
    authorize=_authorize,
    asks_usage=True,
)
