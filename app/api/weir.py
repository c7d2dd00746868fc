"""What an application holds for its views."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app, g

from app.config import Live, Snapshot
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


def weir() -> Weir:
    """The current application's."""
    held: Weir = current_app.extensions[KEY]
    return held


def snapshot() -> Snapshot:
    """The configuration as it was when the current request read it first."""
    held: Snapshot | None = g.get("snapshot")
    if held is None:
        held = g.snapshot = weir().live.snapshot
    return held
