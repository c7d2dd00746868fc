"""What a client asks, as the calls that answer it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import orjson

from app import images
from app.call import Call, Timeouts
from app.config import Endpoint
from app.dialects import JSON, openai
from app.errors import BadRequest, InvalidPayload, Problem
from app.schemas import CHAT, EMBEDDINGS
from app.schemas.numbers import check_exact
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

    @property
    def timeouts(self) -> Timeouts:
        """How long its calls wait."""
        return self.calls[0].timeouts

    def hurried(self) -> Request:
        """The same with less patience: another target stands ready."""
        timeouts = self.endpoint.hurried[self.streams]
        return replace(self, calls=tuple(replace(call, timeouts=timeouts) for call in self.calls))


def fetches_images(endpoint: Endpoint, payload: JSON) -> bool:
    """Whether images must be fetched before the request can be prepared."""
    wanted = endpoint.fetch_images and endpoint.translator.wants_bytes and endpoint.type == CHAT
    return wanted and any(images.named(payload))


def prepare(endpoint: Endpoint, payload: JSON, raw: bytes) -> Request:
    """The request and its calls. `raw` is the payload as the client wrote it.

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
