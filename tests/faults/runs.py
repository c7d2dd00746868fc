"""All sixteen scenarios, run at once through one gateway under gunicorn, and what everyone saw of each."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from tests.faults.caller import Answer, ask
from tests.faults.scenarios import (
    CALLS_APART,
    FALLBACK_MODEL,
    PRIMARY_MODEL,
    SCENARIOS,
    WHOLE,
    Scenario,
    Times,
    healthy,
    well,
)
from tests.running import RunningGateway
from tests.serving import endpoint
from tests.upstream import Request, Upstream

APART = 0.05
"""Seconds between two scenarios' beginnings: they begin together, but not at one stroke."""
WORKERS = 2
PATIENCE = 15.0

Case = tuple[int, str]
"""A scenario's number, and how it is run."""
CASES: list[Case] = [(number, mode) for number, scenario in SCENARIOS.items() for mode in scenario.modes]


@dataclass(frozen=True)
class Seen:
    """What came of one scenario."""

    times: Times
    answers: list[Answer]
    """To the caller."""
    next: Answer
    """What the gateway answered after them, asked for something else."""
    primary: list[Request]
    """What was asked of the provider that misbehaves."""
    fallback: list[Request]
    log: list[dict[str, Any]]
    """The access log's lines for it."""
    failed: dict[str, int]
    """The metric of failed attempts, by endpoint."""

    @property
    def answer(self) -> Answer:
        """The caller's, where it called once."""
        return self.answers[0]

    @property
    def asked(self) -> list[Request]:
        """What was asked of both, in order."""
        return sorted([*self.primary, *self.fallback], key=lambda request: request.received)


@dataclass(frozen=True)
class _Pair:
    """The two providers of a case."""

    name: str
    mode: str
    scenario: Scenario
    primary: Upstream
    fallback: Upstream

    def entries(self, times: Times) -> list[dict[str, Any]]:
        """The two endpoints of the configuration."""
        limits = timeouts(times, self.mode)
        standby = f"{self.name}-fallback"
        return [
            _named(endpoint(self.primary, self.name, **limits[0], fallbacks=[standby])),
            _named(endpoint(self.fallback, standby, **limits[1])),
        ]


def _named(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry whose model has its name: a request that strays here from elsewhere is told by another."""
    return {**entry, "model": {**entry["model"], "name": entry["name"]}}


def _own(upstream: Upstream, name: str) -> list[Request]:
    """What a provider was asked by its endpoint: another test's gateway may still ask for who had its port before."""
    return [request for request in upstream.requests if request.json.get("model") == name]


def top(times: Times) -> dict[str, Any]:
    """The top of the configuration: two retries and 30 s. Shortened, the defaults are written out, by the factor."""
    if times.scale == 1.0:
        return {"retries": {"attempts": 2}, "timeouts": {"idle": 30}}
    return {
        "retries": {"attempts": 2, "backoff": times(0.5), "max_backoff": times(8)},
        "breaker": {"window": times(30), "probe_after": times(10)},
        "keep_alive": times(15),
    }


def timeouts(times: Times, mode: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the primary's and the fallback's entries say of times: nothing, or the defaults by the factor."""
    if times.scale == 1.0:
        return {}, {}
    idle = {"idle": times(30)}
    primary = {"first_token": times(10), "total": times(60 if mode == WHOLE else 600), **idle}
    fallback = {"first_token": times(30), "total": times(600), **idle}
    return {"timeouts": primary}, {"timeouts": fallback}


def run(times: Times, directory: Path, told: Callable[[str], object] = lambda line: None) -> dict[Case, Seen]:
    """Run every case, all at once; `told` hears of each that is over."""
    with ExitStack() as stack:
        pairs = {case: stack.enter_context(_pair(case, times)) for case in CASES}
        entries = [entry for pair in pairs.values() for entry in pair.entries(times)]
        gateway = stack.enter_context(RunningGateway({**top(times), "endpoints": entries}, directory, workers=WORKERS))
        with ThreadPoolExecutor(len(CASES)) as pool:
            begun = {}
            for case, pair in pairs.items():
                begun[case] = pool.submit(_calls, gateway.port, pair, times)
                time.sleep(APART)
            answers = {}
            for case, calls in begun.items():
                answers[case] = calls.result()
                told(f"{case[0]:2} {case[1]}")
        asked = sum(len(answers) for answers, _ in answers.values())
        log, failed = _log(gateway, asked), _failed_attempts(gateway)
    return {case: _seen(times, pair, *answers[case], log, failed) for case, pair in pairs.items()}


class _pair(ExitStack):
    """A case's providers, for as long as they are needed."""

    def __init__(self, case: Case, times: Times) -> None:
        super().__init__()
        self._case, self._times = case, times

    def __enter__(self) -> _Pair:  # type: ignore[override]
        super().__enter__()
        number, mode = self._case
        scenario = SCENARIOS[number]
        primary = Upstream(scenario.primary(self._times, healthy(PRIMARY_MODEL, mode)))
        fallback = Upstream(well(FALLBACK_MODEL, mode, prefill=scenario.prefill))
        name = f"s{number:02}-{scenario.modes.index(mode)}"
        return _Pair(name, mode, scenario, self.enter_context(primary), self.enter_context(fallback))


def _calls(port: int, pair: _Pair, times: Times) -> tuple[list[Answer], Answer]:
    """The caller's calls, each at its time, and one more of what is well."""
    begun, streams = time.monotonic(), pair.mode != WHOLE
    answers = []
    for number in range(pair.scenario.calls):
        time.sleep(max(0.0, begun + number * times(CALLS_APART) - time.monotonic()))
        answers.append(ask(port, pair.name, stream=streams))
    return answers, ask(port, f"{pair.name}-fallback", stream=streams)


def _log(gateway: RunningGateway, lines: int) -> list[dict[str, Any]]:
    """The access log, once it has a line for each call of the scenarios."""
    until = time.monotonic() + PATIENCE
    while True:
        told = gateway.log_lines()
        if sum(not line["name"].endswith("-fallback") for line in told) >= lines or time.monotonic() > until:
            return told
        time.sleep(0.05)


def _failed_attempts(gateway: RunningGateway) -> Counter[str]:
    with urlopen(f"{gateway.url}/metrics", timeout=PATIENCE) as response:
        text = response.read().decode()
    counts: Counter[str] = Counter()
    for line in text.splitlines():
        if line.startswith("weir_failed_attempts_total{"):
            counts[line.partition('endpoint="')[2].partition('"')[0]] += int(float(line.rpartition(" ")[2]))
    return counts


def _seen(
    times: Times, pair: _Pair, answers: list[Answer], after: Answer, log: list[dict[str, Any]], failed: dict[str, int]
) -> Seen:
    asked = _own(pair.fallback, f"{pair.name}-fallback")[:-1]  # the last is the next call's
    own = [line for line in log if line["name"] == pair.name]
    counted = {name: count for name, count in failed.items() if name.startswith(pair.name)}
    return Seen(times, answers, after, _own(pair.primary, pair.name), asked, own, counted)
