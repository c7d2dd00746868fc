"""The built-in model as an adapter for `requests`: what is mounted at `local://` answers without a network."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from app.local import chat, completions, embeddings
from app.local.answer import Answer, refused
from app.local.behaviour import HEADER, Behaviour
from app.local.body import Body, Clock
from app.local.payload import Refusal, as_object


class LocalAdapter(BaseAdapter):
    """Sends requests to the built-in model."""

    def __init__(self, clock: Clock = time) -> None:
        super().__init__()
        self._clock = clock

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | None = None,
        verify: bool | str = True,
        cert: bytes | str | tuple[bytes | str, bytes | str] | None = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """The response, at once; `raw.read1(wait)` gives its body as it arrives, and `latency` passes there."""
        behaviour = Behaviour.parse(request.headers.get(HEADER))
        answer = _answer(request, behaviour)
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict({"content-type": answer.content_type, **answer.headers})
        response.url = request.url or ""
        response.request = request
        response.raw = Body(answer.until(behaviour.cut_after), behaviour.due, self._clock)
        return response

    def close(self) -> None:
        """Nothing is kept open."""


def _answer(request: requests.PreparedRequest, behaviour: Behaviour) -> Answer:
    try:
        behaviour.maybe_fail()
        return _dispatch(urlsplit(str(request.url)).path.strip("/"), _payload(request.body), behaviour)
    except Refusal as refusal:
        return refused(refusal)


def _dispatch(path: str, payload: dict[str, Any], behaviour: Behaviour) -> Answer:
    if path == "chat/completions":
        return chat.answer(payload)
    if path == "completions":
        return completions.answer(payload)
    if path == "embeddings":
        return embeddings.answer(payload, behaviour.dimensions)
    raise Refusal(f"the built-in model has no {path!r}", status=404, code="not_found")


def _payload(body: Any) -> dict[str, Any]:
    try:
        return as_object(orjson.loads(body or b""), "the request body")
    except orjson.JSONDecodeError as problem:
        raise Refusal(f"the request body is not JSON: {problem}") from None
