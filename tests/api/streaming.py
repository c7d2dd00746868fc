"""What the tests of streams share: a provider's chunks, where they are asked for, and how they look on the wire."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from tests.serving import STREAM
from tests.upstream import Upstream, chat_chunks, sse_reply

Told = Callable[[], list[dict[str, Any]]]

WORDS = ["One", " two", " three"]
CHUNKS = chat_chunks(WORDS)
MLFLOW = {"User-Agent": "mlflow-python-client/3.17.2", "Accept": "*/*"}

ON_GATEWAY = "/gateway/chat/invocations"
ON_V1 = "/v1/chat/completions"


def v1(**more: Any) -> dict[str, Any]:
    return {**STREAM, "model": "chat", **more}


def encoded(*items: Any) -> bytes:
    """Events as the upstream of these tests writes them."""
    return b"".join(
        b"data: %s\n\n" % json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode() for item in items
    )


def sent_by(upstream: Upstream, *steps: Any, done: bool = True) -> None:
    upstream.replies = sse_reply(steps, done=done)
