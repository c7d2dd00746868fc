"""The journey of one invocation: payload -> call -> provider -> answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.call import Call
from app.config import Endpoint
from app.dialects import JSON, openai
from app.errors import BadRequest, Garbled, GatewayError, TimedOut
from app.refusals import passed_on, refused, refused_under_200
from app.schemas import EMBEDDINGS
from app.schemas.numbers import check_exact
from app.stream import Stream
from app.telemetry import Invocation
from app.transport import MAX_ERROR_BYTES, Transport, read_all
from app.version import __version__

_HEADERS = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"weir/{__version__}",
}
_WHOLE = {**_HEADERS, "Accept": "application/json"}
_STREAM = {**_HEADERS, "Accept": "text/event-stream"}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks of an endpoint: the payload, loaded and checked, and the call that answers it."""

    endpoint: Endpoint
    payload: JSON = field(repr=False)
    streams: bool
    call: Call = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer for the client: JSON bytes, and the provider's headers that it may see."""

    body: bytes
    headers: Mapping[str, str]


def prepare(endpoint: Endpoint, payload: JSON, raw: bytes) -> Request:
    """The request, with its call and credentials. Pure. `raw` is the payload as the client wrote it.

    Raises InvalidPayload for numbers that cannot be held, BadRequest for what is nested too deep.
    """
    streams = payload.get("stream") is True and endpoint.type != EMBEDDINGS
    said = openai.asking_usage(payload) if streams and endpoint.asks_usage else payload
    try:
        body = orjson.dumps(endpoint.translator.request(endpoint.model, said))
    except orjson.JSONEncodeError as error:
        raise BadRequest(f"the payload cannot be written as JSON: {error}") from error
    check_exact(raw, body)
    call = Call(endpoint.url, _STREAM if streams else _WHOLE, body, endpoint.timeouts)
    return Request(endpoint, payload, streams, endpoint.provider.authorize(endpoint.settings, call))


class Gateway:
    """Calls providers and reads their answers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def invoke(self, request: Request, invocation: Invocation) -> Reply:
        """One whole answer. Raises UpstreamError."""
        invocation.upstream_begins()
        try:
            answer = self._transport.send(request.call)
        except TimeoutError as error:
            raise TimedOut("the provider's answer was not whole within its total time") from error
        finally:
            invocation.upstream_ends()
        if not 200 <= answer.status < 300:
            raise refused(request.endpoint, answer.status, answer.body, answer.headers)
        body = _object(answer.body)
        if body.get("error"):
            raise refused_under_200(request.endpoint, answer.body)
        invocation.count(body.get("usage"))
        return Reply(answer.body, passed_on(answer.headers))

    def stream(self, request: Request, invocation: Invocation, keep_alive: float) -> Stream:
        """An answer in pieces, begun: its first event is here. Raises UpstreamError where there will be none."""
        invocation.upstream_begins()
        response = self._transport.open(request.call)
        body: Any = response.raw  # a Body, whatever requests' types say
        stream = Stream(request.endpoint, request.payload, body, invocation, keep_alive)
        try:
            if not 200 <= response.status_code < 300 or "json" in response.headers.get("content-type", ""):
                raise _no_stream(request, response)
            stream.headers = passed_on(response.headers)
            stream.begin()
        except BaseException:
            stream.close()
            raise
        return stream

    def close(self) -> None:
        """Close the connections that are kept."""
        self._transport.close()


def _no_stream(request: Request, response: Any) -> GatewayError:
    """The error that a provider answered with where a stream was asked for."""
    try:
        body = read_all(response.raw, request.endpoint.timeouts, MAX_ERROR_BYTES, cut=True)
    except TimeoutError as error:
        raise TimedOut("the provider's answer was not whole within its total time") from error
    if not 200 <= response.status_code < 300:
        return refused(request.endpoint, response.status_code, body, response.headers)
    if _object(body).get("error"):
        return refused_under_200(request.endpoint, body)
    return Garbled("the provider answered a stream's request with one JSON document")


def _object(body: bytes) -> JSON:
    """A provider's body as a JSON object. Raises Garbled."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Garbled(f"the provider's answer is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise Garbled("the provider's answer is not a JSON object")
    return data
