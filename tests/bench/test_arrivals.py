"""The open loop: what comes whole, what is lost, and from when it is timed."""

import json
import socket
import sys
import threading
from pathlib import Path

import pytest

from bench import plot
from bench.arrivals import Answer, Arrivals, Connection, poisson, steady
from bench.curve import Point
from bench.paced import PACES
from bench.processes import free_port, running, wait_until_up
from bench.subjects import Request

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    """The URL of a provider that streams slowly."""
    port, log = free_port(), tmp_path_factory.mktemp("paced") / "out"
    with running([sys.executable, "-m", "bench.paced", str(port)], log, cwd=ROOT) as process:
        wait_until_up(process, port, "/health", log)
        yield f"http://127.0.0.1:{port}/paced/v1/chat/completions"


def ask(url, moments, events):
    asked = []
    arrivals = Arrivals(Request(url, json.dumps({"stream": True}).encode()), events)
    answers = arrivals.run(moments, 3600, lambda: asked.append(True))
    assert asked == [True]
    return answers


def test_streams_that_overlap_are_each_read_to_their_end(provider):
    events = PACES["paced"].deltas + 3  # the role, the finish reason and the usage
    answers = ask(provider, steady(20, 0.01), events)
    assert all(answer.whole for answer in answers)
    assert {len(answer.gaps) for answer in answers} == {events - 1}
    assert all(0 < answer.first < answer.took and answer.took > PACES["paced"].seconds for answer in answers)


def test_a_stream_that_lacks_events_is_not_whole(provider):
    assert [answer.whole for answer in ask(provider, [0.0], 1000)] == [False]


EVENTS = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n19\r\ndata: {"a":1}\n\ndata: {}\n\n\r\n'


def test_an_answer_that_is_broken_off_is_lost_and_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=break_off, args=(server,))
        thread.start()
        (answer,) = ask(f"http://127.0.0.1:{server.getsockname()[1]}/", [0.0], 2)
        thread.join()
    assert not answer.whole


def test_an_event_counts_once_however_its_bytes_are_cut():
    stream, answer = EVENTS + b"0\r\n\r\n", Answer(0.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        connection = Connection(server.getsockname())
        connection.begin(answer)
        ends = [connection.feed(bytes([byte]), float(at)) for at, byte in enumerate(stream)]
        connection.socket.close()
    assert ends == [False] * (len(stream) - 1) + [True]
    assert connection.events == 2
    assert answer.gaps == [float(stream.rindex(b"{") - stream.index(b"{"))]


def break_off(server):
    client, _ = server.accept()
    with client:
        client.recv(65536)
        client.sendall(EVENTS)


def test_independent_callers_come_at_the_rate_that_was_asked_and_are_the_same_each_time():
    moments = poisson(500, 10)
    assert moments == poisson(500, 10) == sorted(moments)
    assert 4500 < len(moments) < 5500


def test_the_plot_has_a_line_and_a_dashed_line_for_each_server():
    points = [Point(name, rate, 0.001 * rate, 0.002 * rate) for rate in (50, 100, 200) for name in ("weir", "a<b")]
    drawn = plot.svg(points)
    assert drawn.count("<polyline") == 4
    assert "a&lt;b" in drawn
