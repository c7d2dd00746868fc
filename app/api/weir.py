"""What an application holds for its views."""

from __future__ import annotations

from dataclasses import dataclass

from app.config import Live
from app.failover import InFlight
from app.gateway import Gateway
from app.limits import Limiter

KEY = "weir"


@dataclass(frozen=True, slots=True)
class Weir:
    """The configuration that serves, who calls the providers, and who counts."""

    live: Live
    gateway: Gateway
    limiter: Limiter
    in_flight: InFlight

    def close(self) -> None:
        """Let go of connections and files; they come back when they are needed."""
        self.gateway.close()
        self.limiter.close()
