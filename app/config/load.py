"""Reading endpoints.yaml: every problem at once, each with its place, or one snapshot."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from marshmallow import Schema, ValidationError

from app.call import Timeouts
from app.config import source as yaml_source
from app.config.schema import FileSchema, UnknownKey, parse_period
from app.config.secrets import Unresolved, resolve
from app.config.snapshot import Endpoint, Limit, Network, Snapshot, TrafficRoute
from app.config.source import Source
from app.errors import ConfigError
from app.providers import PROVIDERS, Provider, known_names

KeyPath = tuple[str | int, ...]

_FILE_SCHEMA = FileSchema()


def config_path() -> Path:
    """The file to read: GATEWAY_CONFIG, else MLflow's MLFLOW_GATEWAY_CONFIG, else endpoints.yaml in the current directory."""
    named = os.environ.get("GATEWAY_CONFIG") or os.environ.get("MLFLOW_GATEWAY_CONFIG")
    return Path(named or "endpoints.yaml")


def load(path: Path) -> Snapshot:
    """Read and check a file. Raises ConfigError with every problem that it has."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file"]) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([f"{path}: cannot be read: {error}"]) from None
    return _Reader(yaml_source.parse(text, str(path)), path).snapshot()


class _Reader:
    """One reading of one file: collects problems on the way to a snapshot."""

    def __init__(self, source: Source, path: Path) -> None:
        self.source = source
        self.problems: list[tuple[KeyPath, str]] = []
        self.files = [path]

    def snapshot(self) -> Snapshot:
        data = self.data()
        endpoints = self.endpoints(data)
        routes = self.routes(data, endpoints)
        self.unique_names(data)
        network = self.network(data)
        if self.problems:
            raise ConfigError([f"{self.source.place(path)}: {words}" for path, words in self.in_file_order()])
        options = {key: data[key] for key in ("keep_alive", "max_body", "limits_storage") if key in data}
        return Snapshot(
            MappingProxyType(endpoints), MappingProxyType(routes), network=network, files=tuple(self.files),
            warnings=tuple(_warnings(endpoints)), **options,
        )  # fmt: skip

    def in_file_order(self) -> list[tuple[KeyPath, str]]:
        lines = self.source.lines
        return sorted(self.problems, key=lambda problem: (lines.get(problem[0]) or lines.get(problem[0][:-1]) or 0))

    def data(self) -> dict[str, Any]:
        """The file's data as far as its shape is right; what is wrong with it is noted."""
        if not isinstance(self.source.data, dict):
            raise ConfigError([f"{self.source.place(())}: the file should be a mapping with the key 'endpoints'"])
        try:
            loaded: dict[str, Any] = _FILE_SCHEMA.load(self.source.data)
        except ValidationError as error:
            self.note(error.messages)
            raise ConfigError(
                [f"{self.source.place(path)}: {words}" for path, words in self.in_file_order()]
            ) from None
        for path, value, file in resolve(loaded, _FILE_SCHEMA):
            if isinstance(value, Unresolved):
                self.problems.append((path, str(value)))
            _put(loaded, path, value)
            self.files += [file] if file else []
        return loaded

    def note(self, messages: Any, path: KeyPath = ()) -> None:
        """Add marshmallow's nested messages to the problems."""
        if isinstance(messages, Mapping):
            for key, inner in messages.items():
                self.note(inner, path if key == "_schema" else (*path, key))
            return
        for message in messages if isinstance(messages, list) else [messages]:
            self.problems.append(_words(message, path))

    def endpoints(self, data: Mapping[str, Any]) -> dict[str, Endpoint]:
        defaults = data.get("timeouts", {})
        found = {}
        for index, entry in enumerate(data["endpoints"] or []):
            endpoint = self.endpoint(entry, ("endpoints", index), defaults)
            if endpoint:
                found[endpoint.name] = endpoint
        return found

    def endpoint(self, entry: Mapping[str, Any], path: KeyPath, timeouts: Mapping[str, float]) -> Endpoint | None:
        provider = self.provider(entry["model"]["provider"], (*path, "model", "provider"))
        if provider is None:
            return None
        translator = provider.translators.get(entry["endpoint_type"])
        if translator is None:
            can = ", ".join(provider.translators)
            self.problems.append(((*path, "endpoint_type"), f"provider '{provider.name}' has no {entry['endpoint_type']}; it has {can}"))
            return None
        settings = self.settings(entry["model"].get("config") or {}, provider.settings(), (*path, "model", "config"))
        if settings is None:
            return None
        model = entry["model"].get("name")
        return Endpoint(
            name=entry["name"], type=entry["endpoint_type"], provider=provider, model=model, settings=settings,
            translator=translator, url=provider.url(settings, model or "", translator.path),
            timeouts=Timeouts(**{**timeouts, **entry.get("timeouts", {})}), limit=_limit(entry.get("limit")),
        )  # fmt: skip

    def provider(self, name: str, path: KeyPath) -> Provider | None:
        """The provider of that name; case, `-` and `_` make no difference, as in MLflow."""
        provider = PROVIDERS.get(name.lower().replace("_", "-"))
        if provider is None:
            self.problems.append((path, f"unknown provider '{name}'{_nearest(name, known_names())}"))
        return provider

    def settings(self, raw: Mapping[str, Any], schema: Schema, path: KeyPath) -> Mapping[str, Any] | None:
        """The provider's settings with secrets resolved, checked; None, with the problems noted, if they are wrong."""
        resolved, unresolved = _copy(raw), []
        for inner, value, file in resolve(raw, schema):
            if isinstance(value, Unresolved):
                unresolved.append((*path, *inner))
                self.problems.append(((*path, *inner), str(value)))
            else:
                _put(resolved, inner, value)
            self.files += [file] if file else []
        try:
            loaded = schema.load(resolved)
        except ValidationError as error:
            self.note_settings(error.messages, schema, path)
            return None
        return None if unresolved else MappingProxyType(loaded)

    def note_settings(self, messages: Any, schema: Schema, path: KeyPath) -> None:
        for key, inner in messages.items():
            known = inner == [schema.error_messages["unknown"]]
            self.note(UnknownKey(tuple(schema.fields)) if known else inner, path if key == "_schema" else (*path, key))

    def routes(self, data: Mapping[str, Any], endpoints: Mapping[str, Endpoint]) -> dict[str, TrafficRoute]:
        found = {}
        declared = {entry["name"] for entry in data["endpoints"] or []}
        for index, entry in enumerate(data.get("routes") or []):
            path: KeyPath = ("routes", index, "destinations")
            total = sum(destination["traffic_percentage"] for destination in entry["destinations"])
            if total != 100:
                self.problems.append((path, f"the traffic percentages of route '{entry['name']}' add up to {total}, not 100"))
            arms = [self.destination(arm, entry, endpoints, declared, (*path, at, "name")) for at, arm in enumerate(entry["destinations"])]
            if all(arms):
                found[entry["name"]] = TrafficRoute(entry["name"], entry["task_type"], tuple(filter(None, arms)))
        return found

    def destination(
        self, arm: Mapping[str, Any], route: Mapping[str, Any], endpoints: Mapping[str, Endpoint], declared: set[str], path: KeyPath
    ) -> tuple[Endpoint, int] | None:
        endpoint = endpoints.get(arm["name"])
        if arm["name"] not in declared:
            self.problems.append((path, f"there is no endpoint '{arm['name']}'{_nearest(arm['name'], sorted(declared))}"))
        elif endpoint is not None and endpoint.type != route["task_type"]:
            self.problems.append((path, f"endpoint '{endpoint.name}' is {endpoint.type}, but the route is {route['task_type']}"))
        return (endpoint, arm["traffic_percentage"]) if endpoint else None

    def unique_names(self, data: Mapping[str, Any]) -> None:
        entries = [("endpoints", i, e) for i, e in enumerate(data["endpoints"] or [])]
        entries += [("routes", i, e) for i, e in enumerate(data.get("routes") or [])]
        counts = Counter(entry["name"] for _, _, entry in entries)
        for kind, index, entry in entries:
            if counts[entry["name"]] > 1:
                self.problems.append(((kind, index, "name"), f"'{entry['name']}' names more than one endpoint or route"))

    def network(self, data: Mapping[str, Any]) -> Network:
        """Proxies and trust from the file or, where it is silent, from the environment variables that curl and requests read."""
        bundle = data.get("ca_bundle") or _environment("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")
        if bundle and not Path(bundle).exists():
            self.problems.append((("ca_bundle",), f"there is no file '{bundle}'"))
        proxy = data.get("proxy")
        return Network(
            http_proxy=proxy or _environment("http_proxy"),  # not HTTP_PROXY: a CGI would let a client's header set it
            https_proxy=proxy or _environment("https_proxy", "HTTPS_PROXY"),
            no_proxy=_environment("no_proxy", "NO_PROXY"),
            ca_bundle=bundle,
        )


def _environment(*names: str) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)


def _limit(entry: Mapping[str, Any] | None) -> Limit | None:
    if entry is None:
        return None
    return Limit(entry["calls"], entry["renewal_period"], *parse_period(entry["renewal_period"]))


def _warnings(endpoints: Mapping[str, Endpoint]) -> Iterator[str]:
    for endpoint in endpoints.values():
        if endpoint.provider.retired:
            yield f"endpoint '{endpoint.name}': {endpoint.provider.retired}"


def _words(message: Any, path: KeyPath) -> tuple[KeyPath, str]:
    """A problem of marshmallow's as a sentence."""
    if isinstance(message, UnknownKey):
        return path, f"unknown key '{path[-1]}'{_nearest(str(path[-1]), sorted(message.known))}"
    if message == "Missing data for required field.":
        return path[:-1], f"the key '{path[-1]}' is missing"
    return path, str(message)


def _nearest(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return (f"; did you mean '{close[0]}'?" if close else ";") + f" known: {', '.join(known)}"


def _copy(value: Any) -> Any:
    return {key: _copy(item) for key, item in value.items()} if isinstance(value, dict) else value


def _put(settings: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        settings = settings[key]
    settings[path[-1]] = value
