"""The journey of one invocation: payload -> call -> provider -> answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from app import images
from app.call import Call
from app.chunks import Surface, stamped
from app.config import Endpoint
from app.dialects import JSON, vectors
from app.errors import Garbled, GatewayError, Refused, TimedOut
from app.failover import Attempt, Standings, Targets, Visit
from app.limits import Limiter
from app.providers import with_bearer
from app.pursuit import Pursuit, Question
from app.refusals import passed_on, refused, refused_under_200, retold
from app.reply import Opened, Reply, StreamReply
from app.request import Request, fetches_images, prepare
from app.schemas import EMBEDDINGS
from app.stream import Stream
from app.telemetry import Invocation
from app.tokens import OAuthTokens
from app.transport import MAX_ERROR_BYTES, Answer, Resumed, Transport, read1, read_all

__all__ = ["Gateway", "Question", "Reply", "StreamReply", "Targets"]


class Gateway:
    """Calls providers and reads their answers."""

    def __init__(self, transport: Transport, fetch: images.Fetch, limiter: Limiter) -> None:
        self._transport, self._fetch, self._limiter = transport, fetch, limiter
        self._tokens = OAuthTokens(transport)
        self.standings = Standings()
        """How each endpoint stands, as this worker process has seen it."""

    def question(self, targets: Targets, payload: JSON, raw: bytes) -> tuple[Question, dict[str, str]]:
        """What is asked, counted against the first target's limit, and the headers that tell of the limit.

        Raises InvalidPayload, LimitExceeded. A payload that is refused is counted only where images are fetched.
        """
        named = targets[0]
        first = None if fetches_images(named, payload) else prepare(named, payload, raw)
        told = dict(self._limiter.hit(named))
        try:
            return Question(targets, payload, raw, first or self._prepared(named, payload, raw)), told
        except GatewayError as error:
            error.headers = {**error.headers, **told}
            raise

    def invoke(self, question: Question, invocation: Invocation) -> Reply:
        """One whole answer. Raises GatewayError."""
        return self._pursuit(question, invocation).begin(partial(self._answer, invocation))

    def stream(self, question: Question, invocation: Invocation, surface: Surface, keep_alive: float) -> StreamReply:
        """An answer in pieces, begun: its first event is here. Raises GatewayError where there will be none."""
        ask = partial(self._open, invocation, surface, keep_alive)
        return StreamReply(self._pursuit(question, invocation), ask, keep_alive)

    def close(self) -> None:
        """Close the connections that are kept."""
        self._transport.close()

    def _pursuit(self, question: Question, invocation: Invocation) -> Pursuit:
        return Pursuit(question, self.standings, invocation, partial(self._prepare_next, question))

    def _prepare_next(self, question: Question, target: Endpoint) -> Request:
        """The request for one that stands in. Its own limit holds too. Raises LimitExceeded, InvalidPayload."""
        request = self._prepared(target, question.payload, question.raw)
        self._limiter.hit(target)
        return request

    def _prepared(self, target: Endpoint, payload: JSON, raw: bytes) -> Request:
        if fetches_images(target, payload):
            payload = images.fetched(payload, self._fetch)
        return prepare(target, payload, raw)

    def _answer(self, invocation: Invocation, request: Request, attempt: Attempt, visit: Visit) -> Reply:
        """One attempt at a whole answer."""
        answers, said = [], []
        for answer in self._answers(request):
            answers.append(answer)
            said.append(_said(request.endpoint, answer))
        invocation.upstream_ends()
        made = _made(request, said, invocation.request_id)
        invocation.count(made.get("usage"))
        body = answers[0].body if made is said[0] else orjson.dumps(made)
        visit.succeeds()
        visit.ends()
        return Reply(request.endpoint, body, {**passed_on(answers[-1].headers), **_told(request, invocation)})

    def _answers(self, request: Request) -> Iterator[Answer]:
        """The answers to its calls, in turn and all within one total time: after a failure no more are made."""
        until = time.monotonic() + request.timeouts.total
        yield self._send(request.endpoint, request.calls[0])
        for call in request.calls[1:]:
            left = replace(call.timeouts, total=max(until - time.monotonic(), 0.001))
            yield self._send(request.endpoint, replace(call, timeouts=left))

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

    def _open(
        self,
        invocation: Invocation,
        surface: Surface,
        keep_alive: float,
        request: Request,
        attempt: Attempt,
        visit: Visit,
    ) -> Opened:
        """One attempt at an answer in pieces, up to its first event."""
        asked = time.monotonic()
        response = self._transport.open(self._authorized(request.endpoint, request.calls[0]))
        try:
            if not 200 <= response.status_code < 300 or _is_document(request, response):
                raise _no_stream(request, response)
        except BaseException:
            response.raw.close()
            raise
        body: Any = response.raw  # a Body, whatever requests' types say
        stream = Stream(request, body, invocation, surface(request.endpoint), keep_alive, asked)
        try:
            stream.headers = {**passed_on(response.headers), **_told(request, invocation)}
            stream.begin()
        except BaseException:
            stream.close()
            raise
        visit.begins()
        return Opened(stream, attempt, visit)


def _told(request: Request, invocation: Invocation) -> dict[str, str]:
    """Who answered, after how many calls, and which parameters did not reach them as they were said."""
    told = {"X-Gateway-Endpoint": request.endpoint.name, "X-Gateway-Attempts": str(invocation.attempts)}
    return {**told, "X-Gateway-Adjusted": ", ".join(request.adjusted)} if request.adjusted else told


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
        first = read1(response.raw, request.timeouts.first_token)
    except TimeoutError as error:
        raise TimedOut("the provider sent no first token in time") from error
    response.raw = Resumed(first, response.raw)
    return first.lstrip()[:1] in (b"{", b"[")


def _no_stream(request: Request, response: Any) -> GatewayError:
    """The error that a provider answered with where a stream was asked for."""
    try:
        body = read_all(response.raw, request.timeouts, MAX_ERROR_BYTES, cut=True)
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
