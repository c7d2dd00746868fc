"""python -m bench: start everything, measure in alternating runs, print the figures, stop everything."""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import curve, figures, load, peers, report, subjects, upstream
from bench.figures import FLOOR, Aim
from bench.processes import BenchError
from bench.rows import ROWS, Row, Setting
from bench.runs import Runs, say
from bench.subjects import Running, Subject
from bench.versions import versions

SHORT = ("chat", "stream")
"""The rows of the short form."""
CURVE = "curve"
_BY_NAME = {row.name: row for row in ROWS}


def main(arguments: Sequence[str] | None = None) -> int:
    """0: measured. 1: a figure is over --max-ratio. 2: it could not be measured."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    options = _options(arguments)
    _allow_many_sockets()
    try:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="weir-bench-")))
            return _run(options, directory, stack.enter_context(upstream.started(directory)))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    known = [*_BY_NAME, CURVE]
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"what to measure, of {', '.join(known)}; else all")
    parser.add_argument("--runs", type=int, help="alternating runs (5; with --short 3)")
    parser.add_argument("--seconds", type=float, help="length of each closed loop (2)")
    parser.add_argument("--short", action="store_true", help="fewer and shorter runs of fewer rows, for CI")
    parser.add_argument("--peers", type=Path, default=peers.DIRECTORY, metavar="DIR", help="where peers are installed")
    parser.add_argument("--with", dest="beside", type=_names, metavar="NAMES", help="these peers alone, by comma")
    parser.add_argument("--mlflow", type=Path, metavar="VENV", help="where MLflow is installed, if not among the peers")
    parser.add_argument("--no-mlflow", action="store_true", help="leave MLflow out")
    parser.add_argument("--no-weir", action="store_true", help="leave the gateway out")
    parser.add_argument("--max-ratio", type=_limits, default={}, metavar="chat=4.5,stream=8", help="fail above these")
    parser.add_argument("--report", type=Path, metavar="DIR", help="write performance.md there (all rows: docs)")
    options = parser.parse_args(arguments)
    if unknown := set(options.rows) - set(known):
        parser.error(f"unknown rows {sorted(unknown)}; known: {', '.join(known)}")
    options.runs = options.runs or (3 if options.short else 5)
    options.seconds = options.seconds or 2.0
    if not options.rows and not options.short and options.report is None:
        options.report = upstream.ROOT / "docs"
    options.rows = options.rows or (SHORT if options.short else known)
    return options


def _names(text: str) -> list[str]:
    names, known = [name for name in text.split(",") if name], [peer.name for peer in peers.PEERS]
    if unknown := set(names) - {*known, "nginx"}:
        raise argparse.ArgumentTypeError(f"unknown peers {sorted(unknown)}; known: {', '.join(known)}, nginx")
    return names


def _limits(text: str) -> dict[str, float]:
    limits = {name.strip(): float(number) for name, _, number in (part.partition("=") for part in text.split(","))}
    if unknown := limits.keys() - {row.name for row in ROWS if row.with_floor}:
        raise argparse.ArgumentTypeError(f"no empty view is measured beside {sorted(unknown)}; known: {SHORT}")
    return limits


def _allow_many_sockets() -> None:
    """2,000 streams need as many sockets here, and twice as many in a gateway, which inherits the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _run(options: argparse.Namespace, directory: Path, behind: upstream.Upstream) -> int:
    begun = time.monotonic()
    chosen, found = _subjects(options, behind, directory)
    shape = f"{options.runs} alternating runs, closed loops of {options.seconds:g} s."
    print(f"{shape} {subjects.WORKERS} workers; provider: {behind.kind}, load: {load.kind()}", flush=True)
    runs = Runs(chosen, subjects.direct(behind), options.runs, Setting(options.seconds, directory))
    points: list[curve.Point] = []

    def done(row: Row) -> None:
        if any(of == row.name for _, of in runs.samples):
            print(f"\n{figures.table(runs.samples, row.name)}", flush=True)

    def last(up: Sequence[Running]) -> None:
        if CURVE in options.rows:
            points.extend(curve.points([running for running in up if running.subject.name != FLOOR]))
            print(f"\n{CURVE}: latency against load\n{figures.aligned(report.waits(points))}", flush=True)

    rows = _rows(options, behind)
    for row in rows:
        if row.alone:
            runs.alone(row, done)
    if CURVE in options.rows or not all(row.alone for row in rows):
        runs.together([row for row in rows if not row.alone], done, last)
    if options.report:
        made = report.Measured(runs.samples, points, versions(found), shape, runs.left_out)
        report.write(made, options.report)
    say(f"took {time.monotonic() - begun:,.0f} s")
    return _verdict(runs.samples, options)


def _rows(options: argparse.Namespace, behind: upstream.Upstream) -> list[Row]:
    rows = [_BY_NAME[name] for name in options.rows if name != CURVE]
    for row in rows:
        if row.endpoint not in behind.endpoints:
            say(f"bench: {row.name} is left out: it needs nginx (apt-get install nginx-light) and, for TLS, trustme")
    return [row for row in rows if row.endpoint in behind.endpoints]


def _subjects(
    options: argparse.Namespace, behind: upstream.Upstream, directory: Path
) -> tuple[list[Subject], dict[str, str]]:
    """What is to be measured, and the versions of the peers among them."""
    chosen, found = [subjects.empty_view()], {}
    if not options.no_weir:
        chosen.append(subjects.weir(behind, directory))
    for peer in peers.PEERS:
        if _wanted(options, peer.name) and (at := _place(options, peer)):
            chosen.append(peer.subject(at, behind, directory))
            found[peer.name] = peer.version(at)
    bound = subjects.nginx(behind, directory) if _wanted(options, "nginx") else None
    return [*chosen, *([bound] if bound else [])], found


def _wanted(options: argparse.Namespace, name: str) -> bool:
    if name == "mlflow" and options.no_mlflow:
        return False
    return name in options.beside if options.beside is not None else not options.short or name == "mlflow"


def _place(options: argparse.Namespace, peer: peers.Peer) -> Path | None:
    """Where a peer is; if nowhere, say how it is installed."""
    named = options.mlflow if peer.name == "mlflow" else None
    at: Path = named or options.peers / peer.name
    found = peer.found(at) or (peers.mlflow_on_path() if peer.name == "mlflow" and not named else None)
    if found is None:
        if named:
            raise BenchError(f"there is no {at / peer.program}")
        say(f"bench: {peer.name} is left out, for it is not installed:\n    {peer.install.format(at=at)}")
    return found


def _verdict(samples: figures.Samples, options: argparse.Namespace) -> int:
    print()
    for verdict in figures.verdicts(samples):
        print(f"aim: {verdict}")
    limits = [Aim(row, limit, of=FLOOR) for row, limit in options.max_ratio.items()]
    failed = [verdict for verdict in figures.verdicts(samples, limits) if not verdict.kept]
    for verdict in failed:
        print(f"bench: {verdict}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
