"""A changed file becomes the new snapshot; a broken one leaves the old serving and says so."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from app.config.load import load
from app.config.snapshot import Snapshot
from app.errors import ConfigError

log = logging.getLogger("weir.config")

EVERY_SECONDS = 0.6
"""Between two looks at the files. A look is a stat of each: it follows symlinks, so Kubernetes' swaps are seen.

A change is read at the second look that finds it as the first did: then nobody is writing it any more.
"""

Mark = tuple[int, int, int, int]
"""What tells one state of a file from another: inode, both times of change, size; zeros where there is no file."""


class Live:
    """The snapshot that serves now. A request reads `snapshot` once and keeps what it got."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: tuple[str, ...] = ()
        """What is wrong with the file as it is now; empty while the file is what serves."""
        self._marks: dict[Path, Mark] = {}  # as they were read
        self._seen: dict[Path, Mark] = {}  # when it was last asked whether they are settled
        self.snapshot: Snapshot = self._load()

    def watch(self, changed: Callable[[], None] = lambda: None) -> None:
        """Look at the files from a daemon thread from now on; call `changed` after each reload, good or bad."""
        threading.Thread(target=self._watch, args=(changed, threading.Event()), name="config", daemon=True).start()

    def look(self) -> bool:
        """Reload if a file has changed, or is broken still: what it lacks may lie elsewhere. True for a new outcome."""
        marks = _marks(self._marks)
        if marks == self._marks and not self.problems:
            return False
        self._marks = marks
        try:
            self._serve(self._load())
        except ConfigError as error:
            return self._complain(error)
        return True

    def look_when_settled(self) -> bool:
        """Look, unless a file has changed since the last time: somebody may still be writing it."""
        before, self._seen = self._seen, _marks(self._marks)
        return self._seen == before and self.look()

    def _serve(self, snapshot: Snapshot) -> None:
        before, self.snapshot, self.problems = self.snapshot, snapshot, ()
        log.info("%s was reloaded: %d endpoints", self.path, len(snapshot.endpoints))
        if (before.network, before.limits_storage) != (snapshot.network, snapshot.limits_storage):
            log.warning("transport, proxies, ca_bundle and limits_storage change only when the gateway is started anew")

    def _complain(self, error: ConfigError) -> bool:
        """Once for each state of the file; the snapshot stays."""
        if self.problems == error.problems:
            return False
        self.problems = error.problems
        log.error("%s is not valid; the configuration before it goes on serving:\n%s", self.path, error)
        return True

    def _load(self) -> Snapshot:
        """Load, and remember the files as they were before: a change during the load is seen at the next look."""
        before = _marks([self.path, *self._marks])
        snapshot = load(self.path)
        self._marks = _marks(snapshot.files) | {path: before[path] for path in snapshot.files if path in before}
        return snapshot

    def _watch(self, changed: Callable[[], None], never: threading.Event) -> None:
        while not never.wait(EVERY_SECONDS):
            self._look_safely(changed)

    def _look_safely(self, changed: Callable[[], None]) -> None:
        try:
            if self.look_when_settled():
                changed()
        except Exception:  # the thread must outlive whatever a look meets
            log.exception("the configuration could not be looked at")


def _marks(files: Iterable[Path]) -> dict[Path, Mark]:
    return {path: _mark(path) for path in files}


def _mark(path: Path) -> Mark:
    try:
        stat = path.stat()
    except OSError:
        return 0, 0, 0, 0
    return stat.st_ino, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size
