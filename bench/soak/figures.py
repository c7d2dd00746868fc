"""The soak's figures: outcomes, attempts, latencies, memory; and whether memory grows. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import mean

from bench.soak.calls import ALONE, Call
from bench.soak.client import Heard
from bench.soak.verdict import ERROR, ERROR_EVENT, WHOLE, Verdict


@dataclass(frozen=True)
class Memory:
    """All the gateway's processes at one moment: seconds since the start, bytes (PSS)."""

    at: float
    bytes: int


@dataclass
class Figures:
    """What is counted of calls."""

    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    """By where and what."""
    attempts: Counter[str] = field(default_factory=Counter)
    latencies: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Of whole answers, by what was asked: seconds to the first byte of the body, and to the end."""

    def note(self, call: Call, heard: Heard, verdict: Verdict) -> None:
        """One more call."""
        self.outcomes[verdict.outcome] += 1
        if verdict.attempts:
            self.attempts[verdict.attempts] += 1
        if verdict.outcome in (ERROR, ERROR_EVENT):
            where = f"{call.target}, nowhere to go" if call.target in ALONE else f"{call.target}, with fallbacks"
            self.errors[f"{where}: {verdict.outcome} {verdict.why}"] += 1
        if verdict.outcome == WHOLE and call.manner != "slow":
            kind = f"{call.kind}, {'stream' if call.streams else 'whole'}"
            times = (heard.first - heard.began, heard.ended - heard.began)
            self.latencies.setdefault(kind, []).append(times)

    def lines(self) -> list[str]:
        """For people."""
        calls = sum(self.outcomes.values())
        lines = [f"calls: {calls:,}"]
        lines += [f"  {outcome:<22} {count:>8,}  {count / calls:.3%}" for outcome, count in self.outcomes.most_common()]
        lines += ["errors:", *(f"  {count:>6,}  {what}" for what, count in self.errors.most_common())]
        said = ", ".join(f"{count}: {calls:,}" for count, calls in sorted(self.attempts.items()))
        lines += [f"X-Gateway-Attempts: {said}", "latency of whole answers, ms (first byte; end): p50, p99"]
        for kind, times in sorted(self.latencies.items()):
            first, end = ([one[at] for one in times] for at in (0, 1))
            lines.append(f"  {kind:<20} {_percentiles(first)}; {_percentiles(end)}   ({len(times):,})")
        return lines


def _percentiles(values: Sequence[float]) -> str:
    ordered = sorted(values)
    p50, p99 = (ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.99))
    return f"{p50 * 1e3:,.0f}, {p99 * 1e3:,.0f}"


def growth(samples: Sequence[Memory]) -> float:
    """Bytes by which the mean of the last quarter is over that of the second: the first one warms up."""
    quarter = len(samples) // 4
    if not quarter:
        return 0.0
    second, last = samples[quarter : 2 * quarter], samples[-quarter:]
    return mean(sample.bytes for sample in last) - mean(sample.bytes for sample in second)


def at_minutes(samples: Sequence[Memory], minutes: Sequence[float]) -> list[str]:
    """Memory at these minutes, as far as the soak went."""
    found = [
        (minute, min(samples, key=lambda sample: abs(sample.at - minute * 60)))
        for minute in minutes
        if samples and samples[-1].at >= minute * 60 - 10
    ]
    return [f"minute {minute:g}: {sample.bytes / 1e6:,.1f} MB" for minute, sample in found]
