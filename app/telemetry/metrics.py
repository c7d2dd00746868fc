"""Prometheus metrics under OpenTelemetry's GenAI names, right over all workers.

Source of the names: OpenTelemetry semantic conventions for generative AI, "Metrics"; dots become underscores, and the
unit is appended, as OpenTelemetry's Prometheus compatibility page says. No label takes a value that a client or a
provider chooses.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY as PROCESS_REGISTRY
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest, multiprocess

if TYPE_CHECKING:
    from app.telemetry.invocation import Invocation

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_OPERATIONS = {"llm/v1/chat": "chat", "llm/v1/completions": "text_completion", "llm/v1/embeddings": "embeddings"}
_LABELS = ("endpoint", "gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model")
_SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_TOKENS = (1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864)

DURATION = Histogram(
    "gen_ai_client_operation_duration_seconds", "How long invocations took.", (*_LABELS, "error_type"), buckets=_SECONDS
)
FIRST_TOKEN = Histogram(
    "gen_ai_client_operation_time_to_first_chunk_seconds",
    "When a stream's first event came.",
    _LABELS,
    buckets=_SECONDS,
)
TOKENS = Histogram(
    "gen_ai_client_token_usage", "Tokens per invocation.", (*_LABELS, "gen_ai_token_type"), buckets=_TOKENS
)
REQUESTS = Counter("weir_requests", "Invocations by endpoint and status.", ("endpoint", "status"))
DROPPED_EVENTS = Counter("weir_stream_events_dropped", "Events of providers that were not JSON.", ("endpoint",))
LOG_LINES_LOST = Counter("weir_log_lines_lost", "Access log lines that could not be written.")
LIMITS_ERRORS = Counter("weir_limits_errors", "Invocations that were not counted because the limits' store failed.")
CONFIG_VALID = Gauge(
    "weir_config_valid", "1 while the configuration file is what serves, 0 while an older one does.",
    multiprocess_mode="livemin",
)  # fmt: skip


def observe(invocation: Invocation, ended: float) -> None:
    """Count one invocation."""
    endpoint = invocation.endpoint
    REQUESTS.labels(endpoint.name if endpoint else "", invocation.status).inc()
    if endpoint is None:
        return
    labels = (endpoint.name, _OPERATIONS[endpoint.type], endpoint.provider.name, endpoint.model or "")
    DURATION.labels(*labels, invocation.error or "").observe(ended - invocation.started)
    if invocation.first_token:
        FIRST_TOKEN.labels(*labels).observe(invocation.first_token - invocation.started)
    if invocation.input_tokens is not None:
        TOKENS.labels(*labels, "input").observe(invocation.input_tokens)
    if invocation.output_tokens is not None:
        TOKENS.labels(*labels, "output").observe(invocation.output_tokens)
    if invocation.dropped_events:
        DROPPED_EVENTS.labels(endpoint.name).inc(invocation.dropped_events)


def exposition() -> bytes:
    """Every metric of every worker, in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:  # prometheus_client itself reads it, at import
        return generate_latest(PROCESS_REGISTRY)
    registry = CollectorRegistry()
    _Workers(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


class _Workers(multiprocess.MultiProcessCollector):
    """The library's collector, but for files that are still empty: a worker has just been born, or died as it was."""

    def collect(self) -> Iterable[Metric]:
        written = [str(file) for file in Path(self._path).glob("*.db") if file.stat().st_size]
        metrics: Iterable[Metric] = self.merge(written, accumulate=True)  # type: ignore[no-untyped-call]
        return metrics
