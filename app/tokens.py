"""OAuth tokens: asked for when they are needed, kept for as long as they last."""

from __future__ import annotations

import threading
import time

from app.providers.oauth import Grant, Token, read_token
from app.transport import Transport

_EARLY_SECONDS = 60.0
"""A token that ends within this time is not used any more: it has to last for the call's way."""


class OAuthTokens:
    """Tokens by their grant, fetched when needed and kept for as long as they last. For all threads of a worker."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._kept: dict[Grant, Token] = {}
        self._locks: dict[Grant, threading.Lock] = {}
        self._lock = threading.Lock()

    def __call__(self, grant: Grant) -> str:
        with self._lock:
            lock = self._locks.setdefault(grant, threading.Lock())
        with lock:  # those who need the same token wait for the one who fetches it
            token = self._kept.get(grant)
            if token is None or token.ends - _EARLY_SECONDS <= time.monotonic():
                asked = time.monotonic()
                token = self._kept[grant] = self._ask(grant, asked)
            return token.value

    def _ask(self, grant: Grant, asked: float) -> Token:
        answer = self._transport.send(grant.call())
        return read_token(answer.status, answer.body, asked)
