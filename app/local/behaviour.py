"""How the built-in model is told to behave: fast or slow, well or badly."""

from __future__ import annotations

import random
from dataclasses import dataclass

import orjson

from app.local.payload import Refusal

HEADER = "Weir-Local-Settings"
"""The settings travel as JSON in this header: they stand where another provider's call has its credential."""


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The settings of one call; the defaults are a model that is fast and never fails."""

    latency: float = 0.0
    """Seconds before the first byte."""
    tokens_per_second: float | None = None
    """The pace of an answer; None: all at once."""
    fail_rate: float = 0.0
    """The share of calls that are refused, 0 to 1."""
    fail_status: int = 503
    retry_after: int | None = None
    """Seconds, said with a refusal."""
    cut_after: int | None = None
    """Tokens after which the connection drops."""
    dimensions: int = 256
    """Of an embedding, where the request does not say."""

    @classmethod
    def parse(cls, header: str | bytes | None) -> Behaviour:
        """From the header's JSON; the defaults if there is none."""
        return cls(**orjson.loads(header)) if header else cls()

    def maybe_fail(self) -> None:
        """Raises the refusal that `fail_rate` asks for. At 0 never, at 1 always: random() is below 1."""
        if random.random() < self.fail_rate:  # noqa: S311  # A coin, not a secret.
            raise Refusal(
                f"the built-in model failed on purpose: fail_rate is {self.fail_rate:g}, "
                f"fail_status is {self.fail_status}",
                status=self.fail_status,
                code="failed_on_purpose",
                retry_after=self.retry_after,
            )

    def due(self, tokens: int) -> float:
        """When what holds the first `tokens` tokens arrives, in seconds after the call."""
        return self.latency + (tokens / self.tokens_per_second if self.tokens_per_second else 0.0)
