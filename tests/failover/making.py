"""Endpoints and errors, as the units that decide meet them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hypothesis import settings

from app.config import Endpoint, Policy, Retries, TrafficRoute
from app.errors import Busy, Cut, Garbled, GatewayError, InvalidPayload, Problem, Refused, TimedOut, Unreachable
from app.providers import PROVIDERS

CHAT = "llm/v1/chat"


def endpoint(name: str = "a", *, fallbacks: tuple[Endpoint, ...] = (), **policy: Any) -> Endpoint:
    """An endpoint with this policy; `attempts` alone stands for a whole `retries`."""
    if "attempts" in policy:
        policy["retries"] = Retries(attempts=policy.pop("attempts"))
    local = PROVIDERS["local"]
    return Endpoint(
        name, CHAT, local, None, MappingProxyType({}), local.translators[CHAT], f"http://127.0.0.1/{name}",
        policy=Policy(**policy), fallbacks=fallbacks,
    )  # fmt: skip


def route(shares: Mapping[str, int], fallbacks: tuple[Endpoint, ...] = (), **arms: Endpoint) -> TrafficRoute:
    """A route over endpoints of these names; `arms` are those that are not plain."""
    destinations = tuple((arms.get(name) or endpoint(name), share) for name, share in shares.items())
    return TrafficRoute("r", CHAT, destinations, fallbacks)


def refused(status: int = 503, message: str = "no", **more: Any) -> Refused:
    """A provider's own error."""
    return Refused(status, message, **more)


def silent(error: GatewayError) -> GatewayError:
    """The error of a provider that had said nothing for long."""
    error.silent = True  # type: ignore[attr-defined]
    return error


TOO_LONG = "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000 tokens."
FILTERED = "The response was filtered due to the prompt triggering Azure OpenAI's content management policy."

ERRORS = {
    "refused": lambda: refused(503),
    "rate": lambda: refused(429, "slow down", headers={"Retry-After": "2"}),
    "far": lambda: refused(429, "slow down", headers={"Retry-After": "3600"}),
    "credentials": lambda: refused(401),
    "nonsense": lambda: refused(400),
    "context": lambda: refused(400, TOO_LONG, code="context_length_exceeded"),
    "policy": lambda: refused(400, FILTERED, code="content_filter"),
    "stop": lambda: refused(500, headers={"X-Should-Retry": "false"}),
    "unreachable": lambda: Unreachable("reset"),
    "garbled": lambda: Garbled("not JSON"),
    "cut": lambda: Cut("cut"),
    "cut after a silence": lambda: silent(Cut("cut")),
    "silence": lambda: TimedOut("nothing"),
    "busy": lambda: Busy("full"),
    "cannot be said": lambda: InvalidPayload([Problem(("n",), "not there")]),
}
"""One of each kind that attempts end with, made anew."""

steady = settings(deadline=None, derandomize=True)
"""Properties that hold on a busy machine, and fail the same way twice."""


def always(kind: str) -> list[GatewayError]:
    """The same again and again."""
    return [ERRORS[kind]() for _ in range(100)]


def pair(**policy: Any) -> tuple[Endpoint, Endpoint]:
    """Two that are alike."""
    return endpoint("a", **policy), endpoint("b", **policy)
