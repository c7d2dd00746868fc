"""What a client may say and what it gets, per endpoint type: payload schemas as JSON Schema, and examples that work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marshmallow import Schema, fields

from app.api.docs.answers import ChatCompletion, ChatCompletionChunk, Completion, Embeddings, OpenAIError
from app.schemas import CHAT, COMPLETIONS, EMBEDDINGS
from app.schemas.chat import ChatSchema, ResponseFormat, a_message
from app.schemas.completions import CompletionsSchema
from app.schemas.embeddings import EmbeddingsSchema, EncodingFormat
from app.schemas.fields import Exactly, ListOf, StringOrListOf, a_string, an_object, text_or_tokens

JSON = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """An endpoint type: its payload, its answers, and examples for the endpoint of that name in the shipped file."""

    endpoint: str
    payload: type[Schema]
    answer: type[Schema]
    chunk: type[Schema] | None
    examples: Mapping[str, JSON]


KINDS = {
    CHAT: Kind(
        "chat",
        ChatSchema,
        ChatCompletion,
        ChatCompletionChunk,
        {
            "chat": {"messages": [{"role": "user", "content": "Hello, how are you?"}]},
            "chat, streamed": {"messages": [{"role": "user", "content": "Write a story"}], "stream": True},
        },
    ),
    COMPLETIONS: Kind(
        "completions",
        CompletionsSchema,
        Completion,
        Completion,
        {"completions": {"prompt": "The future of AI is", "max_tokens": 100}},
    ),
    EMBEDDINGS: Kind(
        "embeddings",
        EmbeddingsSchema,
        Embeddings,
        None,
        {"embeddings": {"input": ["Text to embed", "Another text"], "encoding_format": "float"}},
    ),
}

_STRING: JSON = {"type": "string"}
_OBJECT: JSON = {"type": "object"}
_TYPED: JSON = {"type": "object", "properties": {"type": _STRING}, "required": ["type"]}

PARTS: dict[str, JSON] = {
    "Message": {
        "description": "One turn of a conversation; what else it holds is passed on.",
        "type": "object",
        "properties": {
            "role": {"type": "string", "minLength": 1},
            "content": {"type": ["string", "array", "null"], "items": _TYPED},
            "tool_calls": {"type": ["array", "null"], "items": _OBJECT},
        },
        "required": ["role"],
    }
}
"""Parts of payloads that are checked by a function and not by a schema, by name."""

_ITEMS: dict[Any, JSON] = {
    a_message: {"$ref": "#/components/schemas/Message"},
    a_string: _STRING,
    an_object: _OBJECT,
    text_or_tokens: {
        "anyOf": [_STRING, {"type": "integer"}, {"type": "array", "items": {"type": "integer"}, "minItems": 1}]
    },
}

_SPECIAL: dict[type[fields.Field[Any]], JSON] = {
    EncodingFormat: {"enum": ["float", "base64", None]},
    ResponseFormat: {
        "properties": {"type": _STRING},
        "required": ["type"],
        "if": {"type": "object", "properties": {"type": {"const": "json_schema"}}},
        "then": {"properties": {"json_schema": _OBJECT}, "required": ["json_schema"]},
    },
}


def checked(self: object, field: fields.Field[Any], ret: JSON) -> JSON:
    """What apispec cannot know: the JSON Schema of the payload schemas' own kinds of field."""
    if not isinstance(field, Exactly):
        return {}
    types = [kind.split()[-1] for kind in field.kinds]  # "a string" is JSON Schema's "string"
    if isinstance(field, StringOrListOf):
        types.insert(0, "string")
    if field.allow_none:
        types.append("null")
    return {"type": types if len(types) > 1 else types[0], **_bounds(field), **_SPECIAL.get(type(field), {})}


def _bounds(field: Exactly) -> JSON:
    bounds: JSON = {"minimum": field.least, "maximum": field.most}
    if isinstance(field, ListOf):
        bounds |= {"items": _ITEMS[field.check_item], "minItems": field.at_least or None}
    return {key: value for key, value in bounds.items() if value is not None}


def request_body(types: Sequence[str], model_named: bool) -> JSON:
    """The payloads of some endpoint types. With `model_named`, `model` says which endpoint; else the URL does."""
    kinds = [KINDS[name] for name in types]
    payloads: JSON = {"anyOf": [_ref(kind.payload) for kind in kinds]} if len(kinds) > 1 else _ref(kinds[0].payload)
    if model_named:
        more: JSON = {"properties": {"model": _STRING}, "required": ["model"]}
    else:
        more = {"not": {"required": ["model"]}}
    examples = {
        name: {"value": {"model": kind.endpoint, **said} if model_named else said}
        for kind in kinds
        for name, said in kind.examples.items()
    }
    schema = {"allOf": [payloads, {"type": "object", **more}]}
    return {"required": True, "content": {"application/json": {"schema": schema, "examples": examples}}}


def content(types: Sequence[str]) -> JSON:
    """The answers to some endpoint types' payloads: whole, or streamed as events or as an array of their chunks."""
    kinds = [KINDS[name] for name in types]
    chunks = list(dict.fromkeys(kind.chunk for kind in kinds if kind.chunk))
    shapes: list[JSON] = [_ref(kind.answer) for kind in kinds]
    if not chunks:
        return {"application/json": {"schema": _any(shapes)}}
    chunk = _any([_ref(shape) for shape in chunks])
    shapes.append({"type": "array", "items": {"anyOf": [chunk, _ref(OpenAIError)]}, "description": _ARRAY})
    data = {
        "type": "string",
        "contentMediaType": "application/json",
        "contentSchema": {"anyOf": [chunk, _ref(OpenAIError)]},
    }
    event = {"type": "object", "properties": {"data": {"anyOf": [{"const": "[DONE]"}, data]}}, "required": ["data"]}
    return {
        "application/json": {"schema": _any(shapes)},
        "text/event-stream": {"schema": {"description": _EVENT, **event}},
    }


_ARRAY = "The chunks of a stream, for a client that reads every answer as one JSON document, as MLflow's does."
_EVENT = (
    "One of the server-sent events of a stream (`stream: true`). The data of each is a chunk in JSON; the last is "
    '`[DONE]`. A stream that fails after its beginning ends with an event whose data is `{"error": {...}}` instead. '
    "Lines that begin with a colon keep the connection alive."
)


def _any(schemas: list[JSON]) -> JSON:
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def name(schema: type[Schema]) -> str:
    """What a schema is called in the document: `ChatSchema` is ChatPayload, and an answer has its own name."""
    return schema.__name__.replace("Schema", "Payload")


def _ref(schema: type[Schema]) -> JSON:
    return {"$ref": f"#/components/schemas/{name(schema)}"}
