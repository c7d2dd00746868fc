"""Everything that can be asked of the gateway, one row each: the surface at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from marshmallow import Schema

from app.api.docs import answers
from app.api.endpoints import SetLimitsSchema
from app.schemas import CHAT, COMPLETIONS, EMBEDDINGS

_BODY = (400, 413, 415)
"""How a body can be wrong before its payload is read: badly packed, too large, not JSON by its own account."""
_PROVIDER = (429, 502, 503, 504)
"""The endpoint's limit or the provider's, and the ways in which a provider fails."""

_INVOKE = (*_BODY, 404, 422, *_PROVIDER)
_OPENAI = (*_BODY, 404, *_PROVIDER)


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path, what it is for, and every answer that it has of its own."""

    method: str
    path: str
    tag: str
    summary: str
    returns: type[Schema] | tuple[str, ...] = ()
    """The schema of a JSON answer, or the media types of one that is not described further."""
    refuses: tuple[int, ...] = ()
    status: int = 200
    """Of the answer that is no refusal."""
    invokes: tuple[str, ...] = ()
    """The endpoint types whose payloads it takes; their answers take the place of `returns`."""
    query: tuple[tuple[str, str], ...] = ()
    """What its query may say: names, and what they are for."""
    takes: type[Schema] | None = None
    """The schema of another payload."""

    @property
    def on_openai_surface(self) -> bool:
        """Whether its `model` names the endpoint and its errors have OpenAI's shape alone."""
        return self.path.startswith("/v1/")


_TYPES = (CHAT, COMPLETIONS, EMBEDDINGS)
_INVOCATIONS, _V1, _MANAGEMENT = "Invocations", "OpenAI's interface", "Endpoints and routes"
_LIMITS, _HEALTH, _DOCS = "Limits", "Health and metrics", "Documentation"

_PAGE = (("page_token", "What the page before said in `next_page_token`."),)
_VERBOSE = (("verbose", "`1` also shows how the endpoints stand, as the worker process that answers has seen them."),)
_HTML = ("text/html",)
_NAMED = (404,)
_LEGACY_PAGE = answers.LegacyRoutePage

_get = partial(Operation, "get")
_post = partial(Operation, "post")
_invoke = partial(_post, invokes=_TYPES, refuses=_INVOKE)
_set_limits = partial(_post, takes=SetLimitsSchema, refuses=(*_BODY, 422, 501))

OPERATIONS: tuple[Operation, ...] = (
    _invoke("/gateway/{name}/invocations", _INVOCATIONS, "Invoke an endpoint or a route"),
    _invoke("/endpoints/{name}/invocations", _INVOCATIONS, "The same, where MLflow's client asks for it"),
    _post("/v1/chat/completions", _V1, "Continue a conversation", invokes=(CHAT,), refuses=_OPENAI),
    _post("/v1/completions", _V1, "Go on from a prompt", invokes=(COMPLETIONS,), refuses=_OPENAI),
    _post("/v1/embeddings", _V1, "Turn text into vectors", invokes=(EMBEDDINGS,), refuses=_OPENAI),
    _get("/v1/models", _V1, "List endpoints and routes as models", answers.Models),
    _get("/v1/models/{name}", _V1, "Describe an endpoint or a route as a model", answers.Model, _NAMED),
    _get("/api/2.0/endpoints/", _MANAGEMENT, "List the endpoints", answers.EndpointPage, (400,), query=_PAGE),
    _get("/api/2.0/endpoints", _MANAGEMENT, "To the list of endpoints", _HTML, status=307),
    _get("/api/2.0/endpoints/{name}", _MANAGEMENT, "Describe an endpoint", answers.Endpoint, _NAMED),
    _get("/api/3.0/gateway/endpoint/{name}", _MANAGEMENT, "The same, in its 3.0 form", answers.Endpoint, _NAMED),
    _get("/api/3.0/gateway/route/{name}", _MANAGEMENT, "Describe a traffic route", answers.TrafficRoute, _NAMED),
    _get("/api/2.0/gateway/routes/", _MANAGEMENT, "List the endpoints, legacy", _LEGACY_PAGE, (400,), query=_PAGE),
    _get("/api/2.0/gateway/routes", _MANAGEMENT, "To the list, legacy", _HTML, status=307),
    _get("/api/2.0/gateway/routes/{name}", _MANAGEMENT, "Describe an endpoint, legacy", answers.LegacyRoute, _NAMED),
    _get("/api/2.0/endpoints/limits/{name}", _LIMITS, "Not available", refuses=(501,)),
    _get("/api/2.0/gateway/limits/{name}", _LIMITS, "Not available, legacy", refuses=(501,)),
    _set_limits("/api/2.0/endpoints/limits/", _LIMITS, "Not available"),
    _set_limits("/api/2.0/gateway/limits/", _LIMITS, "Not available, legacy"),
    _get("/health", _HEALTH, "MLflow's health check", answers.Health),
    _get("/health/live", _HEALTH, "Does the process serve?", answers.Health),
    _get("/health/ready", _HEALTH, "Is it ready, and from which configuration?", answers.Readiness, query=_VERBOSE),
    _get("/metrics", _HEALTH, "Prometheus metrics", ("text/plain",)),
    _get("/", _DOCS, "To the documentation", _HTML, status=307),
    _get("/docs", _DOCS, "The documentation page", _HTML),
    _get("/docs/{name}", _DOCS, "A file of the page", ("text/javascript", "text/css"), _NAMED),
    _get("/openapi.json", _DOCS, "This document", ("application/json",)),
    _get("/favicon.ico", _DOCS, "The icon", ("image/svg+xml",)),
)
