"""The journey of one invocation: payload -> call -> provider -> answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.call import Call
from app.config import Endpoint
from app.dialects import JSON, openai, refusal
from app.errors import BadRequest, Cut, Garbled, GatewayError, Refused, TimedOut
from app.schemas.numbers import check_exact
from app.sse import Decoder, Event
from app.telemetry import Invocation
from app.transport import Answer, Body, Transport, read1, read_all
from app.transport import MAX_ERROR_BYTES as ERROR_BYTES
from app.version import __version__

log = logging.getLogger("weir.gateway")

_HEADERS = {
    "Content-Type": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"weir/{__version__}",
}
_WHOLE = {**_HEADERS, "Accept": "application/json"}
_STREAM = {**_HEADERS, "Accept": "text/event-stream"}

_PASSED_ON = ("retry-after", "retry-after-ms", "x-should-retry", "openai-processing-ms", "openai-version")
_PASSED_ON_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")

_DRAIN_SECONDS = 0.05
"""How long the end of a stream is waited for after its last event, so that its connection can be kept."""

_OWN_CREDENTIALS = (401, 403)
"""Statuses of a provider that tell of the gateway's credentials, not of the caller's."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asks of an endpoint: the payload, loaded and checked, and the bytes that it was."""

    endpoint: Endpoint
    payload: JSON
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer for the client: JSON bytes, and the provider's headers that it may see."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer in pieces: batches of chunks (JSON bytes each); an empty batch is a silence. Raises what cuts it short."""

    batches: Iterator[list[bytes]]
    headers: Mapping[str, str]


def make_call(request: Request) -> Call:
    """The call that answers a request, with credentials. Pure. Raises InvalidPayload for numbers that cannot be held."""
    endpoint, payload = request.endpoint, request.payload
    streams = payload.get("stream") is True
    if streams and endpoint.asks_usage:
        payload = openai.asking_usage(payload)
    try:
        body = orjson.dumps(endpoint.translator.request(endpoint.model, payload))
    except orjson.JSONEncodeError as error:
        raise BadRequest(f"the payload cannot be written as JSON: {error}") from error
    check_exact(request.raw, body)
    call = Call(endpoint.url, _STREAM if streams else _WHOLE, body, endpoint.timeouts)
    return endpoint.provider.authorize(endpoint.settings, call)


class Gateway:
    """Calls providers and reads their answers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def invoke(self, request: Request, invocation: Invocation) -> Reply:
        """One whole answer. Raises UpstreamError."""
        call = make_call(request)
        invocation.upstream_begins()
        try:
            answer = self._transport.send(call)
        except TimeoutError as error:
            raise TimedOut("the provider's answer was not whole within its total time") from error
        finally:
            invocation.upstream_ends()
        if not 200 <= answer.status < 300:
            raise refused(request.endpoint, answer)
        body = _object(answer.body)
        if body.get("error"):
            raise _refused_in_disguise(request.endpoint, body)
        invocation.count(body.get("usage"))
        return Reply(answer.body, passed_on(answer.headers))

    def stream(self, request: Request, invocation: Invocation, keep_alive: float) -> Stream:
        """An answer in pieces, begun: its first event is here. Raises UpstreamError where there will be none."""
        call = make_call(request)
        invocation.upstream_begins()
        response = self._transport.open(call)
        batches = _Reading(request, invocation, response.raw, keep_alive).batches()
        try:
            if not 200 <= response.status_code < 300:
                words = read_all(response.raw, call.timeouts, ERROR_BYTES, cut=True)
                raise refused(request.endpoint, Answer(response.status_code, response.headers, words))
            if "json" in response.headers.get("content-type", ""):
                raise self._not_a_stream(request, response.raw)
            first = next(batches)
        except BaseException:
            batches.close()
            response.raw.close()
            raise
        return Stream(_resume(first, batches), passed_on(response.headers))

    @staticmethod
    def _not_a_stream(request: Request, body: Body) -> Exception:
        data = _object(read_all(body, request.endpoint.timeouts, ERROR_BYTES, cut=True))
        if data.get("error"):
            return _refused_in_disguise(request.endpoint, data)
        return Garbled("the provider answered a stream's request with one JSON document")


class _Reading:
    """A stream being read: what has been seen of it so far decides whether its end is an end."""

    def __init__(self, request: Request, invocation: Invocation, body: Body, keep_alive: float) -> None:
        self._endpoint, self._invocation, self._body = request.endpoint, invocation, body
        self._keep_alive = keep_alive
        self._wants_usage = openai.asks_usage(request.payload) or not request.endpoint.asks_usage
        self._begun = self._finished = self._done = False

    def batches(self) -> Generator[list[bytes], None, None]:
        """The chunks of each read, as they came; the first batch is never empty; a later [] says that nothing came."""
        decoder = Decoder()
        spoke = time.monotonic()
        try:
            for data in self._reads():
                chunks, error = self._chunks(decoder.feed(data))
                if chunks or (self._begun and time.monotonic() - spoke >= self._keep_alive):
                    spoke = time.monotonic()
                    yield chunks
                if error:
                    raise error
                if self._done:
                    break
            else:
                chunks, error = self._chunks(decoder.close())
                if chunks:
                    yield chunks
                if error:
                    raise error
            self._check_whole()
            self._drain()
        finally:
            self._invocation.upstream_ends()
            self._body.close()

    def _reads(self) -> Iterator[bytes]:
        """What the provider sends, as it comes; b"" for a silence. Comments do not count as the first token."""
        timeouts = self._endpoint.timeouts
        heard = time.monotonic()
        while True:
            limit = timeouts.idle if self._begun else timeouts.first_token
            left = heard + limit - time.monotonic()
            if left <= 0:
                raise TimedOut(self._silence(limit))
            try:
                data = read1(self._body, min(left, self._keep_alive) if self._begun else left)
            except TimeoutError:
                yield b""
                continue
            if not data:
                return
            yield data
            if self._begun:
                heard = time.monotonic()

    def _silence(self, seconds: float) -> str:
        what = "nothing more" if self._begun else "no first token"
        return f"{self._endpoint.provider.name} sent {what} within {seconds:g} s"

    def _chunks(self, events: list[Event]) -> tuple[list[bytes], GatewayError | None]:
        """The chunks for the client in some events, up to the first that is an error, and that error."""
        chunks = []
        for event in events:
            try:
                chunk = self._chunk(event.data)
            except GatewayError as error:
                return chunks, error
            if chunk is not None:
                chunks.append(chunk)
            if self._done:
                break
        if chunks and not self._begun:
            self._begun = True
            self._invocation.first_token_is_here()
        return chunks, None

    def _chunk(self, data: bytes) -> bytes | None:
        """One event's data as the client may have it. Each is parsed, to see its usage, its error, or that it is garbage."""
        if data == b"[DONE]":
            self._done = True
            return None
        try:
            chunk = orjson.loads(data)
        except orjson.JSONDecodeError:
            chunk = None
        if not isinstance(chunk, dict):
            self._invocation.dropped_events += 1
            return None
        if chunk.get("error"):
            raise _refused_in_disguise(self._endpoint, chunk)
        choices = chunk.get("choices")
        if usage := chunk.get("usage"):
            self._invocation.count(usage)
            if not choices and not self._wants_usage:
                return None
        if choices and not self._finished:
            self._finished = _finishes(choices)
        return data

    def _check_whole(self) -> None:
        """A stream ends with [DONE] or, with providers that do not send it, after a finish_reason; else it was cut."""
        if not self._begun:
            raise Garbled(f"{self._endpoint.provider.name} ended the stream without an answer")
        if not self._done and not self._finished:
            raise Cut(f"{self._endpoint.provider.name} broke off the stream before it was whole")

    def _drain(self) -> None:
        """Read what ends the message, so that the connection can be kept; more than that is not waited for."""
        with suppress(TimeoutError, OSError, GatewayError):
            for _ in range(2):
                if not self._body.read1(_DRAIN_SECONDS):
                    return


def _resume(first: list[bytes], rest: Generator[list[bytes], None, None]) -> Iterator[list[bytes]]:
    """A generator whose first value was taken out, whole again; closed, it closes the other."""
    try:
        yield first
        yield from rest
    finally:
        rest.close()


def _finishes(choices: Any) -> bool:
    return isinstance(choices, list) and any(isinstance(choice, dict) and choice.get("finish_reason") for choice in choices)


def _object(body: bytes) -> JSON:
    """A provider's body as a JSON object. Raises Garbled."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Garbled(f"the provider's answer is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise Garbled("the provider's answer is not a JSON object")
    return data


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The provider's headers that a client may see: rate limits, when to come back, how long it took."""
    return {
        name: value
        for name, value in headers.items()
        if (low := name.lower()).startswith(_PASSED_ON_PREFIXES) or low in _PASSED_ON
    }


def refused(endpoint: Endpoint, answer: Answer) -> GatewayError:
    """The error that a provider's answer is: its status, words and code, without what would give our key away."""
    if answer.status < 400:
        return Garbled(f"{endpoint.provider.name} answered with status {answer.status}, which is neither an answer nor an error")
    return _refusal(endpoint, answer.status, refusal.read(answer.body), passed_on(answer.headers))


def _refused_in_disguise(endpoint: Endpoint, data: JSON) -> GatewayError:
    """The error in a body that came with a 200."""
    return _refusal(endpoint, refusal.status_of(data), refusal.of(data), {})


def _refusal(endpoint: Endpoint, status: int, said: refusal.Refusal, headers: Mapping[str, str]) -> Refused:
    if status not in _OWN_CREDENTIALS:
        return Refused(
            status, said.message, type=said.type, code=said.code, param=said.param, extra=said.extra, headers=headers
        )
    log.warning("%s refused the gateway's credentials for endpoint '%s' (%d)", endpoint.provider.name, endpoint.name, status)
    words = f"{endpoint.provider.name} refused the gateway's credentials for endpoint '{endpoint.name}'"
    return Refused(status, f"{words}: {refusal.without_keys(said.message)}", type=said.type, code="upstream_auth", headers=headers)
