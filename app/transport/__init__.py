"""The only package that calls providers over the network: `send` for a whole answer, `open` for one in pieces.

Under requests' face (adapters mounted by URL scheme, PreparedRequest in, Response out) stand plain sockets and a C
parser, because what a gateway needs of a session (a kept connection) is a small part of what one costs.

    adapter.py      requests' face; a kept connection that is stale is replaced, unseen
    head.py         a URL and headers as the first lines of a request
    connection.py   how connections are made, and the pool of those that wait
    waiting.py      a socket used up to a moment, in a thread or in a greenlet
    proxy.py        which proxy leads where, and its tunnels
    exchange.py     one request and its answer on a connection
    unpacked.py     answers that came compressed
    body.py         an answer's body, and how it is read to its end
    plain.py        requests' own adapter in the place of ours, for who wants it
    watched.py      what its connections lack
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult

import requests
from requests.adapters import BaseAdapter

from app.call import Call
from app.errors import Unreachable
from app.transport.adapter import SocketAdapter
from app.transport.body import MAX_ANSWER_BYTES, MAX_ERROR_BYTES, Answer, Body, Resumed, broken, read1, read_all
from app.transport.connection import Pool
from app.transport.plain import PlainAdapter
from app.transport.proxy import proxy_chooser

__all__ = [
    "ADAPTERS",
    "MAX_ANSWER_BYTES",
    "MAX_ERROR_BYTES",
    "Answer",
    "Body",
    "PlainAdapter",
    "Pool",
    "Resumed",
    "SocketAdapter",
    "Transport",
    "adapter_for",
    "broken",
    "proxy_chooser",
    "read1",
    "read_all",
]


ADAPTERS: Mapping[str, Callable[..., BaseAdapter]] = {"sockets": SocketAdapter, "urllib3": PlainAdapter}
"""By the names that the configuration has for them."""


def adapter_for(
    name: str, *, ca_bundle: str | None = None, proxy_for: Callable[[SplitResult], str | None] = lambda url: None
) -> BaseAdapter:
    """One of ADAPTERS, for http and https. Raises ConfigError for a bundle of certificates that cannot be used."""
    return ADAPTERS[name](ca_bundle=ca_bundle, proxy_for=proxy_for)


class Transport:
    """Adapters by URL scheme, as a requests.Session mounts them, without the session."""

    def __init__(self, adapters: Mapping[str, BaseAdapter], max_answer_bytes: int = MAX_ANSWER_BYTES) -> None:
        self._adapters = dict(adapters)
        self._max_answer_bytes = max_answer_bytes

    def send(self, call: Call) -> Answer:
        """One call, one whole answer. Raises Unreachable, TimedOut, Cut or Garbled."""
        response = self._send(call, stream=False)
        is_error = response.status_code >= 400
        limit = MAX_ERROR_BYTES if is_error else self._max_answer_bytes
        raw: Any = response.raw
        try:
            body = read_all(raw, call.timeouts, limit, cut=is_error)
        finally:
            raw.close()
        return Answer(response.status_code, response.headers, body)

    def open(self, call: Call) -> requests.Response:
        """Send a call and read the head of its answer; `raw` is a Body, and the caller closes it.

        Raises Unreachable, Garbled, or TimedOut when the head takes longer than a first token may.
        """
        return self._send(call, stream=True)

    def close(self) -> None:
        """Close every kept connection."""
        for adapter in self._adapters.values():
            adapter.close()

    def _send(self, call: Call, *, stream: bool) -> requests.Response:
        request = requests.PreparedRequest()
        request.method, request.url, request.body = call.method, call.url, call.body
        request.headers = call.headers  # type: ignore[assignment]  # a plain mapping: nobody looks them up here
        adapter = self._adapters[call.url.partition(":")[0]]
        try:
            return adapter.send(request, stream=stream, timeout=call.timeouts)  # type: ignore[arg-type]
        except ConnectionError as error:
            raise Unreachable(f"the connection to the provider failed: {error}") from error
