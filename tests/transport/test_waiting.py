"""Sockets that are waited for up to a moment: in this process's threads, and in the greenlets of one of their own."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import trustme

from app.transport.waiting import Waiting, waiting
from tests.upstream import PATIENCE

ROOT = Path(__file__).parents[2]

GREENLETS = """
from gevent import monkey; monkey.patch_all()
import functools, json, socket, ssl, time
import gevent, trustme
from app.transport.waiting import LONG_SECONDS, alarms_of, waiting

ALARMS = alarms_of(gevent.get_hub())
SEEN, SCENARIOS, KEPT, ORDER = {}, [], [], []
"What each greenlet saw; what they do; sockets that stay open; the seconds of the waits that ended, in turn."

def is_idle():
    return not ALARMS._timer.active

def pair():
    sides = socket.socketpair()
    KEPT.extend(sides)
    return waiting(sides[0]), sides[1]

def ends(use):
    "How a use of a socket ends, and whether that is at its moment or later."
    try:
        use()
    except TimeoutError:
        return "TimeoutError", time.monotonic() >= use.keywords["until"]
    return "no error", time.monotonic() >= use.keywords["until"]

def goes_on(until):
    "What comes to a greenlet that waits elsewhere until well after its alarm would have rung."
    try:
        gevent.sleep(until - time.monotonic() + 0.8)
    except TimeoutError:
        return "alarm"
    return "nothing"

def side_by_side(scenario):
    def run():
        SEEN[scenario.__name__] = scenario()
    SCENARIOS.append(run)

def moment(seconds):
    return BEGAN + seconds

def nothing_comes(name, seconds):
    SEEN[name] = ends(functools.partial(pair()[0].receive, 10, until=moment(seconds)))
    ORDER.append(seconds)

@side_by_side
def data_comes():
    ours, theirs = pair()
    until = moment(5.2)
    gevent.spawn(theirs.sendall, b"data")
    return ours.receive(10, until).decode(), time.monotonic() < until, goes_on(until)

@side_by_side
def the_end_comes():
    ours, theirs = pair()
    until = moment(5.2)
    gevent.spawn(theirs.close)
    return ours.receive(10, until).decode(), time.monotonic() < until, goes_on(until)

@side_by_side
def killed():
    ours, theirs = pair()
    until = moment(5.3)
    me = gevent.getcurrent()
    gevent.spawn(gevent.kill, me)
    try:
        ours.receive(10, until)
    except gevent.GreenletExit:
        return any(me is one.sleeper for one in ALARMS.watched), goes_on(until)

def nobody_takes(until):
    ours, theirs = pair()
    while True:
        ours.send(bytes(65536), until)

@side_by_side
def nothing_is_taken():
    return ends(functools.partial(nobody_takes, until=moment(5.3)))

@side_by_side
def taken_late():
    ours, theirs = pair()
    until, whole = moment(5.4), 4_000_000
    def take():
        left = whole
        while left:
            left -= len(theirs.recv(65536))
    taking, sent = gevent.spawn(take), 0
    while sent < whole:
        sent += ours.send(memoryview(bytes(whole))[sent:], until)
    taking.join()
    return sent, time.monotonic() < until, goes_on(until)

@side_by_side
def read_in_parts():
    ours, theirs = pair()
    theirs.sendall(bytes(100))
    parts = [len(ours.receive(10, moment(5.3))) for _ in range(10)]
    gevent.spawn(theirs.sendall, b"more")
    return parts, ours.receive(10, moment(5.3)).decode(), time.monotonic() < moment(5.0)

@side_by_side
def short_long_short():
    ours, theirs = pair()
    shortly = lambda: ends(functools.partial(ours.receive, 10, until=time.monotonic() + 0.5))[0]
    first = shortly()
    theirs.sendall(b"data")
    ours.receive(10, moment(5.9))
    return first, shortly(), time.monotonic() < moment(4)

@side_by_side
def long_after_short():
    ours, theirs = pair()
    theirs.sendall(bytes(10))
    ours.receive(10, time.monotonic() + 0.3)  # as much as was asked for: the next one is not waited for but read
    return ends(functools.partial(ours.receive, 10, until=moment(5.4)))

def tls_pair():
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    ours, theirs = socket.socketpair()
    shaking = gevent.spawn(server.wrap_socket, theirs, server_side=True)
    ours = client.wrap_socket(ours, server_hostname="127.0.0.1")
    KEPT.extend([ours, shaking.get()])
    return waiting(ours), shaking.get()

@side_by_side
def tls_read_in_parts():
    ours, theirs = TLS.pop()
    theirs.sendall(bytes(95))
    until = moment(5.5)
    parts = [len(ours.receive(10, until)) for _ in range(10)]
    gevent.spawn(theirs.sendall, b"more")
    return parts, ours.receive(10, until).decode(), time.monotonic() < moment(5.0)

@side_by_side
def tls_nothing_comes():
    return ends(functools.partial(TLS.pop()[0].receive, 10, until=moment(5.4)))

TLS = [tls_pair(), tls_pair()]
ours, theirs = pair()
SEEN["short read"] = ends(functools.partial(ours.receive, 10, until=time.monotonic() + 0.05))[0], is_idle()
SEEN["short send"] = ends(functools.partial(nobody_takes, until=time.monotonic() + 0.05))[0], is_idle()
ours.close(), ours.close()
SEEN["closed"] = ours.sock.fileno(), theirs.recv(10).decode()

BEGAN = time.monotonic()
crowd = [gevent.spawn(nothing_comes, name, at) for name, at in zip("ABCD", (5.1, 5.6, 6.1, 5.1))]
crowd += [gevent.spawn(scenario) for scenario in SCENARIOS]
gevent.sleep(0)
SEEN["ticking"] = ALARMS._timer.active
gevent.joinall(crowd, timeout=8)
gevent.sleep(0.6)
SEEN["order"], SEEN["idle at the end"] = ORDER, is_idle()
again = gevent.spawn(pair()[0].receive, 10, time.monotonic() + 9)
gevent.sleep(0)
SEEN["ticking again"] = ALARMS._timer.active
again.kill()
gevent.sleep(0.6)
SEEN["idle again"] = is_idle()
print(json.dumps(SEEN))
"""

TIMED_OUT = ["TimeoutError", True]


@pytest.fixture(scope="module")
def seen() -> Any:
    """What the greenlets saw, by scenario: they wait side by side, since a long wait takes five seconds."""
    pytest.importorskip("gevent")
    done = subprocess.run(
        [sys.executable, "-c", GREENLETS], cwd=ROOT, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", "ABCD")
def test_in_a_greenlet_a_long_wait_ends_at_its_moment_or_later(seen: Any, name: str) -> None:
    assert seen[name] == TIMED_OUT


def test_each_greenlet_is_woken_at_its_own_moment(seen: Any) -> None:
    assert seen["order"] == [5.1, 5.1, 5.6, 6.1]


@pytest.mark.parametrize(("scenario", "data"), [("data_comes", "data"), ("the_end_comes", "")])
def test_what_comes_wakes_its_greenlet_and_its_alarm_does_not_ring_later(seen: Any, scenario: str, data: str) -> None:
    assert seen[scenario] == [data, True, "nothing"]


def test_a_greenlet_that_is_killed_leaves_no_alarm_behind(seen: Any) -> None:
    assert seen["killed"] == [False, "nothing"]


def test_in_a_greenlet_a_send_that_is_not_taken_ends_at_its_moment_or_later(seen: Any) -> None:
    assert seen["nothing_is_taken"] == TIMED_OUT


def test_a_send_that_is_taken_late_is_whole_and_its_alarm_does_not_ring_later(seen: Any) -> None:
    assert seen["taken_late"] == [4_000_000, True, "nothing"]


def test_in_a_greenlet_what_is_here_is_read_in_parts(seen: Any) -> None:
    assert seen["read_in_parts"] == [[10] * 10, "more", True]


def test_what_the_tls_layer_holds_back_is_found_by_a_greenlet(seen: Any) -> None:
    assert seen["tls_read_in_parts"] == [[10] * 9 + [5], "more", True]


def test_over_tls_too_a_long_wait_ends_at_its_moment_or_later(seen: Any) -> None:
    assert seen["tls_nothing_comes"] == TIMED_OUT


@pytest.mark.parametrize("use", ["short read", "short send"])
def test_a_short_wait_ends_without_the_clock(seen: Any, use: str) -> None:
    assert seen[use] == ["TimeoutError", True]


def test_a_short_wait_after_a_long_one_is_short_and_a_long_one_after_a_short_one_long(seen: Any) -> None:
    assert seen["short_long_short"] == ["TimeoutError", "TimeoutError", True]
    assert seen["long_after_short"] == TIMED_OUT


def test_the_clock_runs_while_somebody_waits_and_no_longer(seen: Any) -> None:
    assert (seen["ticking"], seen["idle at the end"]) == (True, True)
    assert (seen["ticking again"], seen["idle again"]) == (True, True)


def test_a_greenlets_socket_may_be_closed_twice(seen: Any) -> None:
    assert seen["closed"] == [-1, ""]


@pytest.fixture
def pair() -> Iterator[tuple[Waiting, socket.socket]]:
    """Our side, and theirs."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield waiting(ours), theirs


def soon() -> float:
    return time.monotonic() + 0.05


def late() -> float:
    return time.monotonic() + PATIENCE


def test_a_threads_socket_is_waited_for_by_the_system(pair: tuple[Waiting, socket.socket]) -> None:
    assert type(pair[0]) is Waiting


def test_what_comes_is_read_and_then_the_end(pair: tuple[Waiting, socket.socket]) -> None:
    ours, theirs = pair
    sending = threading.Thread(target=theirs.sendall, args=(b"data",))
    sending.start()
    assert ours.receive(10, late()) == b"data"
    sending.join()
    theirs.close()
    assert ours.receive(10, late()) == b""


def test_a_wait_for_nothing_ends(pair: tuple[Waiting, socket.socket]) -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        pair[0].receive(10, began + 0.2)
    assert time.monotonic() - began > 0.1  # half of it: not at once


def test_a_send_that_is_not_taken_ends(pair: tuple[Waiting, socket.socket]) -> None:
    def fill(until: float) -> None:
        while True:
            pair[0].send(bytes(65536), until)

    with pytest.raises(TimeoutError):
        fill(time.monotonic() + 0.2)


def test_when_the_moment_has_passed_what_is_here_is_still_read(pair: tuple[Waiting, socket.socket]) -> None:
    ours, theirs = pair
    with pytest.raises(TimeoutError):
        ours.receive(10, time.monotonic() - 1)
    theirs.sendall(b"data")
    assert ours.receive(10, time.monotonic() - 1) == b"data"


def test_each_wait_has_its_own_moment(pair: tuple[Waiting, socket.socket]) -> None:
    ours, theirs = pair
    for until, least, most in ((late, PATIENCE / 2, PATIENCE), (soon, 0, 1), (late, PATIENCE / 2, PATIENCE)):
        theirs.sendall(b"data")
        ours.receive(10, until())
        assert least < (ours.sock.gettimeout() or 0) <= most


def test_in_a_thread_what_the_tls_layer_holds_back_is_found() -> None:
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("127.0.0.1").configure_cert(server)
    authority.configure_trust(client)
    left, right = socket.socketpair()

    def say() -> None:
        with server.wrap_socket(right, server_side=True) as theirs:
            theirs.sendall(bytes(95))
            theirs.recv(1)

    saying = threading.Thread(target=say)
    saying.start()
    with closing(waiting(client.wrap_socket(left, server_hostname="127.0.0.1"))) as ours:
        assert [len(ours.receive(10, late())) for _ in range(10)] == [10] * 9 + [5]
        with pytest.raises(TimeoutError):
            ours.receive(10, soon())
        ours.send(b"!", late())
        saying.join(PATIENCE)


@pytest.mark.parametrize("use", [lambda ours: ours.receive(10, late()), lambda ours: ours.send(b"x", late())])
def test_a_socket_may_be_closed_twice_and_is_then_of_no_use(
    pair: tuple[Waiting, socket.socket], use: Callable[[Waiting], object]
) -> None:
    ours, theirs = pair
    ours.close()
    ours.close()
    assert theirs.recv(10) == b""
    with pytest.raises(OSError, match="Bad file descriptor"):
        use(ours)
