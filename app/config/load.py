"""Reading endpoints.yaml: every problem at once, each with its place, or one snapshot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from app.config import source
from app.config.endpoints import EndpointReader
from app.config.names import Names
from app.config.network import network
from app.config.problems import Problems
from app.config.routes import RouteReader
from app.config.schema import FileSchema
from app.config.settings import SettingsReader
from app.config.snapshot import Endpoint, Snapshot, TrafficRoute
from app.errors import ConfigError

_FILE = FileSchema()

_OPTIONS = ("keep_alive", "max_body", "max_in_flight", "session_header", "limits_storage")


def load(path: Path) -> Snapshot:
    """Read and check a file. Raises ConfigError with every problem that it has."""
    read = source.read(path)
    if not isinstance(read.data, dict):
        raise ConfigError([f"{read.place(())}: the file should be a mapping with the key 'endpoints'"])
    problems = Problems(read)
    snapshot = _snapshot(read.data, path, problems)
    problems.raise_any()
    return snapshot


def _snapshot(data: Mapping[str, Any], path: Path, problems: Problems) -> Snapshot:
    """What there is of a snapshot; it is worth something only if there are no problems."""
    settings = SettingsReader(problems)
    file = settings.read(data, _FILE, ()) or {}
    if data.get("endpoints") is None:  # nothing at all, too: a file that is cut short there is not an empty one
        problems.add(
            ("endpoints",) if "endpoints" in data else (), "the key 'endpoints' is missing or empty; say [] for none"
        )
    types = {entry["name"]: entry.get("endpoint_type") for _, entry in _entries(data, "endpoints") if _name(entry)}
    names = Names(problems, types)
    names.check_all(file.get("fallbacks"), None, ("fallbacks",))
    endpoints = _endpoints(data, EndpointReader(problems, settings, names, file))
    routes = _routes(data, problems, endpoints, names)
    _check_names(data, problems)
    return Snapshot(
        MappingProxyType(endpoints), MappingProxyType(routes), network=network(file, problems),
        files=(path, *settings.files), warnings=tuple(_warnings(endpoints.values())),
        **{key: file[key] for key in _OPTIONS if key in file},
    )  # fmt: skip


def _endpoints(data: Mapping[str, Any], reader: EndpointReader) -> dict[str, Endpoint]:
    read = [reader.read(entry, ("endpoints", index)) for index, entry in _entries(data, "endpoints")]
    return reader.with_fallbacks({endpoint.name: endpoint for endpoint in read if endpoint})


def _routes(
    data: Mapping[str, Any], problems: Problems, endpoints: Mapping[str, Endpoint], names: Names
) -> dict[str, TrafficRoute]:
    reader = RouteReader(problems, endpoints, names)
    read = [reader.read(entry, ("routes", index)) for index, entry in _entries(data, "routes")]
    return {route.name: route for route in read if route}


def _check_names(data: Mapping[str, Any], problems: Problems) -> None:
    """Endpoints and routes share their URLs, so they share their names."""
    named = [(kind, index, _name(entry)) for kind in ("endpoints", "routes") for index, entry in _entries(data, kind)]
    counts = Counter(name for _, _, name in named)
    for kind, index, name in named:
        if name and counts[name] > 1:
            problems.add((kind, index, "name"), f"'{name}' names more than one endpoint or route")


def _entries(data: Mapping[str, Any], kind: str) -> Iterator[tuple[int, Any]]:
    entries = data.get(kind)
    return iter(enumerate(entries if isinstance(entries, list) else []))


def _name(entry: Any) -> str | None:
    name = entry.get("name") if isinstance(entry, dict) else None
    return name if isinstance(name, str) else None


def _warnings(endpoints: Iterable[Endpoint]) -> Iterator[str]:
    for endpoint in endpoints:
        if endpoint.provider.retired:
            yield f"endpoint '{endpoint.name}': {endpoint.provider.retired}"
