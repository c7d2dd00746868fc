"""The OpenAPI 3.1 document, made by apispec from the schemas of payloads and answers and the table of operations."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema

from app.api.docs import payloads
from app.api.docs.answers import ANSWERS, EXAMPLES, MLflowError, OpenAIError
from app.api.docs.operations import OPERATIONS, Operation
from app.version import __version__

JSON = dict[str, Any]

_MEDIA = "application/json"

_DESCRIPTION = """\
One REST door to every language-model provider, in the words of MLflow's AI Gateway and, under `/v1`, in OpenAI's.

* An **endpoint** is a provider's model under a name; its type says which payload it takes. A **route** splits
  invocations over endpoints.
* A key of a payload that its schema does not name is passed on to the provider as it is.
* Errors are JSON: OpenAI's `error` object, and beside it MLflow's `detail` everywhere but under `/v1`. A path that is
  not here is a 404, another method a 405. What a provider refuses keeps the provider's status.
* Bodies may be packed (`Content-Encoding: gzip` or `zstd`).
* Every answer has an `X-Request-ID`: the one that the request brought, if it is a sane one.
"""

_REFUSALS = {
    400: "Something is wrong with the request; under `/v1` also with its payload.",
    404: "There is nothing of that name.",
    413: "The body, or what it unpacks to, is too large.",
    415: "The body is not JSON by its own account, or packed in an unknown way.",
    422: "The payload is not what the endpoint takes.",
    429: "The endpoint's limit is used up, or the provider's.",
    501: "This is part of MLflow's interface, and has no function there either.",
    502: "The provider could not be reached, or answered with what is not an answer.",
    503: "The provider is overloaded or down, and says so; or so much is going on as may at once.",
    504: "The provider took too long.",
}

_HEADERS: dict[str, tuple[str, JSON]] = {
    "X-Request-ID": ("Names this request in the gateway's log.", {"type": "string"}),
    "X-Gateway-Error-Source": ("Whose failure it was.", {"type": "string", "enum": ["gateway", "provider"]}),
    "X-Gateway-Endpoint": ("The endpoint that answered.", {"type": "string"}),
    "X-Gateway-Attempts": ("How many calls of providers there were.", {"type": "integer"}),
    "X-Gateway-Adjusted": ("Parameters that did not reach the provider as they were said.", {"type": "string"}),
    "X-Should-Retry": ("`false`: what could be done again was.", {"type": "string", "enum": ["true", "false"]}),
    "Retry-After": ("Seconds until it is worth trying again.", {"type": "string"}),
    "Server-Timing": ("The gateway's own share of the time, and the provider's, in milliseconds.", {"type": "string"}),
    "X-RateLimit-Limit": ("Invocations per window, where the endpoint has a limit.", {"type": "integer"}),
    "X-RateLimit-Remaining": ("Invocations left in this window.", {"type": "integer"}),
    "X-RateLimit-Reset": ("Seconds until the window ends.", {"type": "integer"}),
}
_ON_EVERY = ("X-Request-ID",)
_ON_INVOCATIONS = (*_ON_EVERY, "Server-Timing", "X-Gateway-Endpoint", "X-Gateway-Attempts")
_ON_ERRORS = (*_ON_EVERY, "X-Gateway-Error-Source")
_WHERE_LIMITED = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


def build() -> JSON:
    """The document."""
    marshmallow = MarshmallowPlugin()
    spec = APISpec("Weir", __version__, "3.1.0", info={"description": _DESCRIPTION}, plugins=[marshmallow])
    assert marshmallow.converter is not None
    marshmallow.converter.add_attribute_function(payloads.checked)  # type: ignore[no-untyped-call]
    _add_components(spec)
    for operation in OPERATIONS:
        spec.path(operation.path, operations={operation.method: _operation(operation)})
    for tag in dict.fromkeys(operation.tag for operation in OPERATIONS):
        spec.tag({"name": tag})
    document: JSON = spec.to_dict()
    return document


def _add_components(spec: APISpec) -> None:
    for name, raw in payloads.PARTS.items():
        spec.components.schema(name, raw)
    for kind in payloads.KINDS.values():
        spec.components.schema(payloads.name(kind.payload), _described(kind.payload), schema=kind.payload)
    for answer in ANSWERS:
        spec.components.schema(answer.__name__, _described(answer), schema=answer)
    for status in _REFUSALS:
        for error in (MLflowError, OpenAIError):
            spec.components.response(f"{error.__name__}{status}", _refusal(status, error))


def _described(schema: type[Schema]) -> JSON:
    said: JSON = {"description": schema.__doc__}
    return {**said, "examples": [EXAMPLES[schema]]} if schema in EXAMPLES else said


def _operation(operation: Operation) -> JSON:
    """An Operation Object."""
    described: JSON = {
        "tags": [operation.tag],
        "summary": operation.summary,
        "operationId": _id(operation),
        "parameters": _parameters(operation),
        "responses": _responses(operation),
    }
    if operation.invokes:
        described["requestBody"] = payloads.request_body(operation.invokes, operation.on_openai_surface)
    elif operation.takes:
        described["requestBody"] = {"required": True, "content": {_MEDIA: {"schema": operation.takes}}}
    return described


def _id(operation: Operation) -> str:
    words = operation.path.replace("{name}", "name").replace(".", "_").split("/")[1:]
    return "_".join((operation.method, *(word or "index" for word in words)))  # a path may end with a slash


def _parameters(operation: Operation) -> list[JSON]:
    found: list[JSON] = []
    if "{name}" in operation.path:
        example = "swagger-ui.css" if operation.path.startswith("/docs/") else "chat"
        schema = {"type": "string", "minLength": 1}
        found.append({"name": "name", "in": "path", "required": True, "schema": schema, "example": example})
    for name, words in operation.query:
        found.append({"name": name, "in": "query", "description": words, "schema": {"type": "string"}})
    return found


def _responses(operation: Operation) -> JSON:
    surface = OpenAIError if operation.on_openai_surface else MLflowError
    responses: JSON = {str(status): f"{surface.__name__}{status}" for status in operation.refuses}
    if operation.invokes:
        headers = _headers(_ON_INVOCATIONS, (*_WHERE_LIMITED, "X-Gateway-Adjusted"))
        responses["200"] = _response("The answer.", headers, payloads.content(operation.invokes))
        words = "The provider's refusal, with the provider's status."
        responses["default"] = _response(words, _headers(_ON_ERRORS), _content(surface))
    elif operation.returns:
        words = HTTPStatus(operation.status).phrase
        responses[str(operation.status)] = _response(words, _headers(_ON_EVERY), _content(operation.returns))
    return dict(sorted(responses.items()))


def _response(description: str, headers: JSON, content: JSON) -> JSON:
    return {"description": description, "headers": headers, "content": content}


def _content(returns: type[Schema] | tuple[str, ...]) -> JSON:
    if isinstance(returns, tuple):
        return {media: {"schema": {}} for media in returns}
    return {_MEDIA: {"schema": returns}}


def _refusal(status: int, error: type[Schema]) -> JSON:
    again = ("Retry-After",) if status in (429, 503) else ()
    maybe = (*(_WHERE_LIMITED if status == 429 else ()), "X-Gateway-Attempts", "X-Should-Retry")
    return _response(_REFUSALS[status], _headers((*_ON_ERRORS, *again), maybe), _content(error))


def _headers(always: tuple[str, ...], sometimes: tuple[str, ...] = ()) -> JSON:
    """Header Objects; those that are always sent are said to be required."""
    return {
        name: {"description": words, "required": name in always, "schema": schema}
        for name, (words, schema) in _HEADERS.items()
        if name in (*always, *sometimes)
    }
