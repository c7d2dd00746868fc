"""The journey of one invocation: payload -> call -> provider -> answer."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from app import images
from app.call import Call
from app.chunks import stamped
from app.config import Endpoint
from app.dialects import JSON, openai, vectors
from app.errors import BadRequest, Garbled, GatewayError, InvalidPayload, Problem, Refused, TimedOut
from app.providers import with_bearer
from app.refusals import passed_on, refused, refused_under_200, retold
from app.schemas import CHAT, EMBEDDINGS
from app.schemas.numbers import check_exact
from app.stream import Stream
from app.telemetry import Invocation
from app.tokens import OAuthTokens
from app.transport import MAX_ERROR_BYTES, Answer, Resumed, Transport, read1, read_all
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
    calls: tuple[Call, ...] = field(repr=False)
    """One, or several for more embeddings than the provider takes at once; without credentials."""
    adjusted: tuple[str, ...] = ()
    """Parameters that the provider does not get as the client said them."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer for the client: JSON bytes, and the provider's headers that it may see."""

    body: bytes
    headers: Mapping[str, str]


def fetches_images(endpoint: Endpoint, payload: JSON) -> bool:
    """Whether images must be fetched before the request can be prepared."""
    wanted = endpoint.fetch_images and endpoint.translator.wants_bytes and endpoint.type == CHAT
    return wanted and any(images.named(payload))


def prepare(endpoint: Endpoint, payload: JSON, raw: bytes) -> Request:
    """The request and its calls. Pure. `raw` is the payload as the client wrote it.

    Raises InvalidPayload for what the provider's dialect cannot say and for numbers that cannot be held, BadRequest for
    what is nested too deep.
    """
    streams = payload.get("stream") is True and endpoint.type != EMBEDDINGS
    if streams and not endpoint.translator.can_stream:
        raise InvalidPayload([Problem(("stream",), f"{endpoint.provider.name} does not stream {endpoint.type}")])
    said = openai.asking_usage(payload) if streams and endpoint.asks_usage else payload
    bodies = [endpoint.translator.request(endpoint.model or "", part) for part in _parts(endpoint, said)]
    adjusted = tuple(dict.fromkeys(name for body in bodies for name in body.adjusted))
    if adjusted and endpoint.refuses_unsupported:
        raise InvalidPayload([Problem((name,), f"{endpoint.provider.name} does not take this") for name in adjusted])
    url, headers = (endpoint.stream_url, _STREAM) if streams else (endpoint.url, _WHOLE)
    calls = tuple(Call(url, headers, _written(body.json, raw), endpoint.timeouts) for body in bodies)
    return Request(endpoint, payload, streams, calls, adjusted)


def _parts(endpoint: Endpoint, payload: JSON) -> list[JSON]:
    """The payload or, where it holds more inputs than one call takes, several with some of them each."""
    most, said = endpoint.translator.batch, payload.get("input")
    if most is None or not isinstance(said, list) or len(said) <= most:
        return [payload]
    return [{**payload, "input": said[start : start + most]} for start in range(0, len(said), most)]


def _written(body: JSON, raw: bytes) -> bytes:
    try:
        written = orjson.dumps(body)
    except orjson.JSONEncodeError as error:
        raise BadRequest(f"the payload cannot be written as JSON: {error}") from error
    check_exact(raw, written)
    return written


class Gateway:
    """Calls providers and reads their answers."""

    def __init__(self, transport: Transport, fetch: images.Fetch) -> None:
        self._transport, self._fetch = transport, fetch
        self._tokens = OAuthTokens(transport)

    def with_images(self, payload: JSON) -> JSON:
        """A chat payload with the images that it names by URL in their place. Raises InvalidPayload."""
        return images.fetched(payload, self._fetch)

    def invoke(self, request: Request, invocation: Invocation) -> Reply:
        """One whole answer. Raises UpstreamError."""
        invocation.upstream_begins()
        try:
            answers = [self._send(request.endpoint, call) for call in request.calls]
        finally:
            invocation.upstream_ends()
        said = [_said(request.endpoint, answer) for answer in answers]
        made = _made(request, said, invocation.request_id)
        invocation.count(made.get("usage"))
        body = answers[0].body if made is said[0] else orjson.dumps(made)
        return Reply(body, {**passed_on(answers[-1].headers), **_adjusted(request)})

    def _send(self, endpoint: Endpoint, call: Call) -> Answer:
        try:
            return self._transport.send(self._authorized(endpoint, call))
        except TimeoutError as error:
            raise TimedOut("the provider's answer was not whole within its total time") from error

    def _authorized(self, endpoint: Endpoint, call: Call) -> Call:
        """The call with credentials. Raises UpstreamError where none can be had."""
        if grant := endpoint.provider.grant(endpoint.settings):
            call = with_bearer(call, self._tokens(grant))
        return endpoint.provider.authorize(endpoint.settings, call)

    def stream(self, request: Request, invocation: Invocation, keep_alive: float) -> Stream:
        """An answer in pieces, begun: its first event is here. Raises UpstreamError where there will be none."""
        invocation.upstream_begins()
        response = self._transport.open(self._authorized(request.endpoint, request.calls[0]))
        try:
            if not 200 <= response.status_code < 300 or _is_document(request, response):
                raise _no_stream(request, response)
        except BaseException:
            response.raw.close()
            raise
        body: Any = response.raw  # a Body, whatever requests' types say
        stream = Stream(request.endpoint, request.payload, body, invocation, keep_alive)
        try:
            stream.headers = {**passed_on(response.headers), **_adjusted(request)}
            stream.begin()
        except BaseException:
            stream.close()
            raise
        return stream

    def close(self) -> None:
        """Close the connections that are kept."""
        self._transport.close()


def _adjusted(request: Request) -> dict[str, str]:
    """Which parameters the provider did not get as they were said."""
    return {"X-Gateway-Adjusted": ", ".join(request.adjusted)} if request.adjusted else {}


def _said(endpoint: Endpoint, answer: Answer) -> JSON:
    """The JSON object of an answer that is one. Raises Refused, Garbled."""
    if not 200 <= answer.status < 300:
        raise refused(endpoint, answer.status, answer.body, answer.headers)
    body = _object(answer.body)
    if body.get("error"):
        raise refused_under_200(endpoint, answer.body)
    return body


def _made(request: Request, said: list[JSON], request_id: str) -> JSON:
    """Our answer of what the provider said, in as many parts as there were calls."""
    translate = request.endpoint.translator.response
    if translate is None:
        return said[0]
    try:
        parts = [translate(body) for body in said]
    except Refused as error:
        raise retold(request.endpoint, error) from error
    if request.endpoint.type == EMBEDDINGS:
        made = vectors.finished(parts, request.payload)
        return stamped(made, {"model": request.endpoint.model})
    stamp = {"id": f"chatcmpl-{request_id}", "created": int(time.time()), "model": request.endpoint.model}
    return stamped(parts[0], stamp)


def _is_document(request: Request, response: Any) -> bool:
    """Whether a stream's answer is one JSON document: some servers call their events JSON, so its first byte tells."""
    if "json" not in response.headers.get("content-type", ""):
        return False
    try:
        first = read1(response.raw, request.endpoint.timeouts.first_token)
    except TimeoutError as error:
        raise TimedOut("the provider sent no first token in time") from error
    response.raw = Resumed(first, response.raw)
    return first.lstrip()[:1] in (b"{", b"[")


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
