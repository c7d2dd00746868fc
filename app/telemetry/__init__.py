"""What the gateway tells its operators: metrics, and one log line per invocation."""

from __future__ import annotations

from app.telemetry.invocation import Invocation

__all__ = ["Invocation"]
