"""OAuth's client credentials: what asks for a token, and what the answer holds. No I/O: `app/tokens.py` asks."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import urlencode

import orjson

from app.call import Call
from app.dialects import refusal
from app.errors import Garbled, Refused


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token is asked for with (RFC 6749, section 4.4, "Client Credentials Grant"); equal ones share a token."""

    url: str
    client_id: str
    client_secret: str
    scope: str

    def __repr__(self) -> str:
        return f"Grant({self.url!r}, {self.client_id!r})"

    def call(self) -> Call:
        """The call that asks."""
        pair = b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        headers = {
            "Authorization": f"Basic {pair}",
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        body = urlencode({"grant_type": "client_credentials", "scope": self.scope}).encode()
        return Call(self.url, headers, body)


class Token(NamedTuple):
    """An access token, and when it ends, on the clock of whoever keeps it."""

    value: str
    ends: float


def read_token(status: int, body: bytes, asked: float) -> Token:
    """The token in an answer to a grant's call. Raises Refused and Garbled; neither shows a secret."""
    if status != 200:
        told = refusal.without_keys(refusal.read(body).message)
        raise Refused(status, f"the authorization server gave the gateway no token: {told}", code="upstream_auth")
    try:
        said: Any = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Garbled("the authorization server's answer to a token request is not JSON") from error
    value = said.get("access_token") if isinstance(said, dict) else None
    if not isinstance(value, str) or not value:
        raise Garbled("the authorization server's answer to a token request holds no access_token")
    return Token(value, asked + _seconds(said.get("expires_in")))


def _seconds(said: Any) -> float:
    """How long a token lasts. RFC 6749 wants a number; some servers write it as a string; none is for one call."""
    is_one = isinstance(said, (int, float)) or (isinstance(said, str) and said.isdecimal())
    return float(said) if is_one else 0.0
