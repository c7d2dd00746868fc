"""Latency against load: an open loop at rising rates, until a server cannot keep up with what comes."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench import questions
from bench.arrivals import Arrivals, poisson
from bench.rows import percentile
from bench.subjects import Running

RATES = (50, 100, 200, 400, 700, 1000, 1400, 1800, 2300, 3000, 4000, 5000, 6500)
SECONDS = 2.0
_HOPELESS = 0.5
"""Seconds: a server whose median is above has a queue that only grows, and is asked for no more."""
_PATIENCE = 5.0
_WARM_UP_SECONDS = 1.0


@dataclass(frozen=True)
class Point:
    """Whole chat answers at one rate: what half of the callers, and all but one in a hundred, waited at most."""

    subject: str
    rate: float
    """Requests a second that were asked for."""
    half: float
    p99: float


def points(subjects: Sequence[Running], seconds: float = SECONDS) -> list[Point]:
    """All rates, each with all subjects that still keep up, in turns."""
    found, left = [], list(subjects)
    for running in left:
        _point(running, RATES[0], _WARM_UP_SECONDS)
    for rate in RATES:
        for running in list(left):
            point = _point(running, rate, seconds)
            found.append(point)
            if point.half > _HOPELESS:
                left.remove(running)
            time.sleep(0.2)
    return found


def _point(running: Running, rate: float, seconds: float) -> Point:
    request = running.request("chat", questions.SHORT)
    answers = Arrivals(request, 0).run(poisson(rate, seconds), _PATIENCE, lambda: None)
    # One that was lost waited for as long as we did.
    waited = [answer.took if answer.whole else _PATIENCE for answer in answers]
    return Point(running.subject.name, rate, percentile(waited, 50), percentile(waited, 99))
