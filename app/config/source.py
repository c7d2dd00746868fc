"""YAML with line numbers: what the file says, and where it says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from app.errors import ConfigError, key_path

Path = tuple[str | int, ...]
"""Keys and indexes from the top of the file."""

_DEEPEST = 40


@dataclass(frozen=True)
class Source:
    """A parsed file: its data and the line of every key."""

    name: str
    data: Any
    lines: Mapping[Path, int]

    def place(self, path: Path) -> str:
        """Where a path stands, as `endpoints.yaml:12: endpoints[0].model`; of a key that is absent, where it belongs."""
        known = path
        while known and known not in self.lines:
            known = known[:-1]
        where = f"{self.name}:{self.lines.get(known, 1)}"
        return f"{where}: {key_path(path)}" if path else where


def parse(text: str, name: str) -> Source:
    """Parse YAML. Raises ConfigError for what is not YAML, and for a key that stands twice."""
    loader = yaml.SafeLoader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise ConfigError([f"{name}:1: the file is empty; it needs the key 'endpoints'"])
        places = list(_walk(node, ()))
        data = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError([f"{name}:{line}: not valid YAML: {error.problem or error.context}"]) from None
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError([f"{name}:1: not valid YAML: {error}"]) from None
    finally:
        loader.dispose()
    lines = dict(places)
    source = Source(name, data, lines)
    if len(lines) < len(places):
        raise ConfigError(_twice(source, places))
    return source


def _walk(node: yaml.Node, path: Path) -> Iterator[tuple[Path, int]]:
    if len(path) > _DEEPEST:
        raise yaml.MarkedYAMLError(problem="nested too deeply", problem_mark=node.start_mark)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            inner = (*path, str(key.value))
            if key.tag != "tag:yaml.org,2002:merge":
                yield inner, key.start_mark.line + 1
                yield from _walk(value, inner)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), item.start_mark.line + 1
            yield from _walk(item, (*path, index))


def _twice(source: Source, places: list[tuple[Path, int]]) -> list[str]:
    seen: set[Path] = set()
    repeated = [(path, line) for path, line in places if path in seen or seen.add(path)]  # type: ignore[func-returns-value]
    return [f"{source.name}:{line}: {key_path(path)}: this key stands twice" for path, line in repeated]
