"""One invocation as it happens: who, whom, how long, how much. Filled by those who know, told once at its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from app.config import Endpoint
from app.errors import GatewayError
from app.telemetry import access_log, metrics


class Invocation:
    """What is known so far. Times are monotonic seconds; tokens are None until the provider has said them."""

    __slots__ = (
        "_told", "attempt_started", "attempts", "bytes_in", "bytes_out", "delivered", "dropped_events", "endpoint",
        "error", "failed_attempts", "first_token", "input_tokens", "name", "output_tokens", "request_id", "started",
        "status", "stream", "upstream_ended", "upstream_started",
    )  # fmt: skip

    def __init__(self, request_id: str, name: str | None) -> None:
        self.request_id = request_id
        self.name = name
        """The endpoint or route that the client named."""
        self.endpoint: Endpoint | None = None
        """The endpoint that it is sent to."""
        self.attempts = 0
        """Calls made so far."""
        self.failed_attempts: list[dict[str, object]] = []
        """Those that failed: endpoint, error, seconds, and tokens, which are no part of an answer."""
        self.status = 0
        self.stream = False
        self.error: str | None = None
        self.started = time.monotonic()
        self.upstream_started = self.upstream_ended = self.first_token = 0.0
        self.input_tokens: int | None = None
        self.output_tokens: int | None = None
        self.bytes_in = self.bytes_out = self.dropped_events = 0
        self.delivered = False
        """Whether the last byte of a stream was taken; else its client has left."""
        self._told = False

    def upstream_begins(self) -> None:
        """The provider is being called."""
        self.upstream_started = self.attempt_started = time.monotonic()

    def upstream_ends(self) -> None:
        """The provider's answer is here, or will never be."""
        if self.upstream_started and not self.upstream_ended:
            self.upstream_ended = time.monotonic()

    def first_token_is_here(self) -> None:
        """The first event of a stream has come; where it breaks off, another attempt's is not the client's first."""
        self.first_token = self.first_token or time.monotonic()

    def count(self, usage: Any) -> None:
        """Note the tokens of OpenAI's `usage` object; what is not one is passed over."""
        if isinstance(usage, Mapping):
            self.input_tokens = _integer(usage.get("prompt_tokens"), self.input_tokens)
            self.output_tokens = _integer(usage.get("completion_tokens"), self.output_tokens)

    def fails(self, error: GatewayError) -> None:
        """Note what went wrong: a word of ours, never a provider's."""
        self.error = error.kind

    def attempt_begins(self, endpoint: Endpoint, count: int) -> None:
        """An endpoint is asked: the `count`th call."""
        self.endpoint, self.attempts, self.attempt_started = endpoint, count, time.monotonic()

    def attempt_fails(self, error: GatewayError) -> None:
        """The endpoint that was asked did not answer, or not to the end."""
        assert self.endpoint is not None
        seconds = round(time.monotonic() - self.attempt_started, 6)
        failed = {"endpoint": self.endpoint.name, "error": error.kind, "duration": seconds}
        self.failed_attempts.append({**failed, "input_tokens": self.input_tokens, "output_tokens": self.output_tokens})
        metrics.observe_failed(self.endpoint.name, error.kind, self.input_tokens, self.output_tokens)
        self.input_tokens = self.output_tokens = None
        self.upstream_ended = 0.0

    def server_timing(self) -> str:
        """The Server-Timing header so far, in milliseconds: the gateway's own share and the provider's."""
        now = time.monotonic()
        upstream = (self.upstream_ended or now) - self.upstream_started if self.upstream_started else 0.0
        own = now - self.started - upstream
        return f"gateway;dur={own * 1e3:.2f}, upstream;dur={upstream * 1e3:.2f}"

    def tell(self) -> None:
        """Write the log line and the metrics, once."""
        if not self._told:
            self._told = True
            self.upstream_ends()
            ended = time.monotonic()
            metrics.observe(self, ended)
            access_log.write(self, ended)


def _integer(value: Any, otherwise: int | None) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else otherwise
