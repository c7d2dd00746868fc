"""The first lines of a request: where it goes, worked out once per URL, and its headers. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from requests.utils import requote_uri

from app.errors import Unreachable
from app.transport.connection import Origin
from app.transport.proxy import authorization

OURS = ("host", "content-length", "transfer-encoding")
"""Headers that say where a request ends and whom it is for are never a call's."""


class Route(NamedTuple):
    """Where a URL leads: the connection's origin, the request's target, and the lines that come before its headers."""

    origin: Origin
    target: str
    lines: tuple[str, ...]
    authority: str
    """Host and port, as the URL writes them."""
    url: str
    """As it is to be understood: quoted, without credentials and fragment."""


def find_route(proxy_for: Callable[[SplitResult], str | None], address: str) -> Route:
    """The route of a URL. Raises Unreachable for what is none."""
    try:
        url = urlsplit(requote_uri(address))
        port = url.port or (443 if url.scheme == "https" else 80)
    except ValueError as error:
        raise Unreachable(f"the provider's address is not a URL: {error}") from error
    if not url.hostname:
        raise Unreachable("the provider's address has no host")
    proxy = proxy_for(url)
    authority = url.netloc.rpartition("@")[2]
    target = (url.path or "/") + (f"?{url.query}" if url.query else "")
    whole = f"{url.scheme}://{authority}{target}"
    lines = [f"Host: {authority}"]
    if proxy and url.scheme == "http":
        target = whole
        lines += authorization(proxy)
    return Route(Origin(url.scheme, url.hostname, port, proxy), target, tuple(lines), authority, whole)


def request_head(method: str, route: Route, headers: Mapping[str, str], length: int) -> bytes:
    """The request line and headers. What would end its line early is refused: nothing may smuggle a header in."""
    lines = [f"{method} {route.target} HTTP/1.1", *route.lines]
    lines += [f"{name}: {value}" for name, value in headers.items() if name.lower() not in OURS]
    lines += [f"Content-Length: {length}", "", ""]
    head = "\r\n".join(lines)
    if head.count("\n") >= len(lines) or head.count("\r") >= len(lines) or "\0" in head:
        raise Unreachable("a header of the request holds a line break or a null character")
    try:
        return head.encode("latin-1")
    except UnicodeEncodeError as error:
        raise Unreachable("a header of the request holds a character that HTTP cannot carry") from error
