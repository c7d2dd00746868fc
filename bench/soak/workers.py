"""The gateway's processes: killed with what they served noted, and watched for memory, descriptors and zombies."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.processes import tree

_PATIENCE_SECONDS = 10.0
_ESTABLISHED, _LISTENS = "01", "0A"


@dataclass(frozen=True)
class Kill:
    """One worker that was killed: when (monotonic seconds), and the clients' ports of the connections that it had."""

    pid: int
    at: float
    ports: frozenset[int]


class Workers:
    """Those of one master."""

    def __init__(self, master: int, gateway_port: int, provider_port: int) -> None:
        self.master = master
        self.kills: list[Kill] = []
        self.gateway, self._provider = gateway_port, provider_port

    def pids(self) -> list[int]:
        """The workers that run now."""
        return sorted(
            stat.pid for stat in tree(self.master).values() if stat.parent == self.master and stat.state != "Z"
        )

    def zombies(self) -> set[int]:
        """Processes that have ended and that nobody has waited for."""
        return {stat.pid for stat in tree(self.master).values() if stat.state == "Z"}

    def kill(self, pid: int) -> None:
        """SIGKILL, once it stands still and it is known whom it serves."""
        os.kill(pid, signal.SIGSTOP)
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while tree(pid)[pid].state not in "TtZ" and time.monotonic() < deadline:
            time.sleep(0.001)
        served = frozenset(conn.remote for conn in connections(pid) if conn.local == self.gateway)
        self.kills.append(Kill(pid, time.monotonic(), served))
        os.kill(pid, signal.SIGKILL)

    def explain(self, port: int, began: float, ended: float) -> bool:
        """Whether a connection that broke between these moments was one of a worker that was killed meanwhile."""
        return any(port in kill.ports and began <= kill.at <= ended for kill in self.kills)

    def descriptors(self, pid: int) -> Counter[str]:
        """A worker's open descriptors: `files` (all but connections), and the connections by whom they are to."""
        known = Counter(self._side(conn) for conn in connections(pid))
        return known + Counter(files=len(_links(pid)) - sum(known.values()))

    def _side(self, conn: Connection) -> str:
        if conn.state != _ESTABLISHED:
            return f"state {conn.state}"
        if conn.local == self.gateway:
            return "of clients"
        return "to the provider" if conn.remote == self._provider else "others"

    def shared_files(self) -> tuple[int, int]:
        """Of the directory that workers share: files and bytes, as blocks that are used."""
        for pid in self.pids():
            for link in _links(pid).values():
                if link.endswith(".db") and "/metrics/" in link:
                    stats = [file.stat() for file in Path(link).parent.iterdir()]
                    return len(stats), sum(stat.st_blocks * 512 for stat in stats)
        return 0, 0


@dataclass(frozen=True)
class Connection:
    """A TCP socket that is no listener."""

    state: str
    local: int
    remote: int


def connections(pid: int) -> list[Connection]:
    """A process's, whatever their state but listening."""
    known = {}
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            fields = line.split()
            local, remote = (int(fields[at].rpartition(":")[2], 16) for at in (1, 2))
            known[f"socket:[{fields[9]}]"] = Connection(fields[3], local, remote)
    mine = (known.get(link) for link in _links(pid).values())
    return [conn for conn in mine if conn and conn.state != _LISTENS]


def _links(pid: int) -> dict[str, str]:
    """What each descriptor is."""
    links = {}
    with suppress(OSError):
        for entry in os.scandir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                links[entry.name] = os.readlink(entry.path)
    return links
