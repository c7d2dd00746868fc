"""MLflow's invocation URLs: POST /gateway/<name>/invocations and /endpoints/<name>/invocations."""

from __future__ import annotations

import orjson
from flask import Blueprint, Response

from app.api import answering, body
from app.api.weir import snapshot
from app.config import Endpoint
from app.errors import ModelNotPermitted, NotFound
from app.schemas import CHAT

blueprint = Blueprint("invocations", __name__)


@blueprint.post("/gateway/<name>/invocations")
@blueprint.post("/endpoints/<name>/invocations")
def invoke(name: str) -> Response:
    """Send a payload to the endpoint or route that the URL names."""
    answering.begin(name)
    now = snapshot()
    target = now.endpoints.get(name) or now.routes.get(name)
    if target is None:
        raise NotFound(
            f"The endpoint '{name}' is not present or active on the server. Please verify the endpoint name.",
            code="endpoint_not_found",
        )
    raw = body.read(now.max_body)
    payload = body.parse(raw)
    if "model" in payload:
        raise ModelNotPermitted
    return answering.answer(target, payload, raw, naming_provider)


def naming_provider(endpoint: Endpoint) -> answering.Decorate:
    """MLflow's answers to chat name their provider; one that does so itself is left as it is."""
    addition = b'"provider":' + orjson.dumps(endpoint.provider.name) + b"}"

    def decorate(data: bytes) -> bytes:
        if b'"provider"' in data:
            return data
        return data.rstrip()[:-1] + (b"," if len(data) > 2 else b"") + addition

    return decorate if endpoint.type == CHAT else _as_it_is


def _as_it_is(data: bytes) -> bytes:
    return data
