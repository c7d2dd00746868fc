"""What every test of the transport gets: a transport over each adapter, and the proof that it left no file open."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from app.transport import ADAPTERS, Transport
from tests.transport.calling import Making, make_transport
from tests.upstream import PATIENCE

ONLY_OURS = {
    "test_five_hundred_headers_are_fine": "http.client takes a hundred headers",
    "test_an_answer_to_a_request_that_is_no_longer_read_counts": "urllib3 sends all of a request before it listens",
    "test_a_new_connection_takes_up_the_last_ones_session": "urllib3 keeps no TLS sessions",
}
"""What urllib3 cannot do, by test, and why."""


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


@pytest.fixture(params=ADAPTERS)
def making(request: pytest.FixtureRequest) -> Making:
    """A function that makes a transport over each adapter; the test closes it."""
    if request.param == "urllib3" and (reason := ONLY_OURS.get(request.node.originalname)):
        pytest.skip(reason)
    return partial(make_transport, request.param)


@pytest.fixture
def transport(making: Making) -> Iterator[Transport]:
    transport = making()
    yield transport
    transport.close()
