"""MLflow's invocation URLs: POST /gateway/<name>/invocations and /endpoints/<name>/invocations."""

from __future__ import annotations

from functools import cache

import orjson
from flask import Blueprint, Response

from app.api import answering, body
from app.api.asked import asked
from app.chunks import Decorate
from app.config import Endpoint
from app.errors import ModelNotPermitted, NotFound
from app.schemas import CHAT

blueprint = Blueprint("invocations", __name__)

LONGEST_NAME = 200
"""Characters of an unknown name that are repeated, in answers and in the log."""


@blueprint.post("/gateway/<name>/invocations")
@blueprint.post("/endpoints/<name>/invocations")
def invoke(name: str) -> Response:
    """Send a payload to the endpoint or route that the URL names."""
    one = asked()
    one.begin(name[:LONGEST_NAME])
    now = one.snapshot
    target = now.endpoints.get(name) or now.routes.get(name)
    if target is None:
        raise NotFound(
            f"The endpoint '{name[:LONGEST_NAME]}' is not present or active on the server. "
            "Please verify the endpoint name.",
            code="endpoint_not_found",
        )
    said = body.said(one, now.max_body)
    if "model" in said.payload:
        raise ModelNotPermitted
    return answering.answer(one, target, said, naming_provider)


def naming_provider(endpoint: Endpoint) -> Decorate:
    """MLflow's answers to chat name their provider; one that does so itself is left as it is."""
    return _naming(endpoint.provider.name) if endpoint.type == CHAT else bytes


@cache
def _naming(provider: str) -> Decorate:
    end = b',"provider":%s}' % orjson.dumps(provider)

    def named(data: bytes) -> bytes:
        if data.endswith(_PLAIN_ENDS) and data.find(b'"provider"') < 0:  # `in` tries a number first: twice as long
            return data[:-1] + end
        if b'"provider"' in data and "provider" in orjson.loads(data):
            return data
        kept = data.rstrip()[:-1].rstrip()  # somebody has laid it out, or it is empty
        return kept + end[kept.lstrip() == b"{" :]  # without the comma where it is the first

    return named


_PLAIN_ENDS = (b"}}", b"]}", b'"}', b"l}", b"e}", *(b"%d}" % digit for digit in range(10)))
"""How an object ends to which a key can be added at once: after a value and without white space."""
