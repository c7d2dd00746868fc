"""From a payload to a response: what both families of invocation URLs share."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator

import orjson
from flask import Response

from app import failover, schemas
from app.api import errors, frames
from app.api.asked import Asked
from app.api.body import Said
from app.api.lean import LeanResponse
from app.chunks import Surface
from app.config import Endpoint, TrafficRoute
from app.errors import GatewayError
from app.gateway import Reply, StreamReply
from app.telemetry import Invocation

log = logging.getLogger("weir.api")

STREAM_HEADERS = {
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",  # nginx passes each event on as it comes
}


def answer(asked: Asked, target: Endpoint | TrafficRoute, said: Said, surface: Surface) -> Response:
    """Check a payload, count it, have it answered, and answer as the client asked: whole or in pieces."""
    in_flight = asked.weir.in_flight
    in_flight.take(asked.snapshot.max_in_flight)
    try:
        response = _answer(asked, target, said, surface)
    except BaseException:
        in_flight.give()
        raise
    response.call_on_close(in_flight.give)
    return response


def _answer(asked: Asked, target: Endpoint | TrafficRoute, said: Said, surface: Surface) -> Response:
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
            stream = gateway.stream(question, invocation, surface, now.keep_alive)
            response = _in_pieces(stream, invocation, _frames(asked))
        else:
            response = _whole(gateway.invoke(question, invocation), invocation, surface)
    except GatewayError as error:
        error.headers = {**error.headers, **limit_headers}
        raise
    if limit_headers:
        response.tell(limit_headers)
    return response


def _whole(reply: Reply, invocation: Invocation, surface: Surface) -> LeanResponse:
    body = surface(reply.endpoint)(reply.body)
    response = LeanResponse([body], "application/json")
    response.tell({**reply.headers, "Content-Length": str(len(body)), "Server-Timing": invocation.server_timing()})
    invocation.status, invocation.bytes_out = 200, len(body)
    invocation.tell()
    return response


def _in_pieces(stream: StreamReply, invocation: Invocation, written: frames.Frames) -> LeanResponse:
    response = LeanResponse(Delivery(stream, written, invocation), written.content_type)
    response.tell({**stream.headers, **STREAM_HEADERS, "Server-Timing": invocation.server_timing()})
    invocation.status = 200
    return response


def _frames(asked: Asked) -> frames.Frames:
    """Events, but for MLflow's own client: it reads every answer as one JSON document."""
    headers = asked.headers
    is_mlflow = headers.get("User-Agent", "").startswith("mlflow-python-client/")
    return frames.Array() if is_mlflow and "text/event-stream" not in headers.get("Accept", "") else frames.Events()


class Delivery:
    """A stream's body as it goes out. The status is out already: what fails now, a fault of ours too, is its end."""

    __slots__ = ("_invocation", "_stream", "_written", "is_over")

    def __init__(self, stream: StreamReply, written: frames.Frames, invocation: Invocation) -> None:
        self._stream, self._written, self._invocation = stream, written, invocation
        self.is_over = False
        """Whether the pieces that are still to come are here already: they may go out together."""

    def __iter__(self) -> Iterator[bytes]:
        write, invocation = self._written.batch, self._invocation
        failure: GatewayError | None = None
        try:
            for batch in self._stream:
                self.is_over = invocation.upstream_ended > 0
                if data := write(batch):
                    invocation.bytes_out += len(data)
                    yield data
        except GatewayError as error:
            failure = error
        except Exception:
            log.exception("a stream failed")
            failure = errors.of_ours()
        if failure:
            invocation.fails(failure)
        last = self._written.end(orjson.dumps({"error": failure.error}, default=str) if failure else None)
        invocation.bytes_out += len(last)
        yield last
        invocation.delivered = True

    def close(self) -> None:
        """Nobody wants more. Not the generator's `finally`: one that was never begun, its client gone, has none."""
        self._stream.close()
        is_cut = isinstance(sys.exc_info()[1], OSError)  # what was taken last may have met a client that had left
        if (is_cut or not self._invocation.delivered) and self._invocation.error is None:
            self._invocation.error = "client_left"
        self._invocation.tell()
