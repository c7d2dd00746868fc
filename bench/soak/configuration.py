"""The soaked gateway's configuration, and the changes of it that nobody should notice."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import yaml

_BROKEN_EACH = 8
"""One change of so many is a mistake: what served goes on serving."""


def configuration(port: int) -> dict[str, Any]:
    """Endpoints before the provider at that port. Timeouts are short, so that much goes wrong in little time."""
    chat, completions, embeddings = "llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings"
    return {
        "timeouts": {"connect": 2, "first_token": 2, "idle": 2, "total": 10},
        "retries": {"attempts": 2, "backoff": 0.1, "max_backoff": 0.5, "budget": 0.2},
        "breaker": {"failures": 3, "window": 10, "probe_after": 1},
        "endpoints": [
            _endpoint("chat", chat, f"http://127.0.0.1:{port}/primary", fallbacks=["chat-backup"]),
            _claude("chat-claude", f"http://127.0.0.1:{port}/primary", fallbacks=["chat-backup"]),
            _endpoint("chat-retried", chat, f"http://127.0.0.1:{port}/primary"),
            _endpoint("chat-alone", chat, f"http://127.0.0.1:{port}/primary", retries={"attempts": 0}),
            _endpoint("chat-backup", chat, f"http://127.0.0.1:{port}/backup"),
            _endpoint("completions", completions, f"http://127.0.0.1:{port}/primary", fallbacks=["completions-backup"]),
            _endpoint("completions-backup", completions, f"http://127.0.0.1:{port}/backup"),
            _endpoint(
                "embeddings", embeddings, f"http://127.0.0.1:{port}/primary",
                fallbacks=["embeddings-backup"], timeouts={"total": 2},
            ),
            _endpoint("embeddings-backup", embeddings, f"http://127.0.0.1:{port}/backup"),
        ],
        "routes": [
            {
                "name": "split",
                "task_type": chat,
                "destinations": [
                    {"name": "chat", "traffic_percentage": 50},
                    {"name": "chat-claude", "traffic_percentage": 50},
                ],
                "fallbacks": ["chat-backup"],
            }
        ],
    }  # fmt: skip


def _endpoint(name: str, endpoint_type: str, base: str, **policy: Any) -> dict[str, Any]:
    model = {"provider": "openai-compatible", "name": "soak-1", "config": {"api_base": f"{base}/v1"}}
    return {"name": name, "endpoint_type": endpoint_type, "model": model, **policy}


def _claude(name: str, base: str, **policy: Any) -> dict[str, Any]:
    config = {"anthropic_api_key": "soak", "anthropic_api_base": f"{base}/v1"}
    model = {"provider": "anthropic", "name": "soak-1", "config": config}
    return {"name": name, "endpoint_type": "llm/v1/chat", "model": model, **policy}


class File:
    """The file: rewritten again and again, put in place at once or written over, as editors do."""

    def __init__(self, path: Path, port: int) -> None:
        self.path = path
        self.writes = 0
        self._right = configuration(port)
        self._turns = itertools.count()
        path.write_text(yaml.safe_dump(self._right))

    def change(self) -> None:
        """Another file that means the same to all calls, or one that cannot be read."""
        turn = next(self._turns)
        extra = _endpoint(f"extra-{turn}", "llm/v1/chat", "http://127.0.0.1:9")
        text = yaml.safe_dump(
            {**self._right, "keep_alive": 15 + turn % 2, "endpoints": [*self._right["endpoints"], extra]}
        )
        if turn % _BROKEN_EACH == _BROKEN_EACH - 1:
            text = text[: len(text) // 2] + "\n: : ["
        self.writes += 1
        if turn % 2:
            self.path.write_text(text)
            return
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.path)
