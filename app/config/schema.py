"""The schema of endpoints.yaml: MLflow's keys, and ours."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

from app.providers import Secret
from app.schemas import SCHEMAS

_NAME = re.compile(r"[a-zA-Z0-9_\-.]+")
_PERIOD = re.compile(r"\s*(?:(\d+)\s+)?(second|minute|hour|day|month|year)s?\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class UnknownKey:
    """Stands where marshmallow puts a message: the keys that would have been known."""

    known: tuple[str, ...]


class ConfigSchema(Schema):
    """A part of the file. Nothing in it is ignored."""

    class Meta:
        unknown = RAISE

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.error_messages = {**self.error_messages, "unknown": UnknownKey(tuple(self.fields))}  # type: ignore[dict-item]


def endpoint_name(value: str) -> None:
    """MLflow's rule for names that stand in URLs."""
    if not _NAME.fullmatch(value):
        raise ValidationError(f"'{value}' is not a name: use letters, digits, hyphens, underscores and dots")


def route_name(value: str) -> None:
    """A route's name stands in a URL too; MLflow allows it spaces."""
    if not value.strip() or "/" in value:
        raise ValidationError(f"'{value}' is not a name: it may not be empty or hold a slash")


def parse_period(value: str) -> tuple[int, str]:
    """`minute` -> (1, "minute"); `5 minutes` -> (5, "minute"). Raises ValidationError."""
    match = _PERIOD.fullmatch(value)
    if not match or match[1] == "0":
        raise ValidationError(
            f"'{value}' is not a period: use second, minute, hour, day, month or year, with a number before it or not"
        )
    return int(match[1] or 1), match[2].lower()


def seconds(**kwargs: Any) -> fields.Float:
    """A duration that is not nothing."""
    return fields.Float(validate=validate.Range(min=0, min_inclusive=False, max=86_400), **kwargs)


class TimeoutsSchema(ConfigSchema):
    """Seconds; what is absent keeps its default."""

    connect = seconds()
    first_token = seconds()
    idle = seconds()
    total = seconds()


class LimitSchema(ConfigSchema):
    """MLflow's limit. `key` is null there too."""

    calls = fields.Integer(required=True, strict=True, validate=validate.Range(min=0))
    renewal_period = fields.String(required=True, validate=parse_period)
    key = fields.String(allow_none=True, validate=validate.OneOf([None], error="per-key limits are not supported"))


class ModelSchema(ConfigSchema):
    """Who answers. `config` is the provider's own affair: its schema reads it."""

    provider = fields.String(required=True)
    name = fields.String(allow_none=True)
    config = fields.Dict(keys=fields.String(), allow_none=True)


class EndpointSchema(ConfigSchema):
    """One endpoint."""

    name = fields.String(required=True, validate=endpoint_name)
    endpoint_type = fields.String(required=True, validate=validate.OneOf(SCHEMAS))
    model = fields.Nested(ModelSchema, required=True)
    limit = fields.Nested(LimitSchema, allow_none=True)
    timeouts = fields.Nested(TimeoutsSchema)


class DestinationSchema(ConfigSchema):
    """One arm of a route."""

    name = fields.String(required=True)
    traffic_percentage = fields.Integer(required=True, strict=True, validate=validate.Range(min=0, max=100))


class RouteSchema(ConfigSchema):
    """MLflow's traffic split."""

    name = fields.String(required=True, validate=route_name)
    task_type = fields.String(required=True, validate=validate.OneOf(SCHEMAS))
    destinations = fields.List(fields.Nested(DestinationSchema), required=True, validate=validate.Length(min=1))
    routing_strategy = fields.String(validate=validate.OneOf(["TRAFFIC_SPLIT"]))


class FileSchema(ConfigSchema):
    """The whole file."""

    endpoints = fields.List(fields.Nested(EndpointSchema), required=True, allow_none=True)
    routes = fields.List(fields.Nested(RouteSchema), allow_none=True)
    timeouts = fields.Nested(TimeoutsSchema)
    keep_alive = seconds()
    max_body = fields.Integer(strict=True, validate=validate.Range(min=1))
    limits_storage = Secret()  # both may hold a password
    proxy = Secret()
    ca_bundle = fields.String()
