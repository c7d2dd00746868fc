"""Alternating runs: every server in turn, again and again: a slow minute of the machine falls on all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field

from bench import subjects
from bench.figures import Key
from bench.processes import BenchError
from bench.rows import Row, Sample, Setting
from bench.subjects import Running, Subject

OURS = frozenset({"weir", "empty view", "direct"})
"""What must work, or nothing can be said; another server is left out of what it cannot do."""

Done = Callable[[Row], None]


def say(words: str) -> None:
    """Something that is no figure."""
    print(words, file=sys.stderr, flush=True)


@dataclass
class Runs:
    """Rows being measured, and the samples of those that have been."""

    chosen: Sequence[Subject]
    direct: Running
    count: int
    setting: Setting
    samples: dict[Key, list[Sample]] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    """Which servers gave wrong answers to what, in sentences."""

    def alone(self, row: Row, done: Done) -> None:
        """A row whose servers are started for each sample, with nothing beside them."""
        asked = [subject for subject in (*self.chosen, self.direct.subject) if _does(subject, row)]
        for run in range(self.count):
            for subject in asked:
                if not (run and subject.name in row.seldom):
                    with self._or_left_out(subject.name, row), self._fresh(subject) as running:
                        self._note(running, row)
        done(row)

    def _fresh(self, subject: Subject) -> AbstractContextManager[Running]:
        if subject is self.direct.subject:
            return nullcontext(self.direct)
        return subjects.started(subject, self.setting.directory)

    def together(self, rows: Sequence[Row], done: Done, last: Callable[[Sequence[Running]], None]) -> None:
        """Rows whose servers all run at once, asked in turns; then `last`, while they still do."""
        with ExitStack() as stack:
            up = [self.direct]
            for subject in self.chosen:
                with self._or_left_out(subject.name, None):
                    up.append(stack.enter_context(subjects.started(subject, self.setting.directory)))
            for row in rows:
                self._row(row, [running for running in up if _does(running.subject, row)])
                done(row)
            last(up)

    def _row(self, row: Row, up: Sequence[Running]) -> None:
        ready: list[Running] = []
        for running in up:
            with self._or_left_out(running.subject.name, row):
                row.check(running, self.setting)
                ready.append(running)
        for _ in range(self.count):
            for running in list(ready):
                with self._or_left_out(running.subject.name, row) as failed:
                    self._note(running, row)
                if failed:
                    ready.remove(running)

    def _note(self, running: Running, row: Row) -> None:
        sample = row.sample(running, self.setting)
        self.samples.setdefault((running.subject.name, row.name), []).append(sample)

    @contextmanager
    def _or_left_out(self, name: str, row: Row | None) -> Iterator[list[BenchError]]:
        """Go on without a peer that fails, and say so. Yields a list that will hold the failure."""
        failed: list[BenchError] = []
        try:
            yield failed
        except BenchError as error:
            if name in OURS:
                raise
            failed.append(error)
            self.left_out.append(f"{name} is left out{f' of `{row.name}`' if row else ''}: it failed.")
            say(f"bench: {name}{f', {row.name}' if row else ''}: left out: {error}")


def _does(subject: Subject, row: Row) -> bool:
    if subject.name == "empty view":
        return row.with_floor
    if subject.name == "direct":
        return row.with_direct
    return row.endpoint in subject.endpoints
