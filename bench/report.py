"""docs/performance.md and its plot: what was measured, with what, how, and whether the aims are kept."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import figures, plot
from bench.curve import Point
from bench.figures import Samples, Verdict
from bench.rows import CONNECTIONS, ROWS, Row, Streams

_PAGE = """\
# Performance

What the gateway costs beside others that do the same work, each as its own documentation says to run it.
This page is written by `python -m bench` ([how to run it](../bench/README.md)); do not edit it.

Measured on {day}: {machine}. {shape}

## Aims

What counts is the median over the runs; the lowest and the highest stand in brackets.

{aims}

## Figures

{tables}
{notes}
{curve}## Method

- **CPU each** is the user and system time of all of a server's processes (from `/proc`), divided by the requests that
  were answered. Unlike latency and requests a second it hardly depends on what else the machine does, or on how many
  cores it has. A ratio is taken within each run, where both figures are seconds apart; then the median over the runs.
- **Memory** is PSS of all processes: pages that several share are counted once. In the rows `slow` and `idle` nothing
  else of the bench but the provider runs at that time; elsewhere it is the memory after the load.
- **The gateway runs as it is shipped**: validation, access log, metrics, request ids, limits and timeouts are on.
  All servers have two workers but Portkey, which is one process, and TensorZero, which has a thread per core.
- **The provider** is nginx answering from memory, over kept connections, and for `paced` and `slow` a single process
  of our own in which each stream has its own clock. The events of a stream are sent one by one (`paced`, `slow`) or
  all at once (`stream`, `anthropic`, `bedrock`), chunked.
- **Closed loops** (up to {connections} kept connections, each asking again as soon as it is answered; `wrk`) measure
  CPU alone. A slow server gets fewer, because what has been begun when the loop ends is work that nobody counts: at
  most one request in 50. `paced` and `slow` are open loops: a stream begins each {paced:.1f} ms, or {slow:g} ms, so
  that 100, or 2,000, are open at once. A figure that is *added* is the gateway's less that of the provider asked
  directly in the same run.
- **empty view** is a Flask view that says `hello` under the gateway's own gunicorn settings, given the same POST: the
  floor of every Flask application. **nginx** with `proxy_pass` is the bound: it passes bytes on and reads none of them.
- **MLflow** is given the same endpoints file. **LiteLLM** is run as its page on production says (a master key, errors
  alone in its log, no debugging output), with `rust: true` on every model. **TensorZero** is the gateway inside its
  Python package, without a database. **Portkey** comes from npm, with a `@hono/node-server` that its streams work with.
  What a server took very long for, and is no part of a ratio, was measured once: it has no brackets.

## Versions

{versions}
"""

_CURVE = """\
## Latency against load

Whole chat answers. Callers arrive independently of each other (a Poisson process), whether or not those before them
are answered, and each is timed from the moment it was due: time spent waiting for a free connection or worker counts.
A line ends where the server's queue only grows.

![Latency against load](performance.svg)

{points}

"""

_APART = {row.name: row.apart for row in ROWS if isinstance(row, Streams)}


@dataclass(frozen=True)
class Measured:
    """All that a page is made of."""

    samples: Samples
    points: Sequence[Point]
    versions: Mapping[str, str]
    shape: str
    """How many runs, of which length."""
    notes: Sequence[str] = ()
    """What is missing, in sentences."""


def write(measured: Measured, directory: Path) -> None:
    """performance.md, and performance.svg where there is a curve."""
    if measured.points:
        (directory / "performance.svg").write_text(plot.svg(measured.points))
    (directory / "performance.md").write_text(_page(measured))


def _page(measured: Measured) -> str:
    rows = [row for row in ROWS if any(of == row.name for _, of in measured.samples)]
    return _PAGE.format(
        day=datetime.date.today().isoformat(),
        machine=measured.versions["machine"],
        shape=measured.shape,
        connections=CONNECTIONS,
        paced=_APART["paced"] * 1e3,
        slow=_APART["slow"] * 1e3,
        aims=_aims(figures.verdicts(measured.samples)),
        tables="\n\n".join(_figures(measured.samples, row) for row in rows),
        notes="".join(f"\n{note}\n" for note in measured.notes),
        curve=_CURVE.format(points=_markdown(waits(measured.points))) if measured.points else "",
        versions="\n".join(f"- {name}: {number}" for name, number in measured.versions.items()),
    )


def _aims(found: Sequence[Verdict]) -> str:
    words = {row.name: row.words for row in ROWS}
    lines = [["work", "what", "aim: at most", "measured", ""]]
    for verdict in found:
        aim, unit = verdict.aim, verdict.aim.unit
        mark = "kept" if verdict.kept else "**missed**"
        lines.append([words[aim.row], str(aim), unit(aim.at_most), verdict.reached.written(unit), mark])
    return _markdown(lines)


def _figures(samples: Samples, row: Row) -> str:
    return f"### `{row.name}`: {row.words}\n\n{_markdown(figures.cells(samples, row.name))}"


def waits(points: Sequence[Point]) -> list[list[str]]:
    """Latency by rate, a column per server."""
    names = list(dict.fromkeys(point.subject for point in points))
    at = {(point.subject, point.rate): point for point in points}
    lines = [["a second (p50 / p99, ms)", *names]]
    for rate in dict.fromkeys(point.rate for point in points):
        found = [at.get((name, rate)) for name in names]
        lines.append([f"{rate:,}", *(f"{p.half * 1e3:.1f} / {p.p99 * 1e3:.1f}" if p else "-" for p in found)])
    return lines


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    top, *rest = lines
    ruler = "|".join(["---", *("--:" for _ in top[1:])])
    return "\n".join([f"| {' | '.join(top)} |", f"|{ruler}|", *(f"| {' | '.join(line)} |" for line in rest)])
