"""What providers do to a call: the URL below an address, and the headers that carry credentials."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from app.call import Call


def below(base: str, model: str, path: str) -> str:
    """The URL of a path below an address; an address with a query keeps it."""
    url = urlsplit(base)
    return url._replace(path=f"{url.path.rstrip('/')}/{path.replace('{model}', quote(model, safe=''))}").geturl()


def with_headers(call: Call, headers: Mapping[str, str]) -> Call:
    """The call with more headers."""
    return Call(call.url, {**call.headers, **headers}, call.body, call.timeouts, call.method) if headers else call


def with_bearer(call: Call, token: str | None) -> Call:
    """The call with a bearer token, if there is one (RFC 6750, section 2.1)."""
    return with_headers(call, {"Authorization": f"Bearer {token}"}) if token else call
