"""The rows of the table: each is one kind of work, how it is given to a server, and what is noted of it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import load, questions
from bench.answers import EVENTS
from bench.arrivals import Answer, Arrivals, steady
from bench.paced import PACES
from bench.processes import BenchError, cpu_seconds, memory_bytes
from bench.questions import Question
from bench.subjects import WORKERS, Request, Running, check, post

Sample = Mapping[str, float]
"""What was noted in one run, by the name of the figure: see figures.FIGURES."""

CONNECTIONS = 32
"""The most of a closed loop."""
_WARM_UP_SECONDS, _WARM_UP_CONNECTIONS = 1.0, 4
FEWEST = EVENTS - 4
"""Events that a translated stream must have: what begins and ends it may be one event or two in another dialect."""


@dataclass(frozen=True)
class Setting:
    """How a sample is to be taken: the length of a closed loop, and a directory for its files."""

    seconds: float
    directory: Path


@dataclass(frozen=True, kw_only=True)
class Row:
    """One kind of work."""

    name: str
    words: str
    """What it is, in the table of the report."""
    endpoint: str
    """What it is asked of: a name of `Upstream.endpoints`."""
    alone: bool = False
    """Whether a server is started for each sample and no other runs beside it: where its memory is noted."""
    seldom: frozenset[str] = frozenset()
    """Servers for which one run is enough: they take very long, and differ by far more than runs do."""
    with_floor: bool = False
    """Whether the empty view is measured too, given the same POST."""
    with_direct: bool = False
    """Whether the upstream is measured too, asked directly."""

    def check(self, running: Running, setting: Setting) -> None:
        """Ask as the samples will, and warm up. Raises BenchError for a wrong answer."""

    def sample(self, running: Running, setting: Setting) -> Sample:
        """One run."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Closed(Row):
    """A closed loop over kept connections: CPU per request."""

    question: Callable[[], Question]
    events: int = 0
    """The fewest that an answer must have."""

    def check(self, running: Running, setting: Setting) -> None:
        """See Row."""
        events = 0 if running.subject.name == "empty view" else self.events
        check(running, self._request(running), events)
        before = cpu(running)
        warm = load.run(self._request(running), _WARM_UP_CONNECTIONS, _WARM_UP_SECONDS, setting.directory)
        cost = (cpu(running) - before) / max(1, warm.requests)
        # What a server has begun when the loop ends is work that nobody counts: at most one request in 50 that its
        # workers could answer.
        most = WORKERS * setting.seconds / max(cost, 1e-6)
        running.connections[self.name] = min(CONNECTIONS, max(1, int(most / 50)))

    def sample(self, running: Running, setting: Setting) -> Sample:
        """See Row."""
        before = cpu(running)
        connections = running.connections[self.name]
        done = load.run(self._request(running), connections, setting.seconds, setting.directory)
        used = cpu(running) - before
        if done.wrong or not done.requests:
            raise BenchError(f"{running.subject.name}, {self.name}: {done.wrong} of {done.requests} answers were wrong")
        return {"cpu": used / done.requests, "rate": done.requests / done.seconds, "memory": _memory(running)}

    def _request(self, running: Running) -> Request:
        return running.request(self.endpoint, self.question())


@dataclass(frozen=True, kw_only=True)
class Streams(Row):
    """Streams that last, one begun each so many seconds: CPU per stream, lateness, memory when all are open."""

    count: int
    apart: float
    patience: float
    """Seconds after the last has begun when those that have not ended are lost."""

    def check(self, running: Running, setting: Setting) -> None:
        """See Row."""
        check(running, self._request(running), PACES[self.endpoint].deltas)

    def sample(self, running: Running, setting: Setting) -> Sample:
        """See Row."""
        at_most: list[float] = []
        before = cpu(running)
        arrivals = Arrivals(self._request(running), PACES[self.endpoint].deltas)
        answers = arrivals.run(steady(self.count, self.apart), self.patience, lambda: at_most.append(_memory(running)))
        used = cpu(running) - before
        return {"cpu": used / self.count, **self._lateness(answers), "memory": at_most[0]}

    def _lateness(self, answers: Sequence[Answer]) -> Sample:
        whole = [answer for answer in answers if answer.whole]
        nominal = PACES[self.endpoint].seconds
        return {
            "lost": len(answers) - len(whole),
            "late": max((answer.took / nominal - 1 for answer in whole), default=math.inf),
            "first": percentile([answer.first for answer in whole], 99),
            "gap": percentile([gap for answer in whole for gap in answer.gaps], 99),
        }

    def _request(self, running: Running) -> Request:
        return running.request(self.endpoint, questions.STREAMED)


@dataclass(frozen=True, kw_only=True)
class Start(Row):
    """From the command to the first answer; then, idle, memory."""

    rest: float = 1.0

    def sample(self, running: Running, setting: Setting) -> Sample:
        """See Row."""
        request = running.request(self.endpoint, questions.SHORT)
        while not self._answered(request):
            if time.monotonic() > running.begun + 120:
                raise BenchError(f"{running.subject.name} does not answer")
        took = time.monotonic() - running.begun
        time.sleep(self.rest)
        return {"start": took, "memory": _memory(running)}

    def _answered(self, request: Request) -> bool:
        try:
            return post(request)[0] == 200
        except OSError:
            return False


def percentile(values: Sequence[float], percent: float) -> float:
    """The value that so many percent do not exceed; infinite where there are none."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)] if values else math.inf


def cpu(running: Running) -> float:
    """CPU seconds of its processes so far; 0 for one that is not ours to watch."""
    return cpu_seconds(running.process.pid) if running.process else 0.0


def _memory(running: Running) -> float:
    return float(memory_bytes(running.process.pid)) if running.process else 0.0


_SHORT, _STREAMED = (lambda: questions.SHORT), (lambda: questions.STREAMED)

ROWS: tuple[Row, ...] = (
    Closed(name="chat", words="whole chat answer", endpoint="chat", question=_SHORT, with_floor=True),
    Closed(name="tls", words="whole chat answer, TLS to the upstream", endpoint="tls", question=_SHORT),
    Closed(
        name="stream",
        words="stream of 100 events at once",
        endpoint="stream",
        question=_STREAMED,
        events=EVENTS - 1,  # the last, the usage, is withheld by a gateway whose client did not ask for it
        with_floor=True,
    ),
    Streams(
        name="paced",
        words="stream of 64 deltas 20 ms apart, 100 at a time",
        endpoint="paced",
        count=250,
        apart=PACES["paced"].seconds / 100,
        patience=30,
        with_direct=True,
    ),
    Closed(
        name="anthropic",
        words="Anthropic's stream translated, 100 events",
        endpoint="anthropic",
        question=_STREAMED,
        events=FEWEST,
    ),
    Closed(
        name="bedrock",
        words="Bedrock's stream translated, 100 events",
        endpoint="bedrock",
        question=_STREAMED,
        events=FEWEST,
    ),
    Closed(name="image", words="request of 1 MB (a base64 image)", endpoint="chat", question=questions.image),
    Closed(
        name="conversation",
        words="request of 200 messages with 20 tools",
        endpoint="chat",
        question=questions.conversation,
    ),
    Streams(
        name="slow",
        words="2,000 slow streams at once (26 deltas 200 ms apart)",
        endpoint="slow",
        count=2000,
        apart=0.002,  # so that the last begins a second before the first ends
        patience=15,
        alone=True,
        seldom=frozenset({"mlflow", "litellm", "portkey", "nginx"}),
        with_direct=True,
    ),
    Start(
        name="idle",
        words="two workers idle; start to first answer",
        endpoint="chat",
        alone=True,
        seldom=frozenset({"mlflow", "litellm"}),
    ),
)
