"""requests' own adapter (urllib3), made to keep what ours keeps: the one to turn to when ours is in doubt."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import lru_cache, partial
from math import inf
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any
from urllib.parse import SplitResult, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPResponse, Timeout
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import SKIP_HEADER

from app.call import Timeouts
from app.errors import Cut, Garbled, TimedOut, Unreachable
from app.transport.adapter import response_to
from app.transport.connection import MAX_IDLE_CONNECTIONS, MAX_IDLE_SECONDS, SOCKET_OPTIONS, tls_context
from app.transport.exchange import Stale
from app.transport.head import OURS, Route, find_route, request_head
from app.transport.unpacked import unpacked
from app.transport.watched import POOLS, READ_BYTES, WAITS, Waits, Wire

MAX_ORIGINS = 256
"""So many providers' connections are kept."""
_TOO_LATE = "the provider's answer was not whole within its total time"


class PlainAdapter(HTTPAdapter):
    """One thread more per stream than our own adapter: http.client cannot go on after a read that timed out."""

    def __init__(
        self,
        *,
        ca_bundle: str | None = None,
        proxy_for: Callable[[SplitResult], str | None] = lambda url: None,
        max_idle: float = MAX_IDLE_SECONDS,
    ) -> None:
        """See SocketAdapter; `max_idle` is in seconds."""
        self._max_idle = max_idle
        self._options = {"ssl_context": tls_context(ca_bundle), "socket_options": SOCKET_OPTIONS}
        self._route = lru_cache(maxsize=1024)(partial(find_route, proxy_for))
        super().__init__(MAX_ORIGINS, MAX_IDLE_CONNECTIONS)
        logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of each connection above those that are kept

    def send(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        stream: bool = True,
        timeout: Timeouts | None = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Any = None,
    ) -> requests.Response:
        """See SocketAdapter."""
        timeouts = timeout or Timeouts()
        route = self._route(request.url or "")
        head_wait = timeouts.first_token if stream else timeouts.total
        now = time.monotonic()
        waits = Waits(now + timeouts.total, timeouts.idle, head_wait, now - self._max_idle)
        limits = Timeout(connect=min(timeouts.connect, timeouts.total), read=head_wait)
        asked = _asked(request, route)
        try:
            response = self._exchange(asked, route, limits, waits)
        except Stale:
            response = self._exchange(asked, route, limits, waits._replace(oldest=inf))
        body: Any = response.raw
        read = InThread(body, waits.deadline) if stream else body
        response.raw = unpacked(read, response.headers.get("content-encoding", ""))
        return response

    def _exchange(
        self, asked: requests.PreparedRequest, route: Route, limits: Timeout, waits: Waits
    ) -> requests.Response:
        token = WAITS.set(waits)
        try:
            proxies = {route.origin.scheme: route.origin.proxy} if route.origin.proxy else None
            return super().send(asked, stream=True, timeout=limits, proxies=proxies)  # type: ignore[arg-type]
        except (requests.RequestException, HTTPError) as error:  # what our connections have not said in our words
            raise Unreachable(f"the provider could not be asked: {type(error).__name__}") from error
        finally:
            WAITS.reset(token)

    # What requests lets its adapters settle otherwise

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Pools of our connections, which trust whom the configuration trusts."""
        super().init_poolmanager(connections, maxsize, block, **self._options, **options)
        self.poolmanager.pool_classes_by_scheme = POOLS

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        """The same behind a proxy. Raises Unreachable for a kind of proxy that nobody here speaks to."""
        if (scheme := urlsplit(proxy).scheme) != "http":
            raise Unreachable(f"a proxy's URL begins with http://, not with {scheme}://")
        manager = super().proxy_manager_for(proxy, **self._options, **options)
        manager.pool_classes_by_scheme = POOLS
        return manager

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Nothing: the context has it all, and certificates that are named here would be read at every handshake."""

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """A response without cookies, whose `raw` is a Body."""
        headers = CaseInsensitiveDict((name, value.rstrip()) for name, value in resp.headers.itermerged())
        body = PlainBody(resp, resp.connection.answer.wire, WAITS.get().deadline)
        return response_to(req, resp.status, headers, body)


def _asked(request: requests.PreparedRequest, route: Route) -> requests.PreparedRequest:
    """The request as urllib3 is to send it. Raises Unreachable for what would smuggle."""
    body: Any = request.body or b""
    request_head(request.method or "GET", route, request.headers, len(body))
    theirs = {name: value for name, value in request.headers.items() if name.lower() not in OURS}
    said = {name.lower() for name in theirs}
    unsaid = {name: SKIP_HEADER for name in ("accept-encoding", "user-agent") if name not in said}
    asked = requests.PreparedRequest()
    asked.method, asked.url, asked.body = request.method, route.url, body
    headers = {"Host": route.authority, **theirs, "Content-Length": str(len(body)), **unsaid}
    asked.headers = headers  # type: ignore[assignment]
    return asked


class PlainBody:
    """A Body that cannot go on after a TimeoutError."""

    def __init__(self, response: HTTPResponse, wire: Wire, deadline: float) -> None:
        self._response, self._wire, self._deadline = response, wire, deadline
        self._over = self._broken = self._closed = False

    def read1(self, wait: float) -> bytes:
        """See Body; after a failure, which a TimeoutError is, too, Cut."""
        if self._closed:
            raise ValueError("the body is closed")
        if self._broken:
            raise Cut("the provider's answer is no longer read")
        if self._over:
            return b""
        self._broken = True  # until it is read: urllib3 calls what has failed its end
        self._wire.until = min(time.monotonic() + wait, self._deadline)
        try:
            data = self._response.read1(READ_BYTES)
        except ReadTimeoutError:
            raise self._late() from None
        except HTTPError as error:
            if self._wire.ended:
                raise Cut(f"the provider's answer ended before it was whole: {error}") from error
            raise Garbled(f"the provider's answer is not HTTP: {error}") from error
        self._wire.received = 0
        self._over, self._broken = not data, False
        return data

    def _late(self) -> Exception:
        return TimedOut(_TOO_LATE) if time.monotonic() >= self._deadline else TimeoutError()

    def hang_up(self) -> None:
        """End the connection under a read in another thread."""
        self._wire.hang_up()

    def close(self) -> None:
        """See Body."""
        self._closed = True
        self._response.close()


class InThread:
    """A Body read in a thread of its own (under gevent, a greenlet), one piece when one is asked for.

    A silence ends the asking, not the reading: whoever asks again waits for the same piece.
    """

    def __init__(self, body: PlainBody, deadline: float) -> None:
        self._body, self._deadline = body, deadline
        self._asked: SimpleQueue[bool] = SimpleQueue()
        self._pieces: SimpleQueue[bytes | Exception] = SimpleQueue()
        self._reading = self._closed = False
        Thread(target=self._read, daemon=True).start()

    def read1(self, wait: float) -> bytes:
        """See Body."""
        if self._closed:
            raise ValueError("the body is closed")
        if not self._reading:
            self._reading = True
            self._asked.put(True)
        left = min(wait, self._deadline - time.monotonic())
        try:
            piece = self._pieces.get(timeout=max(left, 0.001))
        except Empty:
            raise TimedOut(_TOO_LATE) if time.monotonic() >= self._deadline else TimeoutError from None
        self._reading = False
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        """See Body."""
        if not self._closed:
            self._closed = True
            if self._reading:
                self._body.hang_up()
            self._asked.put(False)

    def _read(self) -> None:
        while self._asked.get():
            self._pieces.put(self._piece())
        self._body.close()

    def _piece(self) -> bytes | Exception:
        try:
            return self._body.read1(self._deadline - time.monotonic())
        except Exception as error:
            return error
