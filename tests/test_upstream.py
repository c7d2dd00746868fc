"""The scripted upstream keeps its word: what it sends, when it ends, and what it notices."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.upstream import (
    Close,
    Hang,
    Reply,
    Request,
    Reset,
    Upstream,
    Wait,
    chat_chunks,
    chat_completion,
    closed_port,
    cut,
    held,
    json_reply,
    piecewise,
    raw_reply,
    sse_reply,
)


@contextmanager
def client(upstream: Upstream) -> Iterator[http.client.HTTPConnection]:
    with closing(http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=10)) as connection:
        yield connection


def post(connection: http.client.HTTPConnection, body: bytes = b"{}") -> http.client.HTTPResponse:
    connection.request("POST", "/v1/chat/completions?a=b", body, {"Content-Type": "application/json", "X-Two": "1"})
    return connection.getresponse()


def test_it_records_what_it_received() -> None:
    with Upstream() as upstream, client(upstream) as connection:
        post(connection, '{"model": "m", "text": "é"}'.encode()).read()
        (request,) = upstream.requests
    assert (request.method, request.target) == ("POST", "/v1/chat/completions?a=b")
    assert request.headers["x-two"] == "1" and ("X-Two", "1") in request.raw_headers
    assert request.json == {"model": "m", "text": "é"}
    assert request.connection == 1 and 0 < request.started <= request.received <= request.sent[0]


def test_it_reads_a_chunked_request() -> None:
    with Upstream() as upstream, client(upstream) as connection:
        connection.request("POST", "/", iter([b'{"a":', b"1}"]), encode_chunked=True)
        assert connection.getresponse().status == 200
    assert upstream.requests[0].json == {"a": 1}


def test_replies_come_in_order_on_one_connection_and_the_last_is_repeated() -> None:
    with Upstream([json_reply({"n": 1}), json_reply({"n": 2}, status=529)]) as upstream, client(upstream) as connection:
        answers = []
        for _ in range(3):
            response = post(connection)
            answers.append((response.status, json.load(response)["n"]))
    assert answers == [(200, 1), (529, 2), (529, 2)]
    assert upstream.connections == 1 and [request.connection for request in upstream.requests] == [1, 1, 1]


def test_a_function_may_decide_by_the_request() -> None:
    def echo(request: Request) -> Reply:
        return json_reply(chat_completion(request.json["say"], id="x"))

    with Upstream(echo) as upstream, client(upstream) as connection:
        answer = json.load(post(connection, b'{"say": "so"}'))
    assert answer["choices"][0]["message"]["content"] == "so" and answer["id"] == "x"


def test_a_script_that_breaks_breaks_its_test() -> None:
    with pytest.raises(KeyError, match="missing"), Upstream(lambda request: request.json["missing"]) as upstream:
        with client(upstream) as connection, pytest.raises(http.client.RemoteDisconnected):
            post(connection)


def test_connection_close_is_kept() -> None:
    with Upstream(json_reply({}, headers={"Connection": "close"})) as upstream:
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", upstream.port), 10) as sock:
                sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert sock.makefile("rb").read().endswith(b"\r\n\r\n{}")  # read() returns: the server ended it
    assert upstream.connections == 2


def test_a_stream_is_one_chunk_per_event_and_keeps_the_connection() -> None:
    chunks = chat_chunks(["Hel", "lo"], include_usage=True)
    with Upstream(sse_reply(chunks)) as upstream, client(upstream) as connection:
        bodies = [post(connection).read() for _ in range(2)]
    assert bodies[0] == bodies[1] and upstream.connections == 1
    events = bodies[0].decode().split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert [json.loads(event.removeprefix("data: ")) for event in events[:-2]] == chunks
    assert chunks[-1]["choices"] == [] and chunks[-1]["usage"]["total_tokens"] == 21 and chunks[0]["usage"] is None
    assert len(upstream.requests[0].sent) == len(chunks) + 2


def test_one_byte_at_a_time_is_the_same_answer() -> None:
    reply = sse_reply([{"text": "é"}])
    with Upstream(piecewise(reply)) as upstream, client(upstream) as connection:
        assert post(connection).read().decode() == 'data: {"text":"é"}\n\ndata: [DONE]\n\n'
    assert len(upstream.requests[0].sent) == sum(len(step) for step in reply.wire() if isinstance(step, bytes))


def test_an_event_is_sent_before_the_next_step_is_taken() -> None:
    go_on = threading.Event()
    with Upstream(sse_reply([b"data: 1\n\n", Wait(go_on), b"data: 2\n\n"])) as upstream, client(upstream) as connection:
        response = post(connection)
        assert response.read1() == b"data: 1\n\n"
        assert len(upstream.requests[0].sent) == 1 and not upstream.requests[0].answered.is_set()
        go_on.set()
        assert response.read() == b"data: 2\n\ndata: [DONE]\n\n"


def test_a_held_reply_sends_nothing_of_itself_before() -> None:
    go_on = threading.Event()
    with Upstream(held(json_reply({}), Wait(go_on))) as upstream, client(upstream) as connection:
        connection.request("POST", "/", b"")
        assert upstream.wait_for_requests(1)[0].sent == []
        go_on.set()
        assert connection.getresponse().status == 200


def test_a_hang_up_while_it_waits_is_noticed() -> None:
    with Upstream(sse_reply([{"n": 1}, Hang()])) as upstream:
        with client(upstream) as connection:
            response = post(connection)
            response.read1()
            assert not upstream.requests[0].client_left.is_set()
            response.close()
        assert upstream.requests[0].client_left.wait(10)
        upstream.wait_for_open(0)


def test_a_client_that_stays_to_the_end_has_not_left() -> None:
    with Upstream() as upstream:
        with client(upstream) as connection:
            post(connection).read()
        upstream.wait_for_open(0)
        assert upstream.requests[0].answered.is_set() and not upstream.requests[0].client_left.is_set()


def test_a_reset_is_a_reset_and_a_close_is_an_end() -> None:
    with Upstream([raw_reply(b"HTTP/1.1 2", Close()), raw_reply(b"HTTP/1.1 2", Reset())]) as upstream:
        with socket.create_connection(("127.0.0.1", upstream.port), 10) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert sock.makefile("rb").read() == b"HTTP/1.1 2"
        with socket.create_connection(("127.0.0.1", upstream.port), 10) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            with pytest.raises(ConnectionResetError):
                sock.makefile("rb").read()


def test_an_answer_cut_short_ends_where_it_was_cut() -> None:
    with Upstream(cut(json_reply({"text": "whole"}), 5)) as upstream, client(upstream) as connection:
        with pytest.raises(http.client.IncompleteRead) as caught:
            post(connection).read()
    assert caught.value.partial == b'{"tex'


def test_a_stream_without_chunks_ends_with_the_connection() -> None:
    with Upstream(sse_reply([{"n": 1}], chunked=False)) as upstream, client(upstream) as connection:
        response = post(connection)
        assert response.read() == b'data: {"n":1}\n\ndata: [DONE]\n\n'
        assert response.getheader("Transfer-Encoding") is None


def test_idle_connections_can_be_dropped_under_a_pool() -> None:
    with Upstream() as upstream, client(upstream) as connection:
        post(connection).read()
        assert upstream.drop_idle() == 1
        assert connection.sock.recv(1) == b""
        connection.close()
        assert post(connection).status == 200
    assert upstream.connections == 2


def test_it_speaks_tls_with_a_certificate_of_its_own() -> None:
    pytest.importorskip("trustme")
    with Upstream(tls=True) as upstream:
        trusting = ssl.create_default_context(cafile=str(upstream.ca_file))
        trusted = http.client.HTTPSConnection("127.0.0.1", upstream.port, timeout=10, context=trusting)
        with closing(trusted) as connection:
            assert post(connection).status == 200
        with closing(http.client.HTTPSConnection("127.0.0.1", upstream.port, timeout=10)) as connection:
            with pytest.raises(ssl.SSLCertVerificationError):
                post(connection)
    assert upstream.url.startswith("https://") and len(upstream.requests) == 1


def test_leaving_ends_what_still_hangs() -> None:
    before = set(threading.enumerate())
    with Upstream(raw_reply(Hang())) as upstream, client(upstream) as connection:
        connection.request("POST", "/", b"")
        upstream.wait_for_requests(1)
        ours = [thread for thread in set(threading.enumerate()) - before if thread.name == "upstream"]
        assert len(ours) == 2
        upstream.__exit__(None, None, None)
        assert not any(thread.is_alive() for thread in ours)


def test_nothing_listens_on_a_closed_port() -> None:
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", closed_port()), 10)
