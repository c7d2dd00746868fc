"""Proxies: which one leads to a URL, what they are told, and how they are asked for a tunnel."""

from __future__ import annotations

import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterable
from contextlib import suppress
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, unquote, urlsplit

MAX_TUNNEL_HEAD_BYTES = 16_384
"""A proxy's answer to CONNECT that is longer is none."""


def proxy_chooser(
    http_proxy: str | None, https_proxy: str | None, no_proxy: str | None
) -> Callable[[SplitResult], str | None]:
    """Which proxy leads to a URL: the scheme's own, unless `no_proxy` names its host.

    `no_proxy` is a list with commas of hosts (their subdomains are meant too), `host:port`, addresses, networks
    (`10.0.0.0/8`) or `*`. A proxy without a scheme is spoken to in HTTP.
    """
    proxies = {"http": _with_scheme(http_proxy), "https": _with_scheme(https_proxy)}
    direct = [entry.strip().lower() for entry in (no_proxy or "").split(",") if entry.strip()]

    def choose(url: SplitResult) -> str | None:
        proxy = proxies.get(url.scheme)
        return None if not proxy or any(_names(entry, url) for entry in direct) else proxy

    return choose


def _with_scheme(proxy: str | None) -> str | None:
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _names(entry: str, url: SplitResult) -> bool:
    """Whether an entry of no_proxy names a URL's host."""
    host = (url.hostname or "").rstrip(".")
    if entry == "*":
        return True
    with suppress(ValueError):  # the entry is not a network, or the host is a name
        return ip_address(host) in ip_network(entry.strip("[]"), strict=False)
    name, _, port = entry.rpartition(":") if entry.count(":") == 1 else (entry, "", "")
    if port and port != str(url.port or {"http": 80, "https": 443}.get(url.scheme)):
        return False
    name = name.removeprefix("*").lstrip(".")
    return host == name or host.endswith(f".{name}")


def authorization(proxy: str) -> Iterable[str]:
    """The header line with the credentials in a proxy's URL, if it has any."""
    url = urlsplit(proxy)
    if url.username:
        credentials = f"{unquote(url.username)}:{unquote(url.password or '')}"
        yield f"Proxy-Authorization: Basic {b64encode(credentials.encode()).decode()}"


def open_tunnel(sock: socket.socket, host: str, port: int, proxy: str, until: float) -> None:
    """Ask a proxy for a tunnel (RFC 9110, section 9.3.6) before `until` (monotonic). Raises OSError if it will not."""
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}", *authorization(proxy), "", ""]
    sock.sendall("\r\n".join(lines).encode("latin-1"))
    answer = bytearray()
    while not answer.endswith(b"\r\n\r\n"):
        sock.settimeout(max(until - time.monotonic(), 0.001))
        data = sock.recv(1)  # no more than the head: what follows is the origin's
        if not data or len(answer) > MAX_TUNNEL_HEAD_BYTES:
            raise OSError("the proxy's answer to CONNECT is not HTTP")
        answer += data
        if time.monotonic() > until:
            raise TimeoutError
    version, _, rest = answer.partition(b" ")
    if not version.startswith(b"HTTP/1.") or not rest.startswith(b"2"):
        raise OSError(f"the proxy refused: {answer.splitlines()[0].decode('latin-1')}")
