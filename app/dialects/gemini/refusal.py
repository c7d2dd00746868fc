"""What Google adds to an error: when to come back. Its words are read by `app.dialects.refusal`, as everybody's."""

from __future__ import annotations

import math
import re
from typing import Any

import orjson

_SECONDS = re.compile(r"(\d+(?:\.\d+)?)s")


def retry_after(body: bytes) -> str | None:
    """The seconds of a `google.rpc.RetryInfo`, rounded up, for a Retry-After header: Google sends no such header."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(data, list) and len(data) == 1:  # a stream's error without alt=sse
        data = data[0]
    error = data.get("error") if isinstance(data, dict) else None
    details = error.get("details") if isinstance(error, dict) else None
    return (
        next((seconds for detail in details if (seconds := _delay(detail))), None)
        if isinstance(details, list)
        else None
    )


def _delay(detail: Any) -> str | None:
    if not isinstance(detail, dict) or not str(detail.get("@type")).endswith("google.rpc.RetryInfo"):
        return None
    match = _SECONDS.fullmatch(str(detail.get("retryDelay")))
    return str(math.ceil(float(match[1]))) if match else None
