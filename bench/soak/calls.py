"""What the soak's clients ask, of whom, and how they behave."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import dataclass
from typing import Any

from bench.soak.wanted import Wanted

CHATS = {"chat": 30, "chat-claude": 15, "split": 20, "chat-retried": 20, "chat-alone": 15}
"""Endpoints and a route, with their weights; see gateway.configuration."""
KINDS = {"chat": 70, "completions": 15, "embeddings": 15}
MANNERS = {"patient": 85, "leaves": 8, "slow": 3, "array": 4}
"""`leaves` midway; `slow`: reads a long stream slowly; `array`: reads a stream as MLflow's client does."""

ALONE = ("chat-alone", "chat-retried")
"""They have nowhere to go when their provider fails: a clear error is right."""
_WORDS, _LONG = 60, 1500


@dataclass(frozen=True)
class Call:
    """One call of one client."""

    wanted: Wanted
    kind: str
    """chat, completions or embeddings."""
    target: str
    """The endpoint or the route."""
    is_openai: bool
    """Through /v1; else through /gateway."""
    streams: bool
    manner: str
    leaves_after: float
    """Seconds; for those who leave."""
    keeps: bool
    """Whether it may take a kept connection, and leave one."""

    @property
    def path(self) -> str:
        """The URL's."""
        if not self.is_openai:
            return f"/gateway/{self.target}/invocations"
        return "/v1/chat/completions" if self.kind == "chat" else f"/v1/{self.kind}"

    def request(self) -> bytes:
        """As it is sent."""
        body = json.dumps(self._payload()).encode()
        agent = "mlflow-python-client/3.0" if self.manner == "array" else "soak/1"
        lines = [f"POST {self.path} HTTP/1.1", "Host: gateway", "Content-Type: application/json"]
        lines += [f"User-Agent: {agent}", f"Content-Length: {len(body)}"]
        if self.target == "split" and self.wanted.number % 2:
            lines.append(f"X-Session-Id: {self.wanted.number % 50}")
        return "\r\n".join([*lines, "", ""]).encode() + body

    def _payload(self) -> dict[str, Any]:
        prompt = self.wanted.prompt
        if self.kind == "chat":
            payload: dict[str, Any] = {"messages": [{"role": "user", "content": prompt}], "max_tokens": 5000}
        else:
            payload = {"input": prompt} if self.kind == "embeddings" else {"prompt": prompt, "max_tokens": 5000}
        if self.streams:
            payload |= {"stream": True, "stream_options": {"include_usage": True}}
        return {**payload, "model": self.target} if self.is_openai else payload

    def __str__(self) -> str:
        how = "stream" if self.streams else "whole"
        return f"{self.wanted.number}: {how} of {self.target} at {self.path}, a client that is {self.manner}"


class Mix:
    """Calls, one after the other, each with a number of its own."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self._numbers = itertools.count(10_000)

    def next(self) -> Call:
        """One more."""
        kind, manner = self._one(KINDS), self._one(MANNERS)
        if manner in ("slow", "array"):
            kind = "chat"
        return Call(
            wanted=Wanted(next(self._numbers), _LONG if manner == "slow" else _WORDS),
            kind=kind,
            target=self._one(CHATS) if kind == "chat" else kind,
            is_openai=manner != "array" and self._chance.random() < 0.5,
            streams=kind != "embeddings" and (manner in ("slow", "array") or self._chance.random() < 0.6),
            manner=manner,
            leaves_after=self._chance.uniform(0.0, 0.4),
            keeps=manner == "patient" and self._chance.random() < 0.6,
        )

    def _one(self, weights: dict[str, int]) -> str:
        return self._chance.choices(list(weights), list(weights.values()))[0]
