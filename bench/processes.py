"""Processes of a measurement: started, watched through /proc, and ended by their ids whatever happens."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

START_SECONDS = 180.0
STOP_SECONDS = 5.0
_TICKS = os.sysconf("SC_CLK_TCK")


class BenchError(Exception):
    """The measurement could not be made; the message says why."""


def free_port() -> int:
    """A port of 127.0.0.1 that nothing uses now."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str], log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The command's process, with its output in `log`; ended with all its descendants on the way out."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # so that ctrl-C is ours alone to handle, and orphans can be found
            env={**os.environ, **(env or {})},
            cwd=cwd,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ask the root to end, give the tree its time, and kill what is left of it, by the ids noted before."""
    noted = {pid: stat.started for pid, stat in tree(process.pid).items()}
    process.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    while _left(process, noted) and time.monotonic() < deadline:
        time.sleep(0.05)
    for pid in _left(process, noted):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def _left(process: subprocess.Popen[bytes], noted: Mapping[int, int]) -> list[int]:
    process.poll()  # a zombie of ours is not running any more
    now = {stat.pid: stat for stat in _all()}
    return [
        pid for pid, started in noted.items() if pid in now and now[pid].started == started and now[pid].state != "Z"
    ]


@dataclass(frozen=True)
class Stat:
    """What /proc/<pid>/stat says of a process. `started` tells it from a later one with the same id."""

    pid: int
    parent: int
    session: int
    state: str
    started: int
    ticks: int
    """User and system time, its own and its ended children's."""


def _all() -> Iterator[Stat]:
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            with suppress(OSError):
                fields = (directory / "stat").read_text().rpartition(")")[2].split()
                times = sum(int(field) for field in fields[11:15])
                yield Stat(int(directory.name), int(fields[1]), int(fields[3]), fields[0], int(fields[19]), times)


def tree(root: int) -> dict[int, Stat]:
    """The process, all of its session, and all their descendants, by id: an orphan is still in the session."""
    stats = {stat.pid: stat for stat in _all()}
    found = {pid for pid, stat in stats.items() if root in (pid, stat.session)}
    while more := {pid for pid, stat in stats.items() if stat.parent in found} - found:
        found |= more
    return {pid: stats[pid] for pid in found}


def cpu_seconds(root: int) -> float:
    """User and system time that the process and its descendants have used so far."""
    return sum(stat.ticks for stat in tree(root).values()) / _TICKS


def memory_bytes(root: int) -> int:
    """Memory of the process and its descendants, shared pages counted once (PSS)."""
    total = 0
    for pid in tree(root):
        with suppress(OSError):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)
    return total


def wait_until_up(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    """Return when a GET of the path is answered below 500; BenchError, with the end of the log, when it never is."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError, HTTPException), closing(HTTPConnection("127.0.0.1", port, timeout=2)) as connection:
            connection.request("GET", path)
            if connection.getresponse().status < 500:
                return
        time.sleep(0.02)
    end = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
    raise BenchError(f"{process.args!r} did not come up on port {port}; the end of its output:\n{end}")
