"""One JSON line per invocation on standard output. It holds what `line` lists: never a prompt, a key or a header."""

from __future__ import annotations

import os
import time
from functools import lru_cache
from typing import TYPE_CHECKING

import orjson

from app.telemetry import metrics

if TYPE_CHECKING:
    from app.telemetry.invocation import Invocation

_STDOUT = 1


def write(invocation: Invocation, ended: float) -> None:
    """Write the line in one write(2): lines of several workers do not mix. One that cannot be written is counted."""
    try:
        os.write(_STDOUT, orjson.dumps(line(invocation, ended), option=orjson.OPT_APPEND_NEWLINE))
    except OSError:  # the disk is full, or nobody reads any more: answering goes before logging
        metrics.LOG_LINES_LOST.inc()


def line(invocation: Invocation, ended: float) -> dict[str, object]:
    """The line's keys and values. Durations in seconds; what is not known is null."""
    endpoint = invocation.endpoint
    return {
        "time": _written(int(time.time())),
        "request_id": invocation.request_id,
        "name": invocation.name,
        "endpoint": endpoint.name if endpoint else None,
        "provider": endpoint.provider.name if endpoint else None,
        "model": endpoint.model if endpoint else None,
        "status": invocation.status,
        "stream": invocation.stream,
        "error": invocation.error,
        "attempts": invocation.attempts,
        "failed_attempts": invocation.failed_attempts,
        "input_tokens": invocation.input_tokens,
        "output_tokens": invocation.output_tokens,
        "duration": _seconds(invocation.started, ended),
        "time_to_first_token": _seconds(invocation.started, invocation.first_token),
        "upstream_duration": _seconds(invocation.upstream_started, invocation.upstream_ended),
        "bytes_in": invocation.bytes_in,
        "bytes_out": invocation.bytes_out,
        "dropped_events": invocation.dropped_events,
    }


@lru_cache(maxsize=1)
def _written(second: int) -> str:
    """A time as RFC 3339 has it, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))


def _seconds(start: float, end: float) -> float | None:
    return round(end - start, 6) if start and end else None
