"""The same transport under gevent: in processes of their own, because its patches are for a whole process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from app.transport import ADAPTERS

pytest.importorskip("gevent")

ROOT = Path(__file__).parents[2]
FILES = ("test_exchange.py", "test_connection.py", "test_timeouts.py", "test_tls.py")

SUITE = """
from gevent import monkey; monkey.patch_all()
import sys, pytest
sys.exit(pytest.main(sys.argv[1:]))
"""

CROWD = """
from gevent import monkey; monkey.patch_all()
import gevent, sys, time
from tests.transport.calling import call, drained, make_transport
from tests.upstream import Upstream, sse_reply

def stream():
    response = transport.open(call(upstream.url, total=50.0))
    whole = drained(response.raw)
    response.raw.close()
    return whole

def seconds(count):
    began = time.monotonic()
    streams = [gevent.spawn(stream) for _ in range(count)]
    gevent.joinall(streams, raise_error=True)
    assert {one.value for one in streams} == {b"data: 1\\n\\n" * 10}
    return time.monotonic() - began

with Upstream(sse_reply([b"data: 1\\n\\n"] * 10, done=False, pause=0.05)) as upstream:
    transport = make_transport(sys.argv[1])
    print(seconds(200) / seconds(1))
    transport.close()
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program in a Python of its own, from the project's directory."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )


@pytest.mark.parametrize("chosen", ["not urllib3", "urllib3"])
def test_all_that_holds_with_threads_holds_with_greenlets(chosen: str) -> None:
    done = run(SUITE, "-p", "no:cacheprovider", "-k", chosen, *(f"tests/transport/{name}" for name in FILES))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ADAPTERS)
def test_two_hundred_slow_streams_take_about_as_long_as_one(name: str) -> None:
    done = run(CROWD, name)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 20  # one after the other they would take two hundred times as long
