"""Figures of several runs: medians with their spread, as numbers, ratios, verdicts on the aims, and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bench.rows import ROWS, Sample

FLOOR = "empty view"
Key = tuple[str, str]
"""Subject and row."""
Samples = Mapping[Key, Sequence[Sample]]


@dataclass(frozen=True)
class Figure:
    """What a number of a sample is: its heading, with its unit, and how it is written."""

    heading: str
    times: float
    form: str

    def __call__(self, value: float) -> str:
        return self.form.format(value * self.times)


FIGURES = {
    "cpu": Figure("CPU each, us", 1e6, "{:,.0f}"),
    "rate": Figure("a second", 1, "{:,.0f}"),
    "first": Figure("first token p99, ms", 1e3, "{:,.1f}"),
    "gap": Figure("gap p99, ms", 1e3, "{:,.1f}"),
    "lost": Figure("lost", 1, "{:,.0f}"),
    "late": Figure("latest, %", 1e2, "{:,.1f}"),
    "start": Figure("start to first answer, s", 1, "{:,.2f}"),
    "memory": Figure("memory, MB", 1e-6, "{:,.0f}"),
}


@dataclass(frozen=True)
class Spread:
    """A median and its extremes over the runs."""

    middle: float
    low: float
    high: float

    def written(self, figure: Figure) -> str:
        """With its unit's digits."""
        if self.low == self.high:
            return figure(self.middle)
        return f"{figure(self.middle)} ({figure(self.low)}-{figure(self.high)})"


RATIO = Figure("", 1, "{:.2f}")
SMALL_RATIO = Figure("", 1, "{:.3f}")


def spread(values: Sequence[float]) -> Spread:
    """The median, lowest and highest of the values."""
    return Spread(median(values), min(values), max(values))


def alone(samples: Samples, row: str, figure: str, subject: str = "weir") -> Spread:
    """A figure as it is."""
    return spread([sample[figure] for sample in samples[subject, row]])


def ratio(samples: Samples, row: str, under: str, over: str = "weir") -> Spread:
    """CPU of one over another's, each run with itself: what drifts between runs cancels out."""
    pairs = zip(samples[over, row], samples[under, row], strict=False)  # a run may have left the slowest out
    return spread([a["cpu"] / b["cpu"] for a, b in pairs])


def added(samples: Samples, row: str, figure: str, subject: str = "weir") -> Spread:
    """What a figure is more than the upstream's own, asked directly in the same run."""
    pairs = zip(samples[subject, row], samples["direct", row], strict=False)
    return spread([a[figure] - b[figure] for a, b in pairs])


@dataclass(frozen=True)
class Aim:
    """What the gateway is to keep: a figure as it is, or what it adds to the upstream's, or CPU over another's."""

    row: str
    at_most: float
    figure: str = "cpu"
    of: str = ""
    """Whose CPU the gateway's is divided by; `direct` for what is added to the upstream's own figure."""

    def reached(self, samples: Samples) -> Spread | None:
        """What was measured; None where something for it was not."""
        if not all((subject, self.row) in samples for subject in ("weir", *filter(None, [self.of]))):
            return None
        if self.of == "direct":
            return added(samples, self.row, self.figure)
        return ratio(samples, self.row, self.of) if self.of else alone(samples, self.row, self.figure)

    @property
    def unit(self) -> Figure:
        """How its numbers are written."""
        ratio = SMALL_RATIO if self.at_most < 0.1 else RATIO
        return ratio if self.of and self.of != "direct" else FIGURES[self.figure]

    def __str__(self) -> str:
        heading = FIGURES[self.figure].heading
        if self.of == "direct":
            return f"{heading}, added"
        return f"CPU, of {self.of}'s" if self.of else heading


_COSTS = ("chat", "tls", "stream", "paced", "anthropic", "bedrock", "image", "conversation")

AIMS = (
    Aim("chat", 0.55, of="mlflow"),
    Aim("chat", 2.2, of=FLOOR),
    Aim("chat", 1.8, of="tensorzero"),
    Aim("tls", 0.35, of="mlflow"),
    Aim("stream", 0.2, of="mlflow"),
    Aim("stream", 0.45, of="tensorzero"),
    Aim("paced", 0.65, of="mlflow"),
    Aim("paced", 1.05, of="tensorzero"),
    Aim("paced", 0.005, "first", "direct"),
    Aim("paced", 0.002, "gap", "direct"),
    Aim("anthropic", 0.35, of="mlflow"),
    Aim("bedrock", 0.35, of="mlflow"),
    Aim("image", 0.7, of="mlflow"),
    Aim("conversation", 0.35, of="mlflow"),
    Aim("slow", 0, "lost"),
    Aim("slow", 0.05, "late"),
    Aim("slow", 250e6, "memory"),
    Aim("idle", 90e6, "memory"),
    Aim("idle", 1.0, "start"),
    *(Aim(row, 1 / 15, of="litellm") for row in _COSTS),
    *(Aim(row, 1 / 2.5, of="portkey") for row in _COSTS),
)


@dataclass(frozen=True)
class Verdict:
    """An aim, and what was measured of it."""

    aim: Aim
    reached: Spread

    @property
    def kept(self) -> bool:
        """The median is what counts."""
        return self.reached.middle <= self.aim.at_most

    def __str__(self) -> str:
        unit = self.aim.unit
        word = "within" if self.kept else "OVER"
        return f"{self.aim.row}: {self.aim}: {self.reached.written(unit)}, {word} {unit(self.aim.at_most)}"


def verdicts(samples: Samples, aims: Sequence[Aim] = AIMS) -> list[Verdict]:
    """On every aim that something was measured for."""
    found = [(aim, aim.reached(samples)) for aim in aims]
    return [Verdict(aim, reached) for aim, reached in found if reached is not None]


def cells(samples: Samples, row: str) -> list[list[str]]:
    """A row's table: a heading, and a line per subject with its figures and what the gateway's CPU is of its own."""
    subjects = [subject for subject, of in samples if of == row]
    first = samples[subjects[0], row][0]
    shown = [name for name in FIGURES if name in first]
    of_each = "cpu" in first and "weir" in subjects
    lines = [["", *(FIGURES[name].heading for name in shown), *(["weir's CPU is of it"] if of_each else [])]]
    for subject in subjects:
        line = [subject, *(alone(samples, row, name, subject).written(FIGURES[name]) for name in shown)]
        compared = of_each and subject not in ("weir", "direct")
        lines.append(line + ([ratio(samples, row, subject).written(RATIO) if compared else "-"] if of_each else []))
    return lines


def table(samples: Samples, row: str) -> str:
    """The same, for a terminal."""
    words = next(of.words for of in ROWS if of.name == row)
    return f"{row}: {words}\n{aligned(cells(samples, row))}"


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Cells under each other, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join([line[0].ljust(widths[0]), *map(str.rjust, line[1:], widths[1:])]) for line in lines)
