"""The entries of `routes:`: traffic that is split over endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.config.names import Names
from app.config.problems import Problems
from app.config.schema import RouteSchema
from app.config.snapshot import Endpoint, TrafficRoute
from app.config.source import Path

_ENTRY = RouteSchema()


class RouteReader:
    """Reads entries of one file."""

    def __init__(self, problems: Problems, endpoints: Mapping[str, Endpoint], names: Names) -> None:
        """`endpoints` are those that are right; `names` are of all that the file has."""
        self._problems, self._endpoints, self._names = problems, endpoints, names

    def read(self, raw: Any, path: Path) -> TrafficRoute | None:
        """The route; None, with the problems noted, if anything about it or its endpoints is wrong."""
        entry = self._problems.load(_ENTRY, raw, path)
        arms = raw.get("destinations") if isinstance(raw, dict) else None
        if not isinstance(arms, list):
            return None
        for index, arm in enumerate(arms):
            if isinstance(arm, dict):
                self._names.check(arm.get("name"), raw.get("task_type"), (*path, "destinations", index, "name"))
        self._names.check_all(raw.get("fallbacks"), raw.get("task_type"), (*path, "fallbacks"))
        if entry is None:
            return None
        return self._route(entry, (*path, "destinations"))

    def _route(self, entry: Mapping[str, Any], path: Path) -> TrafficRoute | None:
        total = sum(arm["traffic_percentage"] for arm in entry["destinations"])
        if total != 100:
            self._problems.add(path, f"the traffic percentages of route '{entry['name']}' add up to {total}, not 100")
        if any(arm["name"] not in self._endpoints for arm in entry["destinations"]):
            return None
        arms = tuple((self._endpoints[arm["name"]], arm["traffic_percentage"]) for arm in entry["destinations"])
        fallbacks = (self._endpoints.get(name) for name in entry.get("fallbacks", []))
        return TrafficRoute(entry["name"], entry["task_type"], arms, tuple(filter(None, fallbacks)))
