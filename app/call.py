"""One HTTP request to a provider, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long one attempt waits for a provider, in seconds."""

    connect: float = 5.0
    """For the TCP connection and the TLS handshake."""
    first_token: float = 30.0
    """For the first event of a stream."""
    idle: float = 30.0
    """Between two events of a stream that has begun."""
    total: float = 600.0
    """For the whole exchange, stream or not."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to a provider: where, with which headers and bytes, and how long to wait."""

    url: str
    headers: Mapping[str, str] = field(repr=False)  # the credentials are here
    body: bytes = field(repr=False)
    timeouts: Timeouts = Timeouts()
    method: str = "POST"
