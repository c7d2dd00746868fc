"""Providers of other packages: values under the entry-point group `weir.providers`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import NamedTuple

from app.providers.provider import Provider

GROUP = "weir.providers"


class Outside(NamedTuple):
    """What the installed packages offer: providers by their key, and what is wrong with the others."""

    providers: Mapping[str, Provider]
    problems: tuple[str, ...]


def key(name: str) -> str:
    """How a name is looked up: case, `-` and `_` make no difference, as in MLflow."""
    return name.strip().lower().replace("_", "-")


def read(taken: Iterable[str]) -> Outside:
    """Load them all; the keys in `taken` are not theirs to use. Whatever one of them raises is a problem of its own."""
    known, problems = set(taken), []
    found: dict[str, Provider] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        said = _load(point)
        if isinstance(said, str):
            problems.append(f"{_where(point)} {said}")
        elif key(said.name) in known | found.keys():
            problems.append(f"{_where(point)} is a provider called '{said.name}', and there is one of that name")
        else:
            found[key(said.name)] = said
    return Outside(found, tuple(problems))


def _load(point: EntryPoint) -> Provider | str:
    """The provider, or why there is none."""
    try:
        value = point.load()
    except Exception as error:  # another package's code runs here
        return f"cannot be loaded: {type(error).__name__}: {error}"
    if isinstance(value, Provider):
        return value
    return f"should be a Provider, a value, not {'the class' if isinstance(value, type) else 'a'} {_kind(value)}"


def _kind(value: object) -> str:
    return value.__name__ if isinstance(value, type) else type(value).__name__


def _where(point: EntryPoint) -> str:
    package = f" (package {point.dist.name} {point.dist.version})" if point.dist else ""
    return f"the entry point '{point.name} = {point.value}' of {GROUP}{package}"
