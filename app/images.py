"""Images that a client names by URL, fetched and put in their place as data URLs.

A URL is the client's word, and the gateway stands where clients do not: it is led to public addresses only, and what
comes back goes on only if it is an image. A failure is told in words that say nothing of the gateway's own network.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network
from typing import Any

from app.call import Call, Timeouts
from app.dialects import JSON
from app.dialects.conversation import Loc, refuse
from app.errors import TimedOut, UpstreamError
from app.transport import Pool, SocketAdapter, Transport, read1
from app.transport.connection import Address
from app.version import __version__

MAX_IMAGES = 20
"""Fetched for one request."""
MAX_BYTES = 10 * 1024 * 1024
"""Of one image."""
MAX_BYTES_TOGETHER = 32 * 1024 * 1024
"""Of all that are fetched for one request: as much as it could have brought itself."""
MAX_SECONDS = 10.0
"""For all that are fetched for one request."""
MAX_URL = 8192
"""Characters."""

Fetch = Callable[[str, float, int], bytes]
"""(URL, when it must be over in monotonic seconds, the most bytes) -> what stands there. Raises NotFetched."""

_HEADERS = {"Accept": "image/*", "Accept-Encoding": "identity", "User-Agent": f"weir/{__version__}"}
_MAGIC = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF87a": "gif", b"GIF89a": "gif"}
_HEIF = {b"heic": "heic", b"heix": "heic", b"heim": "heic", b"heis": "heic", b"mif1": "heif", b"msf1": "heif"}
_NAT64 = IPv6Network("64:ff9b::/96")
_NOT_PUBLIC = [
    ip_network(network)
    for network in (
        "192.0.0.0/24",  # the protocols' own, some clouds' metadata too; Python before 3.13 calls parts of it global
        "192.88.99.0/24",  # relays of 6to4
        "168.63.129.16/32",  # Azure's services for the machine that asks
        "3fff::/20",  # documentation
    )
]


class NotFetched(Exception):
    """There is no image at a URL, in words for the client."""


def fetched(payload: JSON, fetch: Fetch) -> JSON:
    """The chat payload with each http(s) image as a data URL; a copy where it differs. Each URL is fetched once.

    Raises InvalidPayload, which names the place, for the first that cannot be had.
    """
    places = list(named(payload))
    if len(places) > MAX_IMAGES:
        raise refuse(places[MAX_IMAGES][0], f"at most {MAX_IMAGES} images are fetched for one request")
    until, room = time.monotonic() + MAX_SECONDS, MAX_BYTES_TOGETHER
    found: dict[str, str] = {}
    for loc, url in places:
        if url not in found:
            try:
                data = fetch(url, until, min(MAX_BYTES, room))
                found[url] = f"data:{_media_type(data)};base64,{b64encode(data).decode()}"
            except NotFetched as error:
                raise refuse(loc, str(error)) from error
            room -= len(data)
    return {**payload, "messages": [_message(message, found) for message in payload["messages"]]}


def named(payload: JSON) -> Iterator[tuple[Loc, str]]:
    """The http(s) images of a chat payload: where each stands, and its URL."""
    for index, message in enumerate(payload["messages"]):
        content = message.get("content")
        for at, part in enumerate(content if isinstance(content, list) else ()):
            if url := _url(part):
                yield ("messages", index, "content", at, "image_url", "url"), url


def _url(part: JSON) -> str | None:
    said = part.get("image_url") if part["type"] == "image_url" else None
    url = said.get("url") if isinstance(said, dict) else said
    return url if isinstance(url, str) and url.startswith(("http://", "https://")) else None


def _message(message: JSON, found: dict[str, str]) -> JSON:
    content = message.get("content")
    if not isinstance(content, list) or not any(map(_url, content)):
        return message
    return {**message, "content": [_part(part, found) for part in content]}


def _part(part: JSON, found: dict[str, str]) -> JSON:
    said, url = part.get("image_url"), _url(part)
    rest = said if isinstance(said, dict) else {}
    return {**part, "image_url": {**rest, "url": found[url]}} if url else part


def _media_type(data: bytes) -> str:
    """An image's type by its first bytes: what a server calls it may be anything. Raises NotFetched."""
    kind = next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "webp"
    elif data[4:8] == b"ftyp":
        kind = _HEIF.get(data[8:12])
    if kind is None:
        raise NotFetched("what stands there is no image in PNG, JPEG, GIF, WebP, HEIC or HEIF")
    return f"image/{kind}"


def is_public(address: Address) -> bool:
    """Whether an address is one of the open internet; one that holds an IPv4 address is what that is."""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if address.sixtofour or address.teredo or address.is_site_local:
            return False  # tunnels to an IPv4 address, behind which no server stands today
    if any(address in network for network in _NOT_PUBLIC):
        return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_link_local)


class Fetcher:
    """Fetches what stands at a URL, from the open internet only: no proxy, no redirects, no kept connections."""

    def __init__(self, ca_bundle: str | None = None, allow: Callable[[Address], bool] = is_public) -> None:
        """`ca_bundle`: a file of trusted certificates (None: certifi's); `allow` says which addresses may be called."""
        sockets = SocketAdapter(ca_bundle=ca_bundle, pool=Pool(max_connections=0), allow=allow)
        self._transport = Transport({"http": sockets, "https": sockets})

    def __call__(self, url: str, until: float, most: int) -> bytes:
        """See Fetch."""
        if len(url) > MAX_URL:
            raise NotFetched(f"is longer than {MAX_URL} characters")
        left = max(until - time.monotonic(), 0.001)
        try:
            return self._read(Call(url, _HEADERS, b"", Timeouts(min(5.0, left), left, left, left), "GET"), most)
        except (TimedOut, TimeoutError) as error:
            raise NotFetched("could not be fetched in time") from error
        except UpstreamError as error:  # the same words for an address that is not allowed, a closed port, no such name
            raise NotFetched("could not be fetched") from error

    def _read(self, call: Call, most: int) -> bytes:
        response = self._transport.open(call)
        body: Any = response.raw  # a Body, whatever requests' types say
        try:
            if response.status_code != 200:
                raise NotFetched(f"could not be fetched: its server answered {response.status_code}, and not 200")
            data = bytearray()
            while piece := read1(body, call.timeouts.total):
                data += piece
                if len(data) > most:
                    raise NotFetched("is too large: one image may have 10 MiB, all of a request together 32 MiB")
            return bytes(data)
        finally:
            body.close()
