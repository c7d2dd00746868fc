"""Connections: kept, used again, given up, and never another's."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import closing
from itertools import pairwise
from typing import Any

import pytest

from app.errors import Unreachable
from app.transport import Pool, Transport
from tests.transport.calling import OK, Making, call, drained, make_transport, read_request, serving
from tests.upstream import (
    Hang,
    Reply,
    Request,
    Reset,
    Upstream,
    Wait,
    chat_completion,
    closed_port,
    held,
    json_reply,
    raw_reply,
    sse_reply,
)


def ok(*after: object, **headers: str) -> Reply:
    return Reply(200, {"Content-Length": "2", **headers}, (b"ok", *after))  # type: ignore[arg-type]


class TestKeeping:
    def test_a_connection_is_used_again_after_whole_answers_and_finished_streams(self, transport: Transport) -> None:
        with Upstream([json_reply({}), sse_reply([b"data: 1\n\n"]), json_reply({}, 500), json_reply({})]) as upstream:
            for _ in range(4):
                response = transport.open(call(upstream.url))
                drained(response.raw)
                response.raw.close()
            assert upstream.connections == 1

    def test_the_connection_used_last_is_the_first_to_be_used_again(self, transport: Transport) -> None:
        with Upstream() as upstream:
            first, second = transport.open(call(upstream.url)), transport.open(call(upstream.url))
            for response in (first, second):
                drained(response.raw)
                response.raw.close()
            transport.send(call(upstream.url))
            transport.send(call(upstream.url))
            assert [request.connection for request in upstream.requests] == [1, 2, 2, 2]

    @pytest.mark.parametrize(
        "reply",
        [
            ok(Connection="close"),
            raw_reply(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Hang()),
            raw_reply(OK + OK, Hang()),
            raw_reply(OK + OK + OK, Hang()),
            raw_reply(OK + b"not HTTP", Hang()),
            raw_reply(OK + b"H", Hang()),
        ],
    )
    def test_a_connection_that_the_server_gives_up_or_oversteps_is_not_kept(
        self, transport: Transport, reply: Reply
    ) -> None:
        with Upstream([reply, ok()]) as upstream:
            assert transport.send(call(upstream.url)).body == b"ok"
            upstream.wait_for_open(0)
            assert transport.send(call(upstream.url)).body == b"ok"
            assert upstream.connections == 2

    def test_an_answer_that_comes_after_the_exchange_is_nobodys(self, transport: Transport) -> None:
        """Load balancers say 408 to a connection that waits; a broken one may send an answer twice."""
        late = threading.Event()
        unasked = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 2\r\n\r\nno"
        with Upstream([ok(Wait(late), unasked), ok()]) as upstream:
            assert transport.send(call(upstream.url)).body == b"ok"
            late.set()
            assert upstream.requests[0].answered.wait(10)
            assert transport.send(call(upstream.url)).body == b"ok"
            assert [request.connection for request in upstream.requests] == [1, 2]

    @pytest.mark.parametrize("before", [(), (b"HTTP/1.1 103 Early Hints\r\n\r\n",)])
    def test_an_answer_that_was_not_read_to_its_end_takes_its_connection_with_it(
        self, transport: Transport, before: tuple[bytes, ...]
    ) -> None:
        with Upstream([held(sse_reply([b"data: 1\n\n", Hang()]), *before), ok()]) as upstream:
            response = transport.open(call(upstream.url))
            response.raw.read1(10)
            response.raw.close()
            assert upstream.requests[0].client_left.wait(10)
            assert transport.send(call(upstream.url)).body == b"ok"
            assert upstream.connections == 2

    def test_origins_do_not_share_connections(self, transport: Transport) -> None:
        with Upstream(ok()) as one, Upstream(ok()) as two:
            for upstream in (one, two, one, two):
                transport.send(call(upstream.url))
            assert (one.connections, two.connections) == (1, 1)

    def test_close_closes_what_is_kept_and_the_transport_can_go_on(self, transport: Transport) -> None:
        with Upstream(ok()) as upstream:
            transport.send(call(upstream.url))
            transport.close()
            upstream.wait_for_open(0)
            transport.send(call(upstream.url))
            assert upstream.connections == 2


class TestLimits:
    def test_no_more_than_so_many_are_kept_of_an_origin(self) -> None:
        with closing(make_transport(pool=Pool(max_connections=2))) as transport, Upstream(ok()) as upstream:
            together(transport, upstream, 5)
            upstream.wait_for_open(2)

    @pytest.mark.parametrize(("name", "options"), [("sockets", {"pool": Pool(0.05)}), ("urllib3", {"max_idle": 0.05})])
    def test_one_that_is_too_old_is_not_used(self, name: str, options: dict[str, Any]) -> None:
        with closing(make_transport(name, **options)) as transport, Upstream(ok()) as upstream:
            transport.send(call(upstream.url))
            time.sleep(0.06)
            transport.send(call(upstream.url))
            assert upstream.connections == 2

    def test_old_ones_are_closed_by_what_happens_elsewhere(self) -> None:
        with (
            closing(make_transport(pool=Pool(max_idle=0.05))) as transport,
            Upstream(ok()) as upstream,
            Upstream(ok(Connection="close")) as other,
        ):
            together(transport, upstream, 3)
            time.sleep(0.06)
            transport.send(call(other.url))
            upstream.wait_for_open(0)


def read_to_its_end(sock: socket.socket, size: int) -> None:
    """The rest of a body of five million bytes."""
    while size < 5_000_000:
        size += len(sock.recv(1_000_000))


def together(transport: Transport, upstream: Upstream, count: int) -> None:
    """Some calls whose connections are all open at once, and then given back."""
    responses = [transport.open(call(upstream.url)) for _ in range(count)]
    for response in responses:
        drained(response.raw)
        response.raw.close()


class TestStale:
    def test_one_closed_while_it_waited_is_replaced_unseen(self, transport: Transport) -> None:
        with Upstream(ok()) as upstream:
            transport.send(call(upstream.url))
            upstream.drop_idle()
            assert transport.send(call(upstream.url)).body == b"ok"
            assert (upstream.connections, len(upstream.requests)) == (2, 2)

    @pytest.mark.parametrize("tls", [False, True])
    @pytest.mark.parametrize("size", [2, 5_000_000])
    def test_one_reset_just_as_it_is_used_is_replaced_unseen(self, making: Making, size: int, tls: bool) -> None:
        with Upstream([ok(), raw_reply(Reset()), ok()], tls=tls) as upstream:
            with closing(making(ca_bundle=upstream.ca_file and str(upstream.ca_file))) as transport:
                assert [transport.send(call(upstream.url, bytes(size))).body for _ in range(2)] == [b"ok", b"ok"]
            assert [request.connection for request in upstream.requests] == [1, 1, 2]

    def test_one_reset_while_a_request_is_sent_is_replaced_unseen(self, transport: Transport) -> None:
        """The server hangs up after it has read the head, and before it has read the rest."""
        heads: list[bytes] = []

        def script(sock: socket.socket) -> None:
            heads.append(read_request(sock))
            if len(heads) == 1:
                sock.sendall(OK)
                heads.append(read_request(sock))
            elif len(heads) > 2:
                read_to_its_end(sock, len(heads[-1]))
                sock.sendall(OK)

        with serving(script) as port:
            url = f"http://127.0.0.1:{port}/"
            assert [transport.send(call(url, bytes(size))).body for size in (2, 5_000_000)] == [b"ok", b"ok"]
        assert len(heads) == 3

    def test_it_is_replaced_by_a_new_one_and_not_by_another_that_waited(self, transport: Transport) -> None:
        with Upstream([ok(), ok(), raw_reply(Reset()), ok()]) as upstream:
            together(transport, upstream, 2)
            assert transport.send(call(upstream.url)).body == b"ok"
            connections = [request.connection for request in upstream.requests]
        assert sorted(connections[:3]) in ([1, 1, 2], [1, 2, 2])
        assert connections[3] == 3

    def test_it_is_replaced_once_only(self, transport: Transport) -> None:
        with Upstream([ok(), raw_reply(Reset())]) as upstream:
            transport.send(call(upstream.url))
            with pytest.raises(Unreachable):
                transport.send(call(upstream.url))
            assert len(upstream.requests) == 3

    def test_one_that_breaks_within_its_answer_is_not_replaced(self, transport: Transport) -> None:
        with Upstream([ok(), raw_reply(b"HTTP/1.1 200", Reset()), ok()]) as upstream:
            transport.send(call(upstream.url))
            with pytest.raises(Unreachable):
                transport.send(call(upstream.url))
            assert len(upstream.requests) == 2


def test_many_threads_get_their_own_answers(making: Making) -> None:
    def echo(request: Request) -> Reply:
        return json_reply(chat_completion(request.body.decode()))

    mixed: list[str] = []

    def work(number: int) -> None:
        for turn in range(20):
            words = f"{number}-{turn}"
            if words.encode() not in transport.send(call(upstream.url, words.encode())).body:
                mixed.append(words)

    with closing(making()) as transport, Upstream(echo) as upstream:
        threads = [threading.Thread(target=work, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (mixed, len(upstream.requests)) == ([], 400)
        assert upstream.connections <= 20
        assert all(_do_not_overlap(upstream, number) for number in range(1, upstream.connections + 1))


def _do_not_overlap(upstream: Upstream, connection: int) -> bool:
    turns = [request for request in upstream.requests if request.connection == connection]
    return all(one.sent[-1] <= next_one.started for one, next_one in pairwise(turns))


@pytest.mark.skipif("gevent" in socket.socket.__module__, reason="the child would have the provider's greenlets too")
def test_a_connection_of_before_a_fork_is_not_used_after_it(transport: Transport) -> None:
    with Upstream(ok()) as upstream:
        transport.send(call(upstream.url))
        child = os.fork()
        if not child:
            status = 1
            try:
                status = 0 if transport.send(call(upstream.url)).body == b"ok" else 2
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert transport.send(call(upstream.url)).body == b"ok"
        assert [request.connection for request in upstream.requests] == [1, 2, 1]


class TestNoConnection:
    def test_refused(self, transport: Transport) -> None:
        port = closed_port()
        with pytest.raises(Unreachable, match=f"no connection to 127.0.0.1:{port}: Connection refused"):
            transport.send(call(f"http://127.0.0.1:{port}/"))

    @pytest.mark.parametrize("host", ["nonexistent.invalid", "a" * 64 + ".invalid", "a..b"])
    def test_no_such_name(self, transport: Transport, host: str) -> None:
        with pytest.raises(Unreachable, match="no connection to"):
            transport.send(call(f"http://{host}/"))

    def test_a_name_of_several_addresses_is_reached_at_the_one_that_listens(self, transport: Transport) -> None:
        def script(sock: socket.socket) -> None:
            read_request(sock)
            sock.sendall(OK)

        with serving(script) as port:  # on 127.0.0.1; localhost may be ::1 as well, and first
            assert transport.send(call(f"http://localhost:{port}/")).body == b"ok"
