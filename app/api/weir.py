"""What an application holds for its views."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app

from app.config import Live, Snapshot
from app.gateway import Gateway
from app.limits import Limiter

KEY = "weir"


@dataclass(frozen=True, slots=True)
class Weir:
    """The configuration that serves, who calls the providers, and who counts."""

    live: Live
    gateway: Gateway
    limiter: Limiter

    def close(self) -> None:
        """Let go of connections and files; they come back when they are needed."""
        self.gateway.close()
        self.limiter.close()


def weir() -> Weir:
    """The current application's."""
    held: Weir = current_app.extensions[KEY]
    return held


def snapshot() -> Snapshot:
    """The configuration as it is now: a request reads it once."""
    return weir().live.snapshot
