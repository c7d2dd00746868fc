"""The schema of endpoints.yaml: MLflow's keys, and ours."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import ValidationError, fields, pre_load, validate

from app.providers.settings import Number, OneOf, Secret, SettingsSchema, flag
from app.schemas import SCHEMAS

_NAME = re.compile(r"[a-zA-Z0-9_\-.]+")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_PERIOD = re.compile(r"\s*(\d{1,6})?\s*(second|minute|hour|day|month|year)s?\s*", re.IGNORECASE)


def endpoint_name(value: str) -> None:
    """MLflow's rule for names that stand in URLs."""
    if not _NAME.fullmatch(value):
        raise ValidationError(f"'{value[:100]}' is not a name: use letters, digits, hyphens, underscores and dots")


def route_name(value: str) -> None:
    """A route's name stands in a URL too; MLflow allows it spaces."""
    if not value.strip() or "/" in value:
        raise ValidationError(f"'{value[:100]}' is not a name: it may not be empty or hold a slash")


def parse_period(value: str) -> tuple[int, str]:
    """`minute` -> (1, "minute"); `5 minutes` -> (5, "minute"). Raises ValidationError."""
    match = _PERIOD.fullmatch(value)
    if not match or (match[1] and not int(match[1])):
        raise ValidationError(
            f"'{value[:100]}' is not a period: use second, minute, hour, day, month or year, or say `5 minutes`"
        )
    return int(match[1] or 1), match[2].lower()


def seconds(**kwargs: Any) -> Number:
    """A duration that is not nothing."""
    most = validate.Range(0, 86_400, min_inclusive=False, error="should be seconds: more than 0, at most 86400")
    return Number(validate=most, **kwargs)


def _at_least(least: int) -> validate.Range:
    return validate.Range(least, error=f"should be at least {least}")


def storage_url(value: str) -> None:
    """A validator: a store that all workers share. What it shows of the URL holds no password."""
    scheme = value.partition("://")[0]
    if not scheme.startswith(("redis", "valkey", "weir-sqlite")):
        raise ValidationError(f"'{scheme[:40]}' is no store that workers share: use redis://host:port/0")


def header_name(value: str) -> None:
    """A validator: a header's name, RFC 9110, section 5.1."""
    if not _TOKEN.fullmatch(value):
        raise ValidationError(f"'{value[:100]}' is not a header's name")


class TimeoutsSchema(SettingsSchema):
    """Seconds; what is absent keeps its default."""

    connect = seconds()
    first_token = seconds()
    idle = seconds()
    total = seconds()


class RetriesSchema(SettingsSchema):
    """What is absent keeps its default; see Retries."""

    attempts = fields.Integer(strict=True, validate=validate.Range(0, 10, error="should be between 0 and 10"))
    backoff = seconds()
    max_backoff = seconds()
    budget = Number(validate=validate.Range(0, 1, error="should be a share: between 0 and 1"))


class BreakerSchema(SettingsSchema):
    """What is absent keeps its default; see BreakerLimits."""

    failures = fields.Integer(strict=True, validate=_at_least(1))
    window = seconds()
    probe_after = seconds()


class PolicySchema(SettingsSchema):
    """What an endpoint may say of failures, and the file for all endpoints."""

    timeouts = fields.Nested(TimeoutsSchema)
    retries = fields.Nested(RetriesSchema)
    fallbacks = fields.List(fields.String())
    breaker = fields.Nested(BreakerSchema)
    resume = fields.String(validate=OneOf("verify", "none"))
    on_content_policy = flag()
    max_in_flight = fields.Integer(strict=True, validate=_at_least(1))


class LimitSchema(SettingsSchema):
    """MLflow's limit. `key` is null there too."""

    calls = fields.Integer(required=True, strict=True, validate=_at_least(0))
    renewal_period = fields.String(required=True, validate=parse_period)
    key = fields.Raw(validate=validate.OneOf([None], error="limits by key are not supported: leave it out"))


class ModelSchema(SettingsSchema):
    """Who answers. `config` is the provider's own affair: its schema reads it."""

    provider = fields.String(required=True)
    name = fields.String()
    config = fields.Raw()


class EndpointSchema(PolicySchema):
    """One endpoint."""

    name = fields.String(required=True, validate=endpoint_name)
    endpoint_type = fields.String(required=True, validate=OneOf(*SCHEMAS))
    model = fields.Nested(ModelSchema, required=True)
    limit = fields.Nested(LimitSchema)
    context = fields.Integer(strict=True, validate=_at_least(1))
    unsupported = fields.String(validate=OneOf("omit", "error"))
    fetch_images = flag()

    @pre_load
    def without_old_names(self, data: Any, **_: Any) -> Any:
        """MLflow renamed a key once, and says so."""
        if isinstance(data, dict) and "route_type" in data:
            raise ValidationError("this key is now called 'endpoint_type'", "route_type")
        return data


class DestinationSchema(SettingsSchema):
    """One arm of a route."""

    name = fields.String(required=True)
    traffic_percentage = fields.Integer(
        required=True, strict=True, validate=validate.Range(0, 100, error="should be between 0 and 100")
    )


class RouteSchema(SettingsSchema):
    """MLflow's traffic split."""

    name = fields.String(required=True, validate=route_name)
    task_type = fields.String(required=True, validate=OneOf(*SCHEMAS))
    destinations = fields.List(
        fields.Nested(DestinationSchema), required=True, validate=validate.Length(min=1, error="should not be empty")
    )
    routing_strategy = fields.String(validate=OneOf("TRAFFIC_SPLIT"))
    fallbacks = fields.List(fields.String())


class FileSchema(PolicySchema):
    """The whole file, but for what stands in its lists: each entry is read by itself."""

    endpoints = fields.List(fields.Raw())
    routes = fields.List(fields.Raw())
    session_header = fields.String(validate=header_name)
    keep_alive = seconds()
    max_body = fields.Integer(strict=True, validate=_at_least(1))
    limits_storage = Secret(validate=storage_url)  # both may hold a password
    transport = fields.String(validate=OneOf("sockets", "urllib3"))
    proxy = Secret()
    no_proxy = fields.String()
    ca_bundle = fields.String()

    @pre_load
    def without_own(self, data: Any, **_: Any) -> Any:
        """Keys with `x-` are the file's own: a place for what YAML's anchors and merge keys share."""
        return {key: value for key, value in data.items() if not key.startswith("x-")}
