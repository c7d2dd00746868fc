"""YAML with line numbers: what the file says, and where it says it."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from app.errors import ConfigError, key_path

Path = tuple[str | int, ...]
"""Keys and indexes from the top of the file."""

_DEEPEST = 40

_MOST_NODES = 200_000
"""Aliases counted as often as they stand: a few lines can unfold into more than any memory holds."""

_MERGE = "tag:yaml.org,2002:merge"
_STRING = "tag:yaml.org,2002:str"


@dataclass(frozen=True)
class Source:
    """A parsed file: its data, the line of every key, and the keys that cannot stand as they do."""

    name: str
    data: Any
    lines: Mapping[Path, int]
    problems: tuple[tuple[Path, str], ...] = ()

    def line(self, path: Path) -> int:
        """The line of a path; of a key that is absent, where it belongs."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)

    def place(self, path: Path) -> str:
        """Where a path stands, as `endpoints.yaml:12: endpoints[0].model`."""
        where = f"{self.name}:{self.line(path)}"
        return f"{where}: {key_path(path)}" if path else where

    def value(self, path: Path) -> Any:
        """What stands at a path; None where nothing does."""
        value = self.data
        try:
            for key in path:
                value = value[key]
        except (KeyError, IndexError, TypeError):
            return None
        return value


def read(path: pathlib.Path) -> Source:
    """Read and parse a file. Raises ConfigError."""
    try:
        return parse(path.read_bytes().decode("utf-8-sig"), str(path))
    except FileNotFoundError:
        raise ConfigError([f"{path}: there is no such file"]) from None
    except OSError as error:
        raise ConfigError([f"{path}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError([f"{path}:{line}: not UTF-8: byte 0x{error.object[error.start]:02x}"]) from None


def parse(text: str, name: str) -> Source:
    """Parse YAML. Raises ConfigError for what is not YAML at all."""
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            raise ConfigError([f"{name}:1: the file is empty; it needs the key 'endpoints'"])
        survey = _Survey()
        survey.walk(node, ())
        return Source(name, loader.construct_document(node), survey.lines, tuple(survey.problems))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        words = ", ".join(filter(None, (error.context, error.problem)))
        raise ConfigError([f"{name}:{line}: not valid YAML: {words}"]) from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date or a number that is none
        raise ConfigError([f"{name}:1: not valid YAML: {error}"]) from None
    except RecursionError:
        raise ConfigError([f"{name}:1: not valid YAML: nested too deeply"]) from None


@dataclass
class _Survey:
    """A walk over a document: where everything stands, and which keys are repeated or are not strings."""

    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[tuple[Path, str]] = field(default_factory=list)
    nodes: int = 0

    def walk(self, node: yaml.Node, path: Path) -> None:
        self.nodes += 1
        if len(path) > _DEEPEST or self.nodes > _MOST_NODES:
            words = "nested too deeply" if len(path) > _DEEPEST else "too many values"
            raise yaml.MarkedYAMLError(problem=words, problem_mark=node.start_mark)
        if isinstance(node, yaml.MappingNode):
            self.mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.lines[(*path, index)] = item.start_mark.line + 1
                self.walk(item, (*path, index))

    def mapping(self, node: yaml.MappingNode, path: Path) -> None:
        merged = [value for key, value in node.value if key.tag == _MERGE]
        for value in merged:  # first: what stands in the mapping itself overrides it
            for item in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                self.walk(item, path)
        seen: set[str] = set()
        kept = []
        for key, value in node.value:
            if key.tag != _MERGE and not self.key(key, path, seen):
                continue
            kept.append((key, value))
            if key.tag != _MERGE:
                self.walk(value, (*path, key.value))
        node.value = kept

    def key(self, key: yaml.Node, path: Path, seen: set[str]) -> bool:
        """Note where a key stands; False, with the problem noted, if it cannot stand there."""
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode) or key.tag != _STRING:
            said = f" '{key.value[:100]}'" if isinstance(key, yaml.ScalarNode) else ""
            self.problems.append((path, f"the key{said} in line {line} should be a string: put it into quotes"))
            return False
        if key.value in seen:
            self.problems.append(((*path, key.value), f"this key stands twice: again in line {line}"))
            return False
        seen.add(key.value)
        self.lines[(*path, key.value)] = line
        return True
