"""Figures of several runs: medians with their spread, as numbers, ratios and a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

FLOOR = ("empty view", "request")
Key = tuple[str, str]
"""Subject and kind of work."""


@dataclass(frozen=True)
class Sample:
    """One run of one kind of work against one subject."""

    cpu: float
    """Seconds of user and system time per request."""
    rate: float
    """Requests per second."""


@dataclass(frozen=True)
class Spread:
    """A median and its extremes over the runs."""

    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} ({self.low:.2f}-{self.high:.2f})"


Samples = Mapping[Key, Sequence[Sample]]


def spread(values: Sequence[float]) -> Spread:
    """The median, lowest and highest of the values."""
    return Spread(median(values), min(values), max(values))


def ratio(samples: Samples, over: Key, under: Key) -> Spread:
    """CPU per request of one kind over another's, each run with itself: what drifts between runs cancels out."""
    return spread([a.cpu / b.cpu for a, b in zip(samples[over], samples[under], strict=True)])


def table(samples: Samples, memory: Mapping[str, int]) -> str:
    """All figures, one line per subject and kind of work."""
    lines = [f"{'':22}{'CPU/request, us':>24}{'requests/s':>12}{'empty views':>22}{'of MLflow':>22}{'memory':>10}"]
    for key, of in samples.items():
        subject, work = key
        micros = spread([sample.cpu * 1e6 for sample in of])
        cells = [f"{micros.middle:,.0f} ({micros.low:,.0f}-{micros.high:,.0f})"]
        cells += [f"{median(sample.rate for sample in of):,.0f}", str(ratio(samples, key, FLOOR))]
        cells += [str(ratio(samples, key, ("mlflow", work))) if ("mlflow", work) in samples else "-"]
        widths = zip(cells, (24, 12, 22, 22), strict=True)
        row = "".join(f"{cell:>{width}}" for cell, width in widths)
        lines.append(f"{subject + ', ' + work:22}{row}{memory[subject] / 1e6:>7,.0f} MB")
    return "\n".join(lines)


def verdicts(samples: Samples, limits: Mapping[str, float]) -> list[tuple[bool, str]]:
    """For each kind of work with a limit: whether the gateway keeps it, and the sentence that says so."""
    found = []
    for work, limit in limits.items():
        middle = ratio(samples, ("weir", work), FLOOR).middle
        kept = middle <= limit
        found.append((kept, f"{work}: {middle:.2f} empty views, {'within' if kept else 'OVER'} {limit:g}"))
    return found
