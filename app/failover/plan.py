"""Whom an invocation may be sent to, in which order. Pure but for chance."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from hashlib import blake2b

from app.config import Endpoint, TrafficRoute

Targets = tuple[Endpoint, ...]
"""Endpoints of one type, the one that should answer first."""


def targets(asked: Endpoint | TrafficRoute, session: str | None) -> Targets:
    """An endpoint and those that stand in for it; of a route, its destinations too.

    `session` is what the client says to be kept to one destination.
    """
    if isinstance(asked, Endpoint):
        return _once((asked, *asked.fallbacks)) if asked.fallbacks else (asked,)
    arms = _shuffled(asked, session)
    return _once([*arms, *asked.fallbacks, *arms[0].fallbacks])


def _shuffled(route: TrafficRoute, session: str | None) -> list[Endpoint]:
    """A route's destinations but for those with no traffic, each first as often as its share says.

    A weighted rendezvous: the draw of a destination does not depend on the others', so that a session whose
    destination stays keeps it when others come, go or change their share.
    """
    arms = [(endpoint, share) for endpoint, share in route.destinations if share]
    return [endpoint for endpoint, _ in sorted(arms, key=lambda arm: _draw(arm[0].name, session) / arm[1])]


def _draw(name: str, session: str | None) -> float:
    """An exponentially distributed number: at random, or always the same for a session and a name."""
    if session is None:
        return random.expovariate(1.0)
    digest = blake2b(f"{session}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return -math.log((int.from_bytes(digest, "big") + 1) / 2.0**64)


def _once(endpoints: Iterable[Endpoint]) -> Targets:
    return tuple({endpoint.name: endpoint for endpoint in endpoints}.values())
