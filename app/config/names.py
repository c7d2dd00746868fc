"""Endpoints that other parts of the file name: destinations and fallbacks. They exist, and are of the right type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.config.problems import Problems
from app.config.source import Path
from app.providers.settings import nearest


class Names:
    """The names of one file's endpoints, right or wrong, with their types."""

    def __init__(self, problems: Problems, types: Mapping[str, Any]) -> None:
        self._problems, self._types = problems, types

    def check_all(self, names: Any, wanted_type: Any, path: Path) -> None:
        """Note what is wrong with a list of names; see `check`."""
        for index, name in enumerate(names if isinstance(names, list) else ()):
            self.check(name, wanted_type, (*path, index))

    def check(self, name: Any, wanted_type: Any, path: Path) -> None:
        """Note what is wrong with a name. `wanted_type` is an endpoint type; what is no string is nobody's type."""
        if not isinstance(name, str):
            return
        found = self._types.get(name)
        if name not in self._types:
            self._problems.add(path, f"there is no endpoint '{name[:100]}'{nearest(name, self._types)}")
        elif isinstance(found, str) and isinstance(wanted_type, str) and found != wanted_type:
            self._problems.add(path, f"endpoint '{name}' is {found}, and not {wanted_type[:100]}")
