"""The entries of `routes:`: traffic that is split over endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.config.problems import Problems
from app.config.schema import RouteSchema
from app.config.snapshot import Endpoint, TrafficRoute
from app.config.source import Path
from app.providers.settings import nearest

_ENTRY = RouteSchema()


class RouteReader:
    """Reads entries of one file."""

    def __init__(self, problems: Problems, endpoints: Mapping[str, Endpoint], types: Mapping[str, Any]) -> None:
        """`endpoints` are those that are right; `types` the endpoint types of all that the file names."""
        self._problems, self._endpoints, self._types = problems, endpoints, types

    def read(self, raw: Any, path: Path) -> TrafficRoute | None:
        """The route; None, with the problems noted, if anything about it or its endpoints is wrong."""
        entry = self._problems.load(_ENTRY, raw, path)
        arms = raw.get("destinations") if isinstance(raw, dict) else None
        if not isinstance(arms, list):
            return None
        for index, arm in enumerate(arms):
            if isinstance(arm, dict):
                self._check_name(arm.get("name"), raw.get("task_type"), (*path, "destinations", index, "name"))
        if entry is None:
            return None
        return self._route(entry, (*path, "destinations"))

    def _check_name(self, name: Any, task_type: Any, path: Path) -> None:
        if not isinstance(name, str):
            return
        if name not in self._types:
            self._problems.add(path, f"there is no endpoint '{name[:100]}'{nearest(name, self._types)}")
        elif isinstance(self._types[name], str) and isinstance(task_type, str) and self._types[name] != task_type:
            self._problems.add(path, f"endpoint '{name}' is {self._types[name]}, but the route is {task_type[:100]}")

    def _route(self, entry: Mapping[str, Any], path: Path) -> TrafficRoute | None:
        total = sum(arm["traffic_percentage"] for arm in entry["destinations"])
        if total != 100:
            self._problems.add(path, f"the traffic percentages of route '{entry['name']}' add up to {total}, not 100")
        if any(arm["name"] not in self._endpoints for arm in entry["destinations"]):
            return None
        arms = tuple((self._endpoints[arm["name"]], arm["traffic_percentage"]) for arm in entry["destinations"])
        return TrafficRoute(entry["name"], entry["task_type"], arms)
