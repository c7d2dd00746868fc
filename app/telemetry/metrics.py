"""Prometheus metrics under OpenTelemetry's GenAI names, right over all workers.

Source of the names: OpenTelemetry semantic conventions for generative AI, "Metrics"; dots become underscores, and the
unit is appended, as OpenTelemetry's Prometheus compatibility page says. No label takes a value that a client or a
provider chooses.
"""

from __future__ import annotations

import os
from functools import cache, lru_cache, partial
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY as PROCESS_REGISTRY
from prometheus_client import Counter, Gauge, Histogram, generate_latest

from app.telemetry import workers

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
FAILED_ATTEMPTS = Counter(
    "weir_failed_attempts", "Calls of providers that failed, whether or not another was answered.",
    ("endpoint", "error_type"),
)  # fmt: skip
FAILED_TOKENS = Counter(
    "weir_failed_attempt_tokens", "Tokens that providers counted for answers that were not used.",
    ("endpoint", "gen_ai_token_type"),
)  # fmt: skip
RESUMED = Counter(
    "weir_resumed_streams", "Streams that broke off and were asked for again, by what came of it.",
    ("endpoint", "outcome"),
)  # fmt: skip
BREAKER = Gauge(
    "weir_breaker_state", "0 closed, 1 half-open, 2 open; the worst of the workers.", ("endpoint",),
    multiprocess_mode="livemax",
)  # fmt: skip
LOG_LINES_LOST = Counter("weir_log_lines_lost", "Access log lines that could not be written.")
LIMITS_ERRORS = Counter("weir_limits_errors", "Invocations that were not counted because the limits' store failed.")
CONFIG_VALID = Gauge(
    "weir_config_valid", "1 while the configuration file is what serves, 0 while an older one does.",
    multiprocess_mode="livemin",
)  # fmt: skip


def observe(invocation: Invocation, ended: float) -> None:
    """Count one invocation."""
    endpoint = invocation.endpoint
    if endpoint is None:
        REQUESTS.labels("", invocation.status).inc()
        return
    meters = _meters(endpoint.name, endpoint.type, endpoint.provider.name, endpoint.model or "")
    meters.requests(invocation.status).inc()
    meters.duration(invocation.error or "").observe(ended - invocation.started)
    if invocation.first_token:
        meters.first_token.observe(invocation.first_token - invocation.started)
    if invocation.input_tokens is not None:
        meters.input_tokens.observe(invocation.input_tokens)
    if invocation.output_tokens is not None:
        meters.output_tokens.observe(invocation.output_tokens)
    if invocation.dropped_events:
        DROPPED_EVENTS.labels(endpoint.name).inc(invocation.dropped_events)


class _Meters:
    """An endpoint's, found once: to look one up by its labels costs as much as to count."""

    def __init__(self, name: str, endpoint_type: str, provider: str, model: str) -> None:
        labels = (name, _OPERATIONS[endpoint_type], provider, model)
        self.requests = cache(partial(REQUESTS.labels, name))  # by a status, and by a word of ours: few of each
        self.duration = cache(partial(DURATION.labels, *labels))
        self.first_token = FIRST_TOKEN.labels(*labels)
        self.input_tokens, self.output_tokens = TOKENS.labels(*labels, "input"), TOKENS.labels(*labels, "output")


_meters = lru_cache(maxsize=1024)(_Meters)


def observe_failed(endpoint: str, error_type: str, input_tokens: int | None, output_tokens: int | None) -> None:
    """Count one call of a provider that failed."""
    FAILED_ATTEMPTS.labels(endpoint, error_type).inc()
    for kind, tokens in (("input", input_tokens), ("output", output_tokens)):
        if tokens:
            FAILED_TOKENS.labels(endpoint, kind).inc(tokens)


def exposition() -> bytes:
    """Every metric of every worker, in Prometheus' text format."""
    several = "PROMETHEUS_MULTIPROC_DIR" in os.environ
    return generate_latest(workers.registry() if several else PROCESS_REGISTRY)
