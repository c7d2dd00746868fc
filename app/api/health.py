"""Whether the gateway is well: /health and its parts, and /metrics."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response

from app.api.weir import weir
from app.telemetry import metrics

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def health() -> dict[str, Any]:
    """MLflow's answer: the process serves."""
    return {"status": "OK"}


@blueprint.get("/health/live")
def live() -> dict[str, Any]:
    """The process serves; a probe that fails here should restart it."""
    return {"status": "OK"}


@blueprint.get("/health/ready")
def ready() -> dict[str, Any]:
    """Ready to serve, and whether the configuration file is what serves. What is wrong with it, the log says."""
    now = weir().live
    config = {"valid": not now.problems, "problems": len(now.problems), "endpoints": len(now.snapshot.endpoints)}
    return {"status": "OK", "config": config}


@blueprint.get("/metrics")
def exposition() -> Response:
    """Prometheus' text format, over all workers."""
    return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)
