"""What a client may say: the envelope of each endpoint type's payload.

A schema checks types, ranges and what is required. It rebuilds nothing: what came passes on, unknown keys included.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from marshmallow import Schema, ValidationError

from app.errors import InvalidPayload, Problem
from app.schemas.chat import ChatSchema
from app.schemas.completions import CompletionsSchema
from app.schemas.embeddings import EmbeddingsSchema

CHAT = "llm/v1/chat"
COMPLETIONS = "llm/v1/completions"
EMBEDDINGS = "llm/v1/embeddings"

SCHEMAS: dict[str, Schema] = {
    CHAT: ChatSchema(),
    COMPLETIONS: CompletionsSchema(),
    EMBEDDINGS: EmbeddingsSchema(),
}
"""Endpoint type -> the schema of its payload."""

_REQUIRED = "Field required"


def check(endpoint_type: str, payload: Mapping[str, Any]) -> None:
    """Raise InvalidPayload, naming every problem and its place, unless `payload` fits its endpoint type."""
    check_against(SCHEMAS[endpoint_type], payload)


def check_against(schema: Schema, payload: Mapping[str, Any]) -> None:
    """The same for any schema without hooks of its own."""
    if _fits(schema, payload):
        return
    errors = schema.validate(payload)
    if errors:
        raise InvalidPayload(list(_problems(errors)))


def _fits(schema: Schema, payload: Mapping[str, Any]) -> bool:
    """Whether it does, asked of the fields that are there: `validate` asks all, and is left to find the words."""
    if not _required(schema) <= payload.keys():
        return False
    known = schema.load_fields
    try:
        for key, value in payload.items():
            if key in known and (value is not None or not known[key].allow_none):
                known[key]._deserialize(value, key, payload)
    except ValidationError:
        return False
    return True


@cache
def _required(schema: Schema) -> frozenset[str]:
    return frozenset(name for name, field in schema.load_fields.items() if field.required)


def _problems(messages: Any, loc: tuple[str | int, ...] = ()) -> Iterator[Problem]:
    """marshmallow's nested messages, flattened."""
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from _problems(inner, loc if key == "_schema" else (*loc, key))
        return
    for message in messages if isinstance(messages, list) else [messages]:
        yield Problem(loc, str(message), "missing" if message == _REQUIRED else "value_error")
