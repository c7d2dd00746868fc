"""MLflow's `limit`: one count per endpoint, over all workers, URLs and routes.

The `limits` library counts; where nothing else is configured, in a SQLite file that the workers of this machine share.
"""

from __future__ import annotations

import logging
import math
import os
import sqlite3
import threading
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from limits import RateLimitItem, parse
from limits.errors import ConfigurationError
from limits.storage import Storage, storage_from_string

from app.config import Endpoint, Limit
from app.errors import ConfigError, LimitExceeded
from app.telemetry import metrics

log = logging.getLogger("weir.limits")


class Limiter:
    """Counts invocations. A store that fails lets them through, and says so: it is not the caller's problem."""

    def __init__(self, storage: str) -> None:
        """`storage` is a URL: `weir-sqlite:///path`, `redis://host:port/0`. Raises ConfigError if it is of no use."""
        try:
            self._storage: Storage = storage_from_string(storage, **_options(storage))  # type: ignore[assignment]
        except (ConfigurationError, ImportError, ValueError, sqlite3.Error) as error:
            kind = storage.partition(":")[0]  # not the whole URL: it may hold a password
            words = f"limits_storage: '{kind}' cannot be used ({type(error).__name__})"
            raise ConfigError([f"{words}; for Redis: pip install 'weir[redis]'"]) from None

    def hit(self, endpoint: Endpoint) -> Mapping[str, str]:
        """Count one invocation; the X-RateLimit headers to answer with. Raises LimitExceeded."""
        if endpoint.limit is None:
            return {}
        item = _item(endpoint.limit)
        key = item.key_for(endpoint.name)
        try:
            count = self._storage.incr(key, item.get_expiry())
            reset = self._storage.get_expiry(key)
        except Exception:  # whatever the store's client raises
            log.exception("the limits' store failed; endpoint '%s' was not counted", endpoint.name)
            metrics.LIMITS_ERRORS.inc()
            return {}
        headers = _headers(endpoint.limit, count, reset)
        if count > endpoint.limit.calls:
            raise LimitExceeded(_words(endpoint), headers={**headers, "Retry-After": headers["X-RateLimit-Reset"]})
        return headers

    def close(self) -> None:
        """Let go of the store, where it holds on to something."""
        if isinstance(self._storage, SharedFile):
            self._storage.close()


def _options(storage: str) -> dict[str, Any]:
    """A Redis that is silent must not make callers wait: one second, and one more try for a connection gone stale."""
    if not storage.startswith("redis"):
        return {}
    from redis.backoff import NoBackoff  # optional: only who configures Redis has it
    from redis.retry import Retry

    return {"socket_timeout": 1.0, "socket_connect_timeout": 1.0, "retry": Retry(NoBackoff(), 1)}


def _item(limit: Limit) -> RateLimitItem:
    item = parse(f"1 per {limit.multiples} {limit.granularity}")
    return type(item)(limit.calls, limit.multiples)  # `parse` takes no 0 calls


def _headers(limit: Limit, count: int, reset: float) -> dict[str, str]:
    """Reset is in seconds from now, and not too early: a client's clock may differ from ours."""
    return {
        "X-RateLimit-Limit": str(limit.calls),
        "X-RateLimit-Remaining": str(max(0, limit.calls - count)),
        "X-RateLimit-Reset": str(max(1, math.ceil(reset - time.time()))),
    }


def _words(endpoint: Endpoint) -> str:
    limit = endpoint.limit
    assert limit is not None
    return (
        f"Rate limit exceeded: {limit.calls} per {limit.multiples} {limit.granularity} for endpoint '{endpoint.name}'"
    )


class SharedFile(Storage):
    """A `limits` storage in a SQLite file: a count is one statement, so a killed worker leaves no half of one."""

    STORAGE_SCHEME = ["weir-sqlite"]

    def __init__(self, uri: str, wrap_exceptions: bool = False, **options: Any) -> None:
        super().__init__(uri, wrap_exceptions, **options)
        self._path = Path(uri.removeprefix("weir-sqlite://"))
        self._expires: dict[str, float] = {}
        self._lock = threading.Lock()
        self._db: sqlite3.Connection | None = None
        self._pid = 0
        self._make()

    @property
    def base_exceptions(self) -> type[Exception]:
        return sqlite3.Error

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        """Add to a key's count, which begins anew when its window is over; the count after it."""
        now = time.time()
        rows = self._run(
            """INSERT INTO counts VALUES (:key, :amount, :now + :expiry)
               ON CONFLICT (key) DO UPDATE SET
                   count = CASE WHEN expires <= :now THEN :amount ELSE count + :amount END,
                   expires = CASE WHEN expires <= :now THEN :now + :expiry ELSE expires END
               RETURNING count, expires""",
            {"key": key, "amount": amount, "now": now, "expiry": expiry},
        )
        self._expires[key] = rows[0][1]
        return int(rows[0][0])

    def get(self, key: str) -> int:
        """A key's count; 0 once its window is over."""
        rows = self._run("SELECT count FROM counts WHERE key = ? AND expires > ?", (key, time.time()))
        return int(rows[0][0]) if rows else 0

    def get_expiry(self, key: str) -> float:
        """When a key's window ends, in seconds since the epoch."""
        if (known := self._expires.get(key, 0.0)) > time.time():  # a window's end does not move
            return known
        rows = self._run("SELECT expires FROM counts WHERE key = ?", (key,))
        return float(rows[0][0]) if rows else time.time()

    def check(self) -> bool:
        """Whether the store can be used."""
        try:
            self._run("SELECT 1")
        except sqlite3.Error:
            return False
        return True

    def reset(self) -> int | None:
        """Forget every count."""
        self._expires.clear()
        self._run("DELETE FROM counts")
        return None

    def clear(self, key: str) -> None:
        """Forget a key's count."""
        self._expires.pop(key, None)
        self._run("DELETE FROM counts WHERE key = ?", (key,))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._db is not None and self._pid == os.getpid():
                self._db.close()
            self._db = None

    def _run(self, statement: str, values: Any = ()) -> list[Any]:
        with self._lock:
            if self._db is None or self._pid != os.getpid():  # a connection must not cross a fork
                self._db, self._pid = self._open(), os.getpid()
            return self._db.execute(statement, values).fetchall()

    def _open(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._path, timeout=1.0, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA synchronous = OFF")  # what is counted need not survive the machine
        return db

    def _make(self) -> None:
        """Make the file, before there are workers: two that did so at once would not wait for each other."""
        with closing(self._open()) as db:
            db.execute("PRAGMA journal_mode = WAL")  # survives a killed process
            db.execute(
                "CREATE TABLE IF NOT EXISTS counts (key TEXT PRIMARY KEY, count INTEGER, expires REAL) WITHOUT ROWID"
            )
