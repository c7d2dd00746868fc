"""`weir check`: a configuration read as a start would read it."""

from __future__ import annotations

import sys
from pathlib import Path

from app.config import load
from app.errors import ConfigError
from app.limits import Limiter


def check(path: Path) -> int:
    """Say what is wrong with a file, on standard error; 0 or 2, the command's exit status."""
    try:
        snapshot = load(path)
        if snapshot.limits_storage:
            Limiter(snapshot.limits_storage)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    for warning in snapshot.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{path}: {len(snapshot.endpoints)} endpoints, {len(snapshot.routes)} routes, no problems")
    return 0
