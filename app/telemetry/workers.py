"""Numbers of several workers in one directory, a file each: what one that is gone has counted goes on counting."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, multiprocess
from prometheus_client.mmap_dict import MmapedDict

_SUMMED = ("counter", "histogram")
"""Kinds whose values add up; gauges are the living's alone."""


def inherit(pid: int) -> None:
    """Add the numbers of a worker that is gone to those of all such, and remove its files: each birth makes some."""
    directory = _directory()
    multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
    with _lock(directory, fcntl.LOCK_EX):
        for kind in _SUMMED:
            own = directory / f"{kind}_{pid}.db"
            if own.exists() and own.stat().st_size:
                _add(own, directory / f"{kind}_gone.db")
            own.unlink(missing_ok=True)


def registry() -> CollectorRegistry:
    """Every worker's numbers, the living's and the others'."""
    held = CollectorRegistry()
    _Workers(held)  # type: ignore[no-untyped-call]
    return held


class _Workers(multiprocess.MultiProcessCollector):
    """The library's collector, but for files that are still empty: a worker has just been born, or died as it was."""

    def collect(self) -> Iterable[Metric]:
        directory = Path(self._path)
        with _lock(directory, fcntl.LOCK_SH):  # else a file could be there twice, or not at all
            written = [str(file) for file in directory.glob("*.db") if file.stat().st_size]
            metrics: Iterable[Metric] = self.merge(written, accumulate=True)  # type: ignore[no-untyped-call]
        return metrics


def _add(file: Path, to: Path) -> None:
    total = MmapedDict(str(to))  # type: ignore[no-untyped-call]
    for key, value, timestamp, _ in MmapedDict.read_all_values_from_file(str(file)):  # type: ignore[no-untyped-call]
        before, _ = total.read_value(key)  # type: ignore[no-untyped-call]
        total.write_value(key, before + value, timestamp)  # type: ignore[no-untyped-call]
    total.close()  # type: ignore[no-untyped-call]


@contextmanager
def _lock(directory: Path, kind: int) -> Iterator[None]:
    with open(directory / "lock", "ab") as file:  # closing it lets go
        fcntl.flock(file, kind)
        yield


def _directory() -> Path:
    return Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])  # prometheus_client itself reads it, at import
