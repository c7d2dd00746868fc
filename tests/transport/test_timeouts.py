"""Every wait for a provider ends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import pytest

from app.call import Call
from app.errors import TimedOut
from app.transport import Transport
from tests.transport.calling import Making, call, drained, read_request, serving, until_the_client_leaves
from tests.upstream import Hang, Reply, Upstream, Wait, chunk, held, json_reply, raw_reply, sse_reply

SHORT = 0.05
"""Seconds; every other wait of the same call is two hundred times longer."""


@contextmanager
def full_listener() -> Iterator[int]:
    """A port whose queue of connections is full: the system answers no more of them."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.1)
            with suppress(TimeoutError):
                filler.connect(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("which", ["connect", "total"])
def test_a_connection_that_nobody_accepts(transport: Transport, which: str) -> None:
    with full_listener() as port, pytest.raises(TimedOut, match=f"{SHORT:g} s"):
        transport.send(call(f"http://127.0.0.1:{port}/", **{which: SHORT}))


def test_a_tls_handshake_that_nobody_answers(transport: Transport) -> None:
    with serving(until_the_client_leaves) as port, pytest.raises(TimedOut, match=f"{SHORT:g} s"):
        transport.send(call(f"https://127.0.0.1:{port}/", connect=SHORT))


def test_a_large_request_that_nobody_reads(transport: Transport) -> None:
    left = threading.Event()
    with serving(lambda sock: left.wait(10) and None) as port:
        with pytest.raises(TimedOut, match="take the request"):
            transport.send(call(f"http://127.0.0.1:{port}/", bytes(32_000_000), idle=SHORT))
        left.set()


def test_a_large_request_that_is_read_slowly_is_not_late_while_it_moves(transport: Transport) -> None:
    """The idle time is for no progress at all, not for the whole of it."""

    def read_slowly(sock: socket.socket) -> None:
        size = len(read_request(sock))
        while size < 8_000_000:
            size += len(sock.recv(200_000))
            paused.wait(0.002)
        sock.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    paused = threading.Event()
    with serving(read_slowly) as port:
        assert transport.send(call(f"http://127.0.0.1:{port}/", bytes(8_000_000), idle=1.0)).status == 204


def test_an_answer_that_does_not_come(transport: Transport) -> None:
    with Upstream(raw_reply(Hang())) as upstream:
        with pytest.raises(TimedOut):
            transport.send(call(upstream.url, total=SHORT))
        upstream.wait_for_open(0)


def test_a_streams_head_must_come_within_the_first_tokens_time(transport: Transport) -> None:
    with Upstream(raw_reply(Hang())) as upstream:
        with pytest.raises(TimedOut, match=f"{SHORT:g} s"):
            transport.open(call(upstream.url, first_token=SHORT))
        upstream.wait_for_open(0)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"])
def test_an_answer_that_drips_is_not_waited_for_though_each_byte_comes_in_time(
    transport: Transport, streams: bool, before: bytes
) -> None:
    def drip(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(before)
        for byte in b"HTTP/1.1 200 OK\r\n" + b"X-Header: 1\r\n" * 1000:
            sock.sendall(bytes([byte]))
            left.wait(SHORT / 10)

    left = threading.Event()
    with serving(drip) as port:
        asked = call(f"http://127.0.0.1:{port}/", first_token=SHORT if not before else 10.0, total=2 * SHORT)
        with pytest.raises(TimedOut):
            read_whole(transport, asked, streams)
        left.set()


def read_whole(transport: Transport, asked: Call, streams: bool) -> None:
    if not streams:
        transport.send(asked)
    else:
        with closing(transport.open(asked).raw) as body:
            drained(body)


def test_a_whole_answer_may_take_longer_than_a_first_token_may(transport: Transport) -> None:
    go = threading.Event()
    with Upstream(held(json_reply({}), Wait(go))) as upstream:
        timer = threading.Timer(3 * SHORT, go.set)
        timer.start()
        assert transport.send(call(upstream.url, first_token=SHORT)).status == 200
        timer.join()


def test_a_silent_provider_is_asked_once_even_on_a_kept_connection(transport: Transport) -> None:
    with Upstream([json_reply({}), raw_reply(Hang())]) as upstream:
        transport.send(call(upstream.url))
        with pytest.raises(TimedOut):
            transport.send(call(upstream.url, total=SHORT))
        assert len(upstream.requests) == 2


@pytest.mark.parametrize("tls", [False, True])
def test_a_silence_in_a_stream_loses_nothing(making: Making, tls: bool) -> None:
    go = threading.Event()
    with Upstream(sse_reply([b"data: 1\n\n", Wait(go), b"data: 2\n\n"], done=False), tls=tls) as upstream:
        transport = making(ca_bundle=upstream.ca_file and str(upstream.ca_file))
        response = transport.open(call(upstream.url))
        assert response.raw.read1(10) == b"data: 1\n\n"
        for _ in range(3):
            with pytest.raises(TimeoutError):
                response.raw.read1(0.01)
        with pytest.raises(TimeoutError):
            response.raw.read1(0)
        go.set()
        assert drained(response.raw) == b"data: 2\n\n"
        response.raw.close()
        transport.send(call(upstream.url))
        assert upstream.connections == 1
        transport.close()


@pytest.mark.parametrize("steps", [(b"half",), (b"half", Hang())], ids=["sent with the head", "with more to come"])
def test_the_total_time_ends_a_stream_that_is_silent(transport: Transport, steps: tuple) -> None:
    with Upstream(Reply(200, {"Content-Length": "10"}, (*steps, Hang()))) as upstream:
        response = transport.open(call(upstream.url, total=SHORT))
        assert response.raw.read1(10) == b"half"
        with pytest.raises(TimedOut):
            response.raw.read1(10)
        response.raw.close()


def test_the_total_time_ends_a_stream_that_never_stops(transport: Transport) -> None:
    def flood(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            sock.sendall(chunk(b"data: more\n\n") * 1000)

    with serving(flood) as port:
        response = transport.open(call(f"http://127.0.0.1:{port}/", total=SHORT))
        with pytest.raises(TimedOut):
            drained(response.raw)
        response.raw.close()


def test_an_error_whose_words_do_not_come_is_not_waited_for(transport: Transport) -> None:
    with Upstream(Reply(503, {"Content-Length": "100"}, (b"over", Hang()))) as upstream:
        answer = transport.send(call(upstream.url, total=10 * SHORT))
        assert (answer.status, answer.body) == (503, b"over")
