"""endpoints.yaml -> one frozen snapshot."""

from __future__ import annotations

from app.config.load import load
from app.config.policy import BreakerLimits, Policy, Retries
from app.config.reload import Live
from app.config.snapshot import Endpoint, Limit, Network, Snapshot, TrafficRoute

__all__ = [
    "BreakerLimits",
    "Endpoint",
    "Limit",
    "Live",
    "Network",
    "Policy",
    "Retries",
    "Snapshot",
    "TrafficRoute",
    "load",
]
