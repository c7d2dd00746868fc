"""OpenAI's surface, /v1: chat completions, completions, embeddings, models. `model` names an endpoint or a route."""

from __future__ import annotations

import time
from typing import Any

from flask import Blueprint, Response

from app.api import answering, body
from app.api.asked import asked
from app.chunks import Decorate
from app.config import Endpoint, Snapshot, TrafficRoute
from app.errors import BadRequest, InvalidPayload, NotFound, Problem
from app.schemas import CHAT, COMPLETIONS, EMBEDDINGS

blueprint = Blueprint("openai", __name__, url_prefix="/v1")

_STARTED = int(time.time())

_KINDS = {CHAT: "a chat", COMPLETIONS: "a completions", EMBEDDINGS: "an embeddings"}


@blueprint.post("/chat/completions", defaults={"endpoint_type": CHAT})
@blueprint.post("/completions", defaults={"endpoint_type": COMPLETIONS})
@blueprint.post("/embeddings", defaults={"endpoint_type": EMBEDDINGS})
def invoke(endpoint_type: str) -> Response:
    """Send a payload to the endpoint or route that its `model` names."""
    one = asked()
    invocation = one.begin(None)
    said = body.said(one, one.snapshot.max_body)
    target = _target(one.snapshot, said.payload)
    invocation.name = target.name  # not what the client wrote: that may be anything, and is logged
    if target.type != endpoint_type:
        raise BadRequest(f"Endpoint '{target.name}' is not {_KINDS[endpoint_type]} endpoint.", param="model")
    return answering.answer(one, target, said, _as_they_are)


@blueprint.get("/models")
def list_models() -> dict[str, Any]:
    """Endpoints and routes, as OpenAI lists models."""
    now = asked().snapshot
    targets: list[Endpoint | TrafficRoute] = [*now.endpoints.values(), *now.routes.values()]
    return {"object": "list", "data": [_model(target) for target in targets]}


@blueprint.get("/models/<path:name>")
def get_model(name: str) -> dict[str, Any]:
    """One endpoint or route, as OpenAI describes a model."""
    return _model(_find(asked().snapshot, name))


def _target(now: Snapshot, payload: dict[str, Any]) -> Endpoint | TrafficRoute:
    name = payload.get("model")
    if not isinstance(name, str):
        words = "Input should be a string" if "model" in payload else "Field required"
        raise InvalidPayload([Problem(("model",), words, "missing")])
    return _find(now, name)


def _find(now: Snapshot, name: str) -> Endpoint | TrafficRoute:
    target: Endpoint | TrafficRoute | None = now.endpoints.get(name) or now.routes.get(name)
    if target is None:
        raise NotFound(f"The model '{name[:200]}' does not exist", code="model_not_found", param="model")
    return target


def _model(target: Endpoint | TrafficRoute) -> dict[str, Any]:
    owner = target.provider.name if isinstance(target, Endpoint) else "weir"
    return {"id": target.name, "object": "model", "created": _STARTED, "owned_by": owner}


def _as_they_are(endpoint: Endpoint) -> Decorate:
    return bytes  # gives back bytes as they are
