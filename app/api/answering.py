"""From a checked payload to a response: what both families of invocation URLs share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import orjson
from flask import Response, g, request

from app import schemas
from app.api import errors, frames
from app.api.request_id import request_id
from app.api.weir import weir
from app.config import Endpoint, TrafficRoute
from app.errors import GatewayError
from app.gateway import Request
from app.telemetry import Invocation

STREAM_HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx passes each event on as it comes
}

Decorate = Callable[[bytes], bytes]
"""What a surface adds to a JSON object of the provider's, as bytes."""


def begin(name: str | None) -> Invocation:
    """Start the record of the current request's invocation of `name`."""
    invocation = Invocation(request_id(), name)
    g.invocation = invocation
    return invocation


def answer(
    target: Endpoint | TrafficRoute, payload: dict[str, Any], raw: bytes, decorate: Callable[[Endpoint], Decorate]
) -> Response:
    """Check a payload, count it, call the provider, and answer as the client asked: whole or in pieces."""
    invocation: Invocation = g.invocation
    schemas.check(target.type, payload)
    endpoint = target.pick() if isinstance(target, TrafficRoute) else target
    invocation.endpoint, invocation.bytes_in = endpoint, len(raw)
    limit_headers = weir().limiter.hit(endpoint)
    asked = Request(endpoint, payload, raw)
    try:
        if payload.get("stream") is True:
            return _stream(asked, invocation, limit_headers, decorate(endpoint))
        return _whole(asked, invocation, limit_headers, decorate(endpoint))
    except GatewayError as error:
        error.headers = {**error.headers, **limit_headers}
        raise


def _whole(asked: Request, invocation: Invocation, headers: Mapping[str, str], decorate: Decorate) -> Response:
    reply = weir().gateway.invoke(asked, invocation)
    body = decorate(reply.body)
    response = Response(body, 200, mimetype="application/json")
    response.headers.update({**reply.headers, **headers, "Server-Timing": invocation.server_timing()})
    invocation.status, invocation.bytes_out = 200, len(body)
    invocation.tell()
    return response


def _stream(asked: Request, invocation: Invocation, headers: Mapping[str, str], decorate: Decorate) -> Response:
    invocation.stream = True
    stream = weir().gateway.stream(asked, invocation, weir().live.snapshot.keep_alive)
    timing = invocation.server_timing()
    as_events = not _reads_json_only()
    write = frames.events if as_events else frames.array
    batches = ([decorate(chunk) for chunk in batch] for batch in stream.batches)
    body = _told(write(batches, _error_writer()), invocation)
    mimetype = "text/event-stream" if as_events else "application/json"
    response = Response(body, 200, mimetype=mimetype)
    response.headers.update({**stream.headers, **headers, **STREAM_HEADERS, "Server-Timing": timing})
    invocation.status = 200
    return response


def _reads_json_only() -> bool:
    """MLflow's own client reads every answer as one JSON document and does not say that it can read events."""
    agent = request.headers.get("User-Agent", "")
    return agent.startswith("mlflow-python-client/") and "text/event-stream" not in request.headers.get("Accept", "")


def _error_writer() -> Callable[[GatewayError], bytes]:
    """How an error is written once the request's context is gone."""
    invocation: Invocation = g.invocation

    def write(error: GatewayError) -> bytes:
        invocation.fails(error)
        return orjson.dumps({"error": error.error}, default=str)

    return write


def _told(body: Iterable[bytes], invocation: Invocation) -> Iterator[bytes]:
    """The body as it goes out; when it has, or the client has gone, the invocation is told."""
    try:
        for data in body:
            invocation.bytes_out += len(data)
            yield data
    except GeneratorExit:
        invocation.error = "client_left"
        raise
    finally:
        invocation.tell()


__all__ = ["answer", "begin", "errors"]
