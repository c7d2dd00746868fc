"""gunicorn's threaded worker."""

from __future__ import annotations

from gunicorn.workers.gthread import ThreadWorker  # type: ignore[import-untyped]

from app.workers.refusing import RefusesInJson
from app.workers.settled import SettledConfig


class Worker(SettledConfig, RefusesInJson, ThreadWorker):  # type: ignore[misc]
    """A thread for each request in flight, and for each stream as long as it lasts."""
