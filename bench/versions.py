"""What was measured with: this machine, the programs beside the gateway, and its packages."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.upstream import nginx_command

_PACKAGES = ("weir", "flask", "werkzeug", "gunicorn", "gevent", "marshmallow", "orjson", "httptools")


def versions(peers: Mapping[str, str]) -> dict[str, str]:
    """By name, peers last."""
    programs = {"nginx": (nginx_command() or "", "-v"), "wrk": ("wrk", "-v"), "node": ("node", "--version")}
    said = {name: _said(command) for name, command in programs.items()}
    return {
        "machine": f"{os.cpu_count()} cores, {_processor()}, Linux {platform.release()}",
        "Python": platform.python_version(),
        **{name: _package(name) for name in _PACKAGES},
        **{name: number for name, number in said.items() if number},
        **peers,
    }


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
    return found[1] if found else platform.machine()


def _said(command: tuple[str, str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = re.search(r"\d+(\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else ""
