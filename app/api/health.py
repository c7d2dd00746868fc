"""Whether the gateway is well: /health and its parts, and /metrics."""

from __future__ import annotations

import os
from typing import Any

from flask import Blueprint, Response, request

from app.api.asked import asked
from app.failover import Standing
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
    """Ready to serve, and whether the configuration file is what serves. What is wrong with it, the log says.

    With `?verbose=1` also how the endpoints stand, as the worker process that answers has seen them.
    """
    now = asked().weir.live
    config = {"valid": not now.problems, "problems": len(now.problems), "endpoints": len(now.snapshot.endpoints)}
    said: dict[str, Any] = {"status": "OK", "config": config}
    return {**said, "worker": _worker()} if request.args.get("verbose") == "1" else said


def _worker() -> dict[str, Any]:
    """How the endpoints stand, as this worker process has seen them: the others may have seen other failures."""
    standings = asked().weir.gateway.standings
    endpoints = {name: _standing(standings.of(endpoint)) for name, endpoint in asked().snapshot.endpoints.items()}
    return {"pid": os.getpid(), "in_flight": asked().weir.in_flight.count, "endpoints": endpoints}


def _standing(standing: Standing) -> dict[str, Any]:
    breaker = standing.breaker
    return {"breaker": breaker.state.value, "failures": breaker.failures, "in_flight": standing.in_flight.count}


@blueprint.get("/metrics")
def exposition() -> Response:
    """Prometheus' text format, over all workers."""
    return Response(metrics.exposition(), content_type=metrics.CONTENT_TYPE)
