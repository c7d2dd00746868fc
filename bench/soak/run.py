"""One soak: the load, the kills and the reloads beside each other, then the quiet in which nothing may be left over."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import memory_bytes
from bench.soak import figures
from bench.soak.calls import Call, Mix
from bench.soak.client import Clients, Heard
from bench.soak.configuration import File
from bench.soak.figures import Figures, Memory
from bench.soak.pulse import Beat, Pulse, starved
from bench.soak.verdict import ERROR, ERROR_EVENT, KILLED, LEFT, STARVED, VIOLATION, Verdict, against, judge
from bench.soak.workers import Workers

MOST_AT_ONCE = 600
SAMPLE_SECONDS = 5.0
CALM_SECONDS = 20.0
"""After the load, for what is in flight and for what is to be let go: longer than the provider may be silent."""
GROWTH, GROWTH_WITH_KILLS = 0.08, 0.15
"""Shares by which memory may be more in a phase's last quarter than in its second."""
SPARE_BYTES = 4_000_000
JUDGED_SECONDS = 120.0
"""A shorter phase does not tell growth from warming up."""
SPARE_FILES = 3
"""Descriptors that a worker may have more at the end than the first ones had after their first calls."""
_SHOWN = 30
"""Violations that are printed whole."""


@dataclass(frozen=True)
class Options:
    """See python -m bench.soak --help."""

    minutes: float
    quiet_minutes: float
    rate: float
    faults: float
    kill_every: float
    reload_every: float
    worker_class: str
    workers: int
    seed: int
    log: Path | None


class Soak:
    """One run against one gateway that is up."""

    def __init__(self, options: Options, provider: int, file: File, workers: Workers) -> None:
        """`provider` is its port."""
        self._options, self._provider, self._file, self._workers = options, provider, file, workers
        self._port = workers.gateway
        self._clients, self._mix = Clients(self._port), Mix(options.seed)
        self._chance = random.Random(options.seed)
        self._figures = Figures()
        self._memory: list[Memory] = []
        self._violations: list[str] = []
        self._starved: list[tuple[Call, Heard, Verdict]] = []
        self._pulse = Pulse()
        self._skipped = 0
        self._began = 0.0

    async def run(self) -> list[str]:
        """All of it. Prints the figures; returns the violations."""
        await self._warm_up()
        before = {pid: self._workers.descriptors(pid) for pid in self._workers.pids()}
        self._began = time.monotonic()
        loud = (self._options.minutes - self._options.quiet_minutes) * 60
        beside = [
            asyncio.create_task(self._pulse.beat()),
            asyncio.create_task(self._change_file()),
            asyncio.create_task(self._look()),
            asyncio.create_task(self._kill_until(loud)),
        ]
        await self._load(self._options.minutes * 60)
        for task in beside:
            task.cancel()
        done = await asyncio.gather(*beside, return_exceptions=True)
        self._violations += [f"the soak itself failed: {fault!r}" for fault in done if isinstance(fault, Exception)]
        await self._calm()
        await self._report(before, loud)
        return self._violations

    async def _warm_up(self) -> None:
        """A few calls for each worker, so that it has opened what it keeps open."""
        await asyncio.gather(*(self._one(self._mix.next()) for _ in range(100)))
        self._figures = Figures()
        self._clients.close()
        await asyncio.sleep(0.5)

    async def _load(self, seconds: float) -> None:
        """Calls at random moments, whoever still waits."""
        tasks: set[asyncio.Task[None]] = set()
        due = time.monotonic()
        while (now := time.monotonic()) < self._began + seconds:
            due += self._chance.expovariate(self._options.rate)
            if due > now:
                await asyncio.sleep(due - now)
            if len(tasks) >= MOST_AT_ONCE:
                self._skipped += 1
                continue
            task = asyncio.create_task(self._one(self._mix.next()))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.gather(*tasks)

    async def _one(self, call: Call) -> None:
        heard = await self._clients.ask(call)
        verdict = await self._verdict(call, heard)
        self._figures.note(call, heard, verdict)
        if verdict.outcome == VIOLATION:
            await self._violated(call, heard, verdict)
        elif verdict.outcome == STARVED:
            self._starved.append((call, heard, verdict))

    async def _verdict(self, call: Call, heard: Heard) -> Verdict:
        if heard.how == "left":
            return Verdict(LEFT)
        if heard.how != "whole":
            is_killed = self._workers.explain(heard.port, heard.began, heard.ended)
            return Verdict(KILLED if is_killed else VIOLATION, heard.how)
        verdict = judge(call, heard)
        if verdict.outcome in (ERROR, ERROR_EVENT):
            return against(call, verdict, await self._told(call))
        return verdict

    async def _violated(self, call: Call, heard: Heard, verdict: Verdict) -> None:
        self._violations.append(f"{call}: {verdict.why}")
        if len(self._violations) > _SHOWN:
            return
        body = bytes(heard.body)
        shown = body if len(body) < 1200 else body[:500] + b" ... " + body[-700:]
        took = f"{heard.ended - heard.began:.3f} s, began {heard.began - self._began:.1f} s after the start"
        told = await self._told(call)
        say(f"VIOLATION {call}\n  {verdict.why}\n  {took}, port {heard.port}\n  {heard.status} {heard.headers}")
        say(f"  {shown!r}\n  the provider's answers: {told}")

    async def _told(self, call: Call) -> list[str]:
        said: list[str] = await get(self._provider, f"/told/{call.wanted.number}")
        return said

    async def _kill_until(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(self._chance.uniform(0.5, 1.5) * self._options.kill_every)
            if time.monotonic() >= self._began + seconds:
                return
            pids = self._workers.pids()
            if len(pids) == self._options.workers:
                self._workers.kill(self._chance.choice(pids))
            else:
                say(f"not killed: there are {len(pids)} workers at the moment")

    async def _change_file(self) -> None:
        while True:
            await asyncio.sleep(self._options.reload_every)
            self._file.change()

    async def _look(self) -> None:
        """Memory, and zombies: one that is still there at the next look is one."""
        before: set[int] = set()
        while True:
            await asyncio.sleep(SAMPLE_SECONDS)
            used = await asyncio.get_running_loop().run_in_executor(None, memory_bytes, self._workers.master)
            self._memory.append(Memory(time.monotonic() - self._began, used))
            zombies = self._workers.zombies()
            self._violations += [f"process {pid} stays a zombie" for pid in zombies & before]
            before = zombies
            if len(self._memory) % 12 == 0:
                self._say_how_it_goes()

    def _say_how_it_goes(self) -> None:
        last, calls = self._memory[-1], self._figures.outcomes
        kills = len(self._workers.kills)
        say(f"{last.at / 60:5.1f} min  {last.bytes / 1e6:6.1f} MB  {kills} kills  {dict(calls.most_common())}")

    async def _calm(self) -> None:
        """Leave all connections, and wait until nothing goes on at the provider."""
        self._clients.close()
        deadline = time.monotonic() + CALM_SECONDS
        while time.monotonic() < deadline and (await get(self._provider, "/state"))["busy"]:
            await asyncio.sleep(0.2)
        await asyncio.sleep(2.0)

    async def _report(self, before: dict[int, Counter[str]], loud: float) -> None:
        state, worker_states = await get(self._provider, "/state"), await self._worker_states()
        after = {pid: self._workers.descriptors(pid) for pid in self._workers.pids()}
        late: list[Beat] = [*self._pulse.late, *state["late"]]
        for call, heard, verdict in self._starved:
            if not starved(late, heard.began, heard.ended):
                await self._violated(call, heard, verdict)
        self._check_provider(state, after)
        self._check_workers(before, after, worker_states)
        self._check_memory("with kills", [sample for sample in self._memory if sample.at <= loud], GROWTH_WITH_KILLS)
        self._check_memory("without kills", [sample for sample in self._memory if sample.at > loud], GROWTH)
        say("", *self._figures.lines())
        say(*await self._resumed())
        say(f"provider's answers: {dict(Counter(state['answers']).most_common())}")
        say(f"kills: {len(self._workers.kills)}; writes of the file: {self._file.writes}; not asked: {self._skipped}")
        say(f"memory: {', '.join(figures.at_minutes(self._memory, sorted({1, 5, 10, 15, 20, self._options.minutes})))}")
        files, size = self._workers.shared_files()
        say(f"the workers' shared files: {files}, {size / 1e6:.1f} MB")
        say("descriptors at the start:", *(f"  {pid}: {dict(known)}" for pid, known in before.items()))
        say("descriptors at the end:", *(f"  {pid}: {dict(known)}" for pid, known in after.items()))
        say(f"provider at the end: {state['open']} connections, {state['busy']} busy")
        worst = max((by for _, by in late), default=0.0)
        say(f"pauses of the machine that the soak itself felt: {len(late)}, the longest {worst:.1f} s")
        say(f"VIOLATIONS: {len(self._violations)}", *(f"  {words}" for words in self._violations[:100]))

    def _check_provider(self, state: dict[str, Any], after: dict[int, Counter[str]]) -> None:
        if state["busy"]:
            self._violations.append(f"{state['busy']} calls go on at the provider though nobody waits for them")
        if state["never_hung_up"]:
            self._violations.append(f"the provider was silent and not hung up on {state['never_hung_up']} times")
        kept = sum(known["to the provider"] for known in after.values())
        if state["open"] > kept:
            self._violations.append(f"the provider has {state['open']} connections, the workers {kept}")

    def _check_workers(
        self, before: dict[int, Counter[str]], after: dict[int, Counter[str]], states: dict[int, dict[str, Any]]
    ) -> None:
        if len(after) != self._options.workers or self._workers.zombies():
            self._violations.append(f"there are {len(after)} workers, and zombies: {self._workers.zombies()}")
        usual = max(known["files"] for known in before.values())
        for pid, known in after.items():
            others = {
                side: count for side, count in known.items() if side not in ("files", "to the provider") and count
            }
            if others:
                self._violations.append(f"worker {pid} has connections that nobody uses: {others}")
            if known["files"] > usual + SPARE_FILES:
                self._violations.append(f"worker {pid} has {known['files']} files open, at the start {usual}")
            in_flight = [state["in_flight"] for state in (states[pid], *states[pid]["endpoints"].values())]
            if any(in_flight):
                self._violations.append(f"worker {pid} counts calls in flight: {states[pid]}")

    def _check_memory(self, phase: str, samples: list[Memory], most: float) -> None:
        grown = figures.growth(samples)
        if not samples:
            return
        say(f"memory {phase}: {grown / 1e6:+.1f} MB from the second quarter's mean to the last's")
        is_long = samples[-1].at - samples[0].at >= JUDGED_SECONDS
        if is_long and grown > samples[len(samples) // 4].bytes * most + SPARE_BYTES:
            self._violations.append(f"memory grows {phase}: {grown / 1e6:+.1f} MB")

    async def _worker_states(self) -> dict[int, dict[str, Any]]:
        """What each worker says of itself: whoever is asked answers, so they are asked until all have."""
        states: dict[int, dict[str, Any]] = {}
        for _ in range(500):
            said = (await get(self._port, "/health/ready?verbose=1"))["worker"]
            states[said["pid"]] = said
            if len(states) >= self._options.workers:
                break
        return {pid: states.get(pid, {"in_flight": 0, "endpoints": {}}) for pid in self._workers.pids()}

    async def _resumed(self) -> list[str]:
        """The gateway's own count."""
        text = str(await get(self._port, "/metrics"))
        wanted = ("weir_resumed_streams_total", "weir_stream_events_dropped_total", "weir_log_lines_lost_total")
        return [line for line in text.splitlines() if line.startswith(wanted)]


async def get(port: int, path: str) -> Any:
    """A GET's JSON, or its text."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: soak\r\nConnection: close\r\n\r\n".encode())
        head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        return json.loads(body) if not path.startswith("/metrics") else _unchunked(head, body).decode()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _unchunked(head: bytes, body: bytes) -> bytes:
    if b"chunked" not in head.lower():
        return body
    parts = b""
    while body:
        size, _, rest = body.partition(b"\r\n")
        parts, body = parts + rest[: int(size, 16)], rest[int(size, 16) + 2 :]
    return parts


def say(*lines: str) -> None:
    """Print, at once: a soak is watched."""
    print("\n".join(lines), flush=True)
