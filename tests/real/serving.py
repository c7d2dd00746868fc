"""Servers that others made, each in processes of its own that end with it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

START_SECONDS = 120.0
STOP_SECONDS = 10.0


def interpreter(variable: str, what: str) -> Path:
    """The Python that an environment variable names; a skip that says what it should have, where there is none."""
    python = os.environ.get(variable)
    if not python:
        pytest.skip(f"{variable} names no Python that has {what}")
    if not Path(python).exists():
        pytest.skip(f"{variable} names {python}, which does not exist")
    return Path(python)


def environment(python: Path) -> dict[str, str]:
    """The variables for programs of this Python's environment, which find each other, and no hub."""
    path = f"{python.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return {**os.environ, "PATH": path, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def make(python: Path, script: str, directory: Path) -> None:
    """Let a script beside this file make models in a directory. Fails with what it printed if it does."""
    script_path = Path(__file__).with_name(script)
    made = subprocess.run(
        [python, script_path, directory], env=environment(python), capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr


@contextmanager
def running(python: Path, command: list[str], port: int, health: str, log: Path) -> Iterator[str]:
    """A server at the address that it gives, from when its health path answers 200. Its words are in the log."""
    url = f"http://127.0.0.1:{port}"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            env=environment(python),
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,  # it starts processes of its own, which go with it
        )
    try:
        _await(process, f"{url}{health}", log)
        yield url
    finally:
        _stop(process)


def _await(process: subprocess.Popen[bytes], health: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            with urlopen(health, timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise AssertionError(f"{health} did not answer:\n{log.read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    """The group is asked to end, and what is left of it made to: it is the process's own, so nothing else is in it."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(STOP_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
