"""endpoints.yaml -> one frozen snapshot."""

from __future__ import annotations

from app.config.load import config_path, load
from app.config.reload import Live
from app.config.snapshot import Endpoint, Limit, Network, Snapshot, TrafficRoute

__all__ = ["Endpoint", "Limit", "Live", "Network", "Snapshot", "TrafficRoute", "config_path", "load"]
