"""The one place where an error becomes a response."""

from __future__ import annotations

import logging
from typing import Any

import orjson
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from app.api.asked import asked
from app.errors import RETRY_AFTER_SECONDS, BadRequest, GatewayError, InvalidPayload

log = logging.getLogger("weir.api")

SOURCE_HEADER = "X-Gateway-Error-Source"
"""Whose failure it was: `provider` or `gateway`."""


def register(app: Flask) -> None:
    """Have every error of an application answered in its surface's shape."""
    app.register_error_handler(GatewayError, answer)
    app.register_error_handler(HTTPException, answer_http)
    app.register_error_handler(Exception, answer_unforeseen)


def body(error: GatewayError) -> dict[str, Any]:
    """OpenAI's shape on /v1; elsewhere MLflow's `detail` too."""
    return {"error": error.error} if on_openai_surface() else {"detail": error.detail, "error": error.error}


def on_openai_surface() -> bool:
    """Whether the current request is on OpenAI's part of the surface."""
    return request.path.startswith("/v1/")


def status(error: GatewayError) -> int:
    """An invalid payload is a 400 to OpenAI's clients and a 422 to MLflow's."""
    return 400 if isinstance(error, InvalidPayload) and on_openai_surface() else error.status


def answer(error: GatewayError) -> Response:
    """The response that an error is, told to telemetry if it ended an invocation."""
    response = Response(orjson.dumps(body(error), default=str), status(error), mimetype="application/json")
    response.headers.update(error.headers)
    response.headers[SOURCE_HEADER] = error.source
    if response.status_code in (429, 503):
        response.headers.setdefault("Retry-After", RETRY_AFTER_SECONDS)
    one = asked()
    invocation, one.invocation = one.invocation, None
    if invocation is not None:
        response.headers["Server-Timing"] = invocation.server_timing()
        invocation.fails(error)
        invocation.status = response.status_code
        invocation.bytes_out = response.content_length or 0
        invocation.tell()
    return response


def answer_http(error: HTTPException) -> Response:
    """Werkzeug's own errors: unknown path, wrong method."""
    code = error.code or 500
    words = BadRequest(error.name if code in (404, 405) else error.description or error.name)
    words.status = code
    words.code = error.name.lower().replace(" ", "_")
    words.headers = {name: value for name, value in error.get_headers() if name == "Allow"}
    return answer(words)


def answer_unforeseen(error: Exception) -> Response:
    """A fault of ours: the log has it, the client does not."""
    log.exception("%s %s failed", request.method, request.path, exc_info=error)
    return answer(of_ours())


def of_ours() -> GatewayError:
    """What a client is told of a fault of ours."""
    return GatewayError("the gateway met an error of its own; its log says more", code="internal_error")
