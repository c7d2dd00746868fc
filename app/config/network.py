"""Proxies and trust: from the file or, where it is silent, from the environment variables that curl reads too."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.config.problems import Problems
from app.config.snapshot import Network

_BUNDLES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")


def network(file: Mapping[str, Any], problems: Problems) -> Network:
    """How to reach providers."""
    proxy = file.get("proxy")
    return Network(
        http_proxy=_proxy(proxy or _environment("http_proxy"), problems),  # not HTTP_PROXY: under CGI a header sets it
        https_proxy=_proxy(proxy or _environment("https_proxy", "HTTPS_PROXY"), problems),
        no_proxy=file.get("no_proxy") or _environment("no_proxy", "NO_PROXY"),
        ca_bundle=_ca_bundle(file, problems),
        transport=file.get("transport", "sockets"),
    )


def _proxy(address: str | None, problems: Problems) -> str | None:
    """An address that can be used; it may hold a password, so it is not shown."""
    if address is None:
        return None
    address = address if "://" in address else f"http://{address}"  # as curl and requests read it
    try:
        url = urlsplit(address)
        whole = url.scheme == "http" and bool(url.hostname) and url.port != 0
    except ValueError:
        whole = False
    if not whole:
        problems.add(("proxy",), "a proxy, here or in http_proxy or https_proxy, should be an http:// URL")
    return address


def _ca_bundle(file: Mapping[str, Any], problems: Problems) -> str | None:
    named = {"ca_bundle": file.get("ca_bundle"), **{name: os.environ.get(name) for name in _BUNDLES}}
    source, bundle = next(((name, path) for name, path in named.items() if path), (None, None))
    if bundle and not Path(bundle).is_file():
        named_by = f", which {source} names" if source in _BUNDLES else ""
        problems.add(("ca_bundle",), f"there is no file '{bundle}'{named_by}")
    return bundle


def _environment(*names: str) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)
