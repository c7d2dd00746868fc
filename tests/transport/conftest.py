"""What every test of the transport gets: a transport, and the proof that it left no file open."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.transport import Transport
from tests.transport.calling import make_transport
from tests.upstream import PATIENCE


@pytest.fixture(autouse=True)
def _no_file_is_left_open() -> Iterator[None]:
    before = _open_files()
    yield
    until = time.monotonic() + PATIENCE
    while _open_files() > before and time.monotonic() < until:
        time.sleep(0.01)  # under gevent a file is closed a little after it was said
    assert _open_files() <= before


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = make_transport()
    yield transport
    transport.close()
