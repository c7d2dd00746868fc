"""Two checkouts of the gateway under one load at once, half of the paced streams each.

What the machine does besides falls on both alike, so that a difference of a hundredth shows: python -m bench.beside DIR
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import questions, subjects, upstream
from bench.arrivals import Arrivals, steady
from bench.paced import PACES
from bench.processes import BenchError
from bench.rows import cpu
from bench.subjects import Request, Running
from bench.upstream import ROOT

STREAMS = 300
"""Of each, in a run."""
APART_SECONDS = PACES["paced"].seconds / 50
"""Between two of the same checkout's: 50 of each are open at a time, 100 in all."""
PATIENCE_SECONDS = 60.0


def main() -> None:
    """Say what a stream costs here, as a part of what it costs there."""
    parser = argparse.ArgumentParser(prog="python -m bench.beside", description=__doc__)
    parser.add_argument("other", type=Path, help="the other checkout: what it costs is 1")
    parser.add_argument("--runs", type=int, default=6)
    asked = parser.parse_args()
    with _started([asked.other.resolve(), ROOT]) as both, ProcessPoolExecutor(2) as loads:
        _run(both, loads)  # the first streams of a worker cost more
        ratios = [here / there for there, here in (_run(both, loads) for _ in range(asked.runs))]
    print(f"{statistics.median(ratios):.3f} ({min(ratios):.3f}-{max(ratios):.3f}) of the CPU per paced stream")


@contextmanager
def _started(checkouts: Sequence[Path]) -> Iterator[list[Running]]:
    with ExitStack() as stack:
        root = Path(stack.enter_context(TemporaryDirectory()))
        provider = stack.enter_context(upstream.started(root))
        running = []
        for number, checkout in enumerate(checkouts):
            directory = root / str(number)
            directory.mkdir()
            subject = subjects.weir(provider, directory)
            env = {**subject.env, "PYTHONPATH": str(checkout)}
            running.append(stack.enter_context(subjects.started(replace(subject, cwd=checkout, env=env), directory)))
        yield running


def _run(both: Sequence[Running], loads: ProcessPoolExecutor) -> list[float]:
    """CPU seconds per stream, of each."""
    before = [cpu(running) for running in both]
    asked = [running.request("paced", questions.STREAMED) for running in both]
    if not all(loads.map(_load, asked, (0, APART_SECONDS / 2))):
        raise BenchError("a stream was lost")
    return [(cpu(running) - used) / STREAMS for running, used in zip(both, before, strict=True)]


def _load(request: Request, late: float) -> bool:
    """Ask, beginning so many seconds late; whether all was answered."""
    moments = [moment + late for moment in steady(STREAMS, APART_SECONDS)]
    answers = Arrivals(request, PACES["paced"].deltas).run(moments, PATIENCE_SECONDS, lambda: None)
    return all(answer.whole for answer in answers)


if __name__ == "__main__":
    main()
