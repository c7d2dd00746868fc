"""From a payload to a response: what both families of invocation URLs share."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator

import orjson
from flask import Response

from app import failover, schemas
from app.api import errors, frames
from app.api.asked import Asked
from app.api.body import Said
from app.api.lean import LeanResponse
from app.config import Endpoint, TrafficRoute
from app.errors import GatewayError
from app.gateway import Reply, StreamReply
from app.telemetry import Invocation

log = logging.getLogger("weir.api")

STREAM_HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx passes each event on as it comes
}

Decorate = Callable[[Endpoint, list[bytes]], list[bytes]]
"""What a surface adds to JSON objects of an endpoint's, as bytes each."""


def answer(asked: Asked, target: Endpoint | TrafficRoute, said: Said, decorate: Decorate) -> Response:
    """Check a payload, count it, have it answered, and answer as the client asked: whole or in pieces."""
    in_flight = asked.weir.in_flight
    in_flight.take(asked.snapshot.max_in_flight)
    try:
        response = _answer(asked, target, said, decorate)
    except BaseException:
        in_flight.give()
        raise
    response.call_on_close(in_flight.give)
    return response


def _answer(asked: Asked, target: Endpoint | TrafficRoute, said: Said, decorate: Decorate) -> Response:
    gateway, now, invocation = asked.weir.gateway, asked.snapshot, asked.invocation
    assert invocation is not None  # every view begins one
    session = asked.headers.get(now.session_header) or None  # an empty one is none: it is everybody's
    targets = failover.targets(target, session)
    invocation.endpoint, invocation.bytes_in = targets[0], len(said.raw)
    schemas.check(targets[0].type, said.payload)
    question, limit_headers = gateway.question(targets, said.payload, said.raw)
    invocation.stream = question.first.streams
    try:
        if invocation.stream:
            stream = gateway.stream(question, invocation, now.keep_alive)
            response = _in_pieces(stream, invocation, _frames(asked), decorate)
        else:
            response = _whole(gateway.invoke(question, invocation), invocation, decorate)
    except GatewayError as error:
        error.headers = {**error.headers, **limit_headers}
        raise
    if limit_headers:
        response.tell(limit_headers)
    return response


def _whole(reply: Reply, invocation: Invocation, decorate: Decorate) -> LeanResponse:
    (body,) = decorate(reply.endpoint, [reply.body])
    response = LeanResponse([body], "application/json")
    response.tell({**reply.headers, "Content-Length": str(len(body)), "Server-Timing": invocation.server_timing()})
    invocation.status, invocation.bytes_out = 200, len(body)
    invocation.tell()
    return response


def _in_pieces(stream: StreamReply, invocation: Invocation, written: frames.Frames, decorate: Decorate) -> LeanResponse:
    response = LeanResponse(_delivered(stream, written, decorate, invocation), written.content_type)
    # Not in a generator's `finally`: one that was never begun, since its client had gone, has none.
    response.call_on_close(lambda: _end(stream, invocation))
    response.tell({**stream.headers, **STREAM_HEADERS, "Server-Timing": invocation.server_timing()})
    response.is_over = stream.is_over
    invocation.status = 200
    return response


def _end(stream: StreamReply, invocation: Invocation) -> None:
    stream.close()
    is_cut = isinstance(sys.exc_info()[1], OSError)  # what was taken last may have met a client that had left
    if (is_cut or not invocation.delivered) and invocation.error is None:
        invocation.error = "client_left"
    invocation.tell()


def _frames(asked: Asked) -> frames.Frames:
    """Events, but for MLflow's own client: it reads every answer as one JSON document."""
    headers = asked.headers
    is_mlflow = headers.get("User-Agent", "").startswith("mlflow-python-client/")
    return frames.Array() if is_mlflow and "text/event-stream" not in headers.get("Accept", "") else frames.Events()


def _delivered(
    stream: StreamReply, written: frames.Frames, decorate: Decorate, invocation: Invocation
) -> Iterator[bytes]:
    """The body as it goes out. The status is out already: what fails now, a fault of ours too, is said at its end."""
    failure: GatewayError | None = None
    try:
        for batch in stream:
            if data := written.batch(decorate(stream.endpoint, batch)):
                invocation.bytes_out += len(data)
                yield data
    except GatewayError as error:
        failure = error
    except Exception:
        log.exception("a stream failed")
        failure = errors.of_ours()
    if failure:
        invocation.fails(failure)
    last = written.end(orjson.dumps({"error": failure.error}, default=str) if failure else None)
    invocation.bytes_out += len(last)
    yield last
    invocation.delivered = True
