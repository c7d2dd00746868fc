"""requests' transport adapter over kept sockets and a C parser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any
from urllib.parse import SplitResult

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict

from app.call import Timeouts
from app.transport.body import Body
from app.transport.connection import Address, Connection, Connector, Pool
from app.transport.exchange import Exchange, Outgoing, Stale
from app.transport.head import Route, find_route, request_head
from app.transport.unpacked import unpacked

_BLANK = vars(requests.Response())
"""What a response has from its beginning: a cookie jar for each costs a tenth of the exchange, and nobody fills it."""


class Headers(CaseInsensitiveDict[str]):
    """An answer's headers, all at once: requests' own way, one assignment each, costs as much as the exchange."""

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        """A name that comes again adds to its value, with a comma: RFC 9110, section 5.3."""
        store: dict[str, tuple[str, str]] = {}
        for raw_name, raw_value in pairs:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1").rstrip()
            key = name.lower()
            store[key] = (name, f"{store[key][1]}, {value}" if key in store else value)
        self._store = store


class SocketAdapter(BaseAdapter):
    """One exchange at a time per connection. Under gevent its sockets are cooperative; in a thread they block that."""

    def __init__(
        self,
        *,
        ca_bundle: str | None = None,
        proxy_for: Callable[[SplitResult], str | None] = lambda url: None,
        pool: Pool | None = None,
        allow: Callable[[Address], bool] | None = None,
    ) -> None:
        """`ca_bundle` is a file of trusted certificates (None: certifi's). Raises ConfigError if it cannot be used.

        `allow` says which addresses a connection may be made to; None: all.
        """
        super().__init__()
        self._connector = Connector(ca_bundle, allow)
        self._pool = pool or Pool()
        self._route = lru_cache(maxsize=1024)(partial(find_route, proxy_for))

    def send(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        stream: bool = True,
        timeout: Timeouts | None = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """One exchange up to the head of its answer, whose `raw` is a Body.

        A stream's head must come within the first token's time. `verify`, `cert` and `proxies` are settled when the
        adapter is made, and not looked at. A kept connection that its server closes before it answers is replaced
        once, unseen: RFC 9112, section 9.3.1.
        """
        timeouts = timeout or Timeouts()
        route = self._route(request.url or "")
        asked = _outgoing(request, route, timeouts, timeouts.first_token if stream else timeouts.total)
        kept = self._pool.take(route.origin)
        if kept is not None:
            with suppress(Stale):
                return self._exchange(kept, asked, request)
        self._pool.drop_old()
        fresh = self._connector.connect(route.origin, min(timeouts.connect, timeouts.total))
        return self._exchange(fresh, asked, request)

    def close(self) -> None:
        """Close every kept connection."""
        self._pool.close()

    def _exchange(
        self, connection: Connection, asked: Outgoing, request: requests.PreparedRequest
    ) -> requests.Response:
        exchange = Exchange(connection, self._pool.give, asked.deadline)
        try:
            exchange.ask(asked)
            self._connector.remember(connection)
        except BaseException:
            connection.close()
            raise
        headers = Headers(exchange.headers)
        return response_to(request, exchange.status, headers, unpacked(exchange, headers.get("content-encoding", "")))


def response_to(
    request: requests.PreparedRequest, status: int, headers: CaseInsensitiveDict[str], body: Body
) -> requests.Response:
    """requests' Response with a Body behind its `raw`."""
    response = requests.Response.__new__(requests.Response)
    vars(response).update(_BLANK, url=request.url, request=request, status_code=status, headers=headers, raw=body)
    return response


def _outgoing(request: requests.PreparedRequest, route: Route, timeouts: Timeouts, head_wait: float) -> Outgoing:
    deadline = time.monotonic() + timeouts.total
    body: Any = request.body or b""
    head = request_head(request.method or "GET", route, request.headers, len(body))
    return Outgoing(head, body, deadline, timeouts.idle, head_wait)
