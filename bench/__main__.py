"""python -m bench: start everything, measure in alternating runs, print the figures, stop everything."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import figures, load, subjects, upstream
from bench.processes import BenchError, cpu_seconds, memory_bytes

AIMS = {"chat": 4.5, "stream": 8.0}
"""The most empty views that a whole answer and a stream of 100 events should cost."""
WARM_UP_SECONDS = 1.0

Started = Mapping[subjects.Subject, "subprocess.Popen[bytes]"]


def main(arguments: Sequence[str] | None = None) -> int:
    """0: measured. 1: a figure is over --max-ratio. 2: it could not be measured."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    options = _options(arguments)
    try:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="weir-bench-")))
            return _report(options, directory, stack)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--runs", type=int, help="alternating runs (5; with --short 3)")
    parser.add_argument("--seconds", type=float, help="length of each load (4; with --short 2)")
    parser.add_argument("--short", action="store_true", help="fewer and shorter runs, for CI")
    parser.add_argument("--mlflow", type=Path, metavar="VENV", help="where MLflow is installed, if not on the PATH")
    parser.add_argument("--no-mlflow", action="store_true", help="leave MLflow out even if it is on the PATH")
    parser.add_argument("--no-weir", action="store_true", help="leave the gateway out")
    parser.add_argument("--max-ratio", type=_limits, default={}, metavar="chat=4.5,stream=8", help="fail above these")
    options = parser.parse_args(arguments)
    options.runs = options.runs or (3 if options.short else 5)
    options.seconds = options.seconds or (2.0 if options.short else 4.0)
    return options


def _limits(text: str) -> dict[str, float]:
    limits = {name.strip(): float(number) for name, _, number in (part.partition("=") for part in text.split(","))}
    if unknown := limits.keys() - AIMS.keys():
        raise argparse.ArgumentTypeError(f"unknown kind of work {sorted(unknown)}; known: {sorted(AIMS)}")
    return limits


def _report(options: argparse.Namespace, directory: Path, stack: ExitStack) -> int:
    behind = stack.enter_context(upstream.started(directory))
    started = {}
    for subject in _subjects(options, behind, directory):
        started[subject] = stack.enter_context(subjects.started(subject, directory))
    shape = f"{options.runs} runs of {options.seconds:g} s per line, {load.CONNECTIONS} connections"
    means = f"{subjects.WORKERS} workers; upstream: {behind.kind}, load: {load.kind()}; median (lowest-highest)"
    print(f"{shape}, {means}", flush=True)
    samples = _measure(started, options, directory)
    print(figures.table(samples, {subject.name: memory_bytes(root.pid) for subject, root in started.items()}))
    if options.no_weir:
        return 0
    for _, words in figures.verdicts(samples, AIMS):
        print(f"aim: {words}")
    failed = [words for kept, words in figures.verdicts(samples, options.max_ratio) if not kept]
    for words in failed:
        print(f"bench: {words}", file=sys.stderr)
    return 1 if failed else 0


def _subjects(options: argparse.Namespace, behind: upstream.Upstream, directory: Path) -> list[subjects.Subject]:
    chosen = [subjects.empty_view()]
    if not options.no_weir:
        chosen.append(subjects.weir(behind, directory))
    command = None if options.no_mlflow else subjects.mlflow_command(options.mlflow)
    if command:
        chosen.append(subjects.mlflow(behind, directory, command))
    return chosen


def _measure(started: Started, options: argparse.Namespace, directory: Path) -> figures.Samples:
    """All kinds of work against all subjects, in turns, so that a slow minute of the machine falls on all of them."""
    turns = [(subject, root, name) for subject, root in started.items() for name in subject.works]
    for subject, root, name in turns:
        _sample(subject, root, name, WARM_UP_SECONDS, directory)
    samples: dict[figures.Key, list[figures.Sample]] = {(subject.name, name): [] for subject, _, name in turns}
    for _ in range(options.runs):
        for subject, root, name in turns:
            samples[subject.name, name].append(_sample(subject, root, name, options.seconds, directory))
    return samples


def _sample(
    subject: subjects.Subject, root: subprocess.Popen[bytes], name: str, seconds: float, directory: Path
) -> figures.Sample:
    work = subject.works[name]
    before = cpu_seconds(root.pid)
    done = load.run(subject.url(work), work.body, seconds, directory)
    used = cpu_seconds(root.pid) - before
    if done.wrong or not done.requests:
        raise BenchError(f"{subject.name}, {name}: {done.wrong} of {done.requests} answers were wrong")
    return figures.Sample(used / done.requests, done.requests / done.seconds)


if __name__ == "__main__":
    sys.exit(main())
