"""What the gateway answers, as schemas: nothing is checked against them, the documentation is made from them.

What comes from a provider may hold more than they name: it is passed on as it came.
"""

from __future__ import annotations

from marshmallow import INCLUDE, Schema, fields
from marshmallow.validate import Equal, OneOf


def word(value: str) -> fields.String:
    """A string that is always the same."""
    return fields.String(required=True, validate=Equal(value))


class Open(Schema):
    """An object that may hold more than its schema names."""

    class Meta:
        unknown = INCLUDE


class Usage(Open):
    """Tokens, as the provider counts them."""

    prompt_tokens = fields.Integer()
    completion_tokens = fields.Integer()
    total_tokens = fields.Integer()


class AnsweredMessage(Open):
    """What the model says, or the tools that it wants called."""

    role = fields.String()
    content = fields.String(allow_none=True)
    tool_calls = fields.List(fields.Dict(), allow_none=True)
    refusal = fields.String(allow_none=True)


class ChatChoice(Open):
    """One way to continue a conversation."""

    index = fields.Integer(required=True)
    message = fields.Nested(AnsweredMessage, required=True)
    finish_reason = fields.String(allow_none=True)


class ChatCompletion(Open):
    """A whole answer to a conversation. `provider` is added on MLflow's URLs only."""

    id = fields.String(allow_none=True)
    object = word("chat.completion")
    created = fields.Integer(required=True)
    model = fields.String(required=True)
    choices = fields.List(fields.Nested(ChatChoice), required=True)
    usage = fields.Nested(Usage)
    provider = fields.String()


class ChatDelta(Open):
    """What one chunk adds to a choice."""

    index = fields.Integer(required=True)
    delta = fields.Nested(AnsweredMessage, required=True)
    finish_reason = fields.String(allow_none=True)


class ChatCompletionChunk(Open):
    """One event of a stream."""

    id = fields.String(allow_none=True)
    object = word("chat.completion.chunk")
    created = fields.Integer(required=True)
    model = fields.String(required=True)
    choices = fields.List(fields.Nested(ChatDelta), required=True)
    usage = fields.Nested(Usage, allow_none=True)
    provider = fields.String()


class TextChoice(Open):
    """One way to go on from a prompt."""

    index = fields.Integer(required=True)
    text = fields.String(required=True)
    finish_reason = fields.String(allow_none=True)


class Completion(Open):
    """A whole answer to a prompt; in a stream each chunk has this shape too."""

    id = fields.String(allow_none=True)
    object = word("text_completion")
    created = fields.Integer(required=True)
    model = fields.String(required=True)
    choices = fields.List(fields.Nested(TextChoice), required=True)
    usage = fields.Nested(Usage, allow_none=True)


class Embedding(Open):
    """A vector: numbers, or their little-endian 32-bit floats in base64."""

    object = word("embedding")
    index = fields.Integer(required=True)
    embedding = fields.Raw(
        required=True,
        metadata={"anyOf": [{"type": "array", "items": {"type": "number"}}, {"type": "string", "format": "byte"}]},
    )


class Embeddings(Open):
    """A vector for each input, in their order."""

    object = word("list")
    data = fields.List(fields.Nested(Embedding), required=True)
    model = fields.String(required=True)
    usage = fields.Nested(Usage)


class Model(Schema):
    """An endpoint or a route as OpenAI describes a model; `owned_by` is its provider."""

    id = fields.String(required=True)
    object = word("model")
    created = fields.Integer(required=True)
    owned_by = fields.String(required=True)


class Models(Schema):
    """Every endpoint and route."""

    object = word("list")
    data = fields.List(fields.Nested(Model), required=True)


class EndpointModel(Schema):
    """The provider's model behind an endpoint."""

    name = fields.String(required=True, allow_none=True)
    provider = fields.String(required=True)


class Limit(Schema):
    """How many invocations, and in what time."""

    calls = fields.Integer(required=True)
    key = fields.String(required=True, allow_none=True)
    renewal_period = fields.String(required=True)


class Endpoint(Schema):
    """An endpoint, without its keys and settings."""

    name = fields.String(required=True)
    endpoint_type = fields.String(required=True)
    model = fields.Nested(EndpointModel, required=True)
    endpoint_url = fields.String(required=True)
    limit = fields.Nested(Limit, required=True, allow_none=True)


class EndpointPage(Schema):
    """Some endpoints; `next_page_token` brings the rest, if there is one."""

    endpoints = fields.List(fields.Nested(Endpoint), required=True)
    next_page_token = fields.String(required=True, allow_none=True)


class LegacyRoute(Schema):
    """An endpoint in the words of MLflow's first gateway."""

    name = fields.String(required=True)
    route_type = fields.String(required=True)
    model = fields.Nested(EndpointModel, required=True)
    route_url = fields.String(required=True)
    limit = fields.Nested(Limit, required=True, allow_none=True)


class LegacyRoutePage(Schema):
    """Some endpoints in the words of MLflow's first gateway."""

    routes = fields.List(fields.Nested(LegacyRoute), required=True)
    next_page_token = fields.String(required=True, allow_none=True)


class Destination(Schema):
    """An endpoint's share of a route's invocations, in per cent."""

    name = fields.String(required=True)
    traffic_percentage = fields.Integer(required=True)


class TrafficRoute(Schema):
    """A route: invocations split over endpoints of one type."""

    name = fields.String(required=True)
    task_type = fields.String(required=True)
    destinations = fields.List(fields.Nested(Destination), required=True)
    routing_strategy = word("TRAFFIC_SPLIT")


class Health(Schema):
    """The process serves."""

    status = word("OK")


class ConfigState(Schema):
    """Whether the configuration file is what serves (else an older one does), and how much of it there is."""

    valid = fields.Boolean(required=True)
    problems = fields.Integer(required=True)
    endpoints = fields.Integer(required=True)


class Standing(Schema):
    """How an endpoint has been doing."""

    breaker = fields.String(required=True, validate=OneOf(["closed", "half_open", "open"]))
    failures = fields.Integer(required=True)
    in_flight = fields.Integer(required=True)


class WorkerState(Schema):
    """What one worker process has seen: endpoints by name, and invocations in flight."""

    pid = fields.Integer(required=True)
    in_flight = fields.Integer(required=True)
    endpoints = fields.Dict(keys=fields.String(), values=fields.Nested(Standing), required=True)


class Readiness(Schema):
    """The process serves, and from which configuration."""

    status = word("OK")
    config = fields.Nested(ConfigState, required=True)
    worker = fields.Nested(WorkerState)


class ErrorObject(Open):
    """An error as OpenAI words it; a provider's own may hold more."""

    message = fields.String(required=True)
    type = fields.String(required=True)
    param = fields.String(required=True, allow_none=True)
    code = fields.String(required=True, allow_none=True)


class OpenAIError(Schema):
    """An error on `/v1`."""

    error = fields.Nested(ErrorObject, required=True)


class PayloadProblem(Schema):
    """One thing wrong with a payload, and where: keys and indexes, `body` first."""

    type = fields.String(required=True)
    loc = fields.List(fields.Raw(metadata={"type": ["string", "integer"]}), required=True)
    msg = fields.String(required=True)


class MLflowError(Schema):
    """An error elsewhere: MLflow's `detail` (a sentence, or each problem of a payload) beside OpenAI's `error`."""

    detail = fields.Raw(
        required=True,
        metadata={
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": {"$ref": "#/components/schemas/PayloadProblem"}},
            ]
        },
    )
    error = fields.Nested(ErrorObject, required=True)


ANSWERS: tuple[type[Schema], ...] = (
    Usage, AnsweredMessage, ChatChoice, ChatCompletion, ChatDelta, ChatCompletionChunk, TextChoice, Completion,
    Embedding, Embeddings, Model, Models, EndpointModel, Limit, Endpoint, EndpointPage, LegacyRoute, LegacyRoutePage,
    Destination, TrafficRoute, Health, ConfigState, Standing, WorkerState, Readiness,
    ErrorObject, OpenAIError, PayloadProblem, MLflowError,
)  # fmt: skip
"""Each after those that it holds."""

EXAMPLES: dict[type[Schema], dict[str, object]] = {
    Usage: {"prompt_tokens": 6, "completion_tokens": 12, "total_tokens": 18},
    AnsweredMessage: {"role": "assistant", "content": "Hello!"},
    ErrorObject: {
        "message": "What went wrong, with the value that did",
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    },
}
"""Where a generated example would say little."""
