"""Answers as they come over the wire, good and bad."""

from __future__ import annotations

import socket
import threading
from contextlib import closing

import pytest

from app.errors import Cut, Garbled, Unreachable, UpstreamError
from app.transport import MAX_ERROR_BYTES, Transport
from app.transport.exchange import MAX_HEAD_BYTES
from tests.transport.calling import Making, call, drained, read_request, serving
from tests.upstream import (
    Close,
    Hang,
    Reply,
    Reset,
    Upstream,
    chunk,
    json_reply,
    piecewise,
    raw_reply,
    sse_reply,
)


def text(body: bytes = b"ok", status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"Content-Length": str(len(body)), **named}, (body,))


def chunked(*chunks: bytes) -> Reply:
    return Reply(200, {"Transfer-Encoding": "chunked"}, (*map(chunk, chunks), chunk(b"")))


WHOLE = {
    "with a length": text(b"hello"),
    "in chunks": chunked(b"he", b"l", b"lo"),
    "to the connection's end": raw_reply(b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo"),
    "in HTTP/1.0": raw_reply(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    "in a coding that is not chunked": raw_reply(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello"),
    "after other heads": raw_reply(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ),
    "with chunk extensions and trailers": raw_reply(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n"
    ),
}  # fmt: skip


@pytest.mark.parametrize("size", [None, 1])
@pytest.mark.parametrize("framing", WHOLE)
def test_a_whole_answer_is_read_however_it_is_framed_and_cut(
    transport: Transport, framing: str, size: int | None
) -> None:
    with Upstream(piecewise(WHOLE[framing], size) if size else WHOLE[framing]) as upstream:
        answer = transport.send(call(upstream.url))
    assert (answer.status, answer.body) == (200, b"hello")


@pytest.mark.parametrize("framing", WHOLE)
def test_a_stream_is_read_however_it_is_framed(transport: Transport, framing: str) -> None:
    with Upstream(WHOLE[framing]) as upstream:
        response = transport.open(call(upstream.url))
        assert drained(response.raw) == b"hello"
        assert response.raw.read1(1) == b""
        response.raw.close()


def test_a_stream_gives_what_has_arrived_before_more_is_sent(transport: Transport) -> None:
    with Upstream(sse_reply([b"data: 1\n\n", Hang()])) as upstream:
        response = transport.open(call(upstream.url))
        assert response.raw.read1(10) == b"data: 1\n\n"
        response.raw.close()
        assert upstream.requests[0].client_left.wait(10)


def test_a_stream_that_is_closed_in_a_silence_lets_the_provider_go(transport: Transport) -> None:
    with Upstream(sse_reply([b"data: 1\n\n", Hang()])) as upstream:
        response = transport.open(call(upstream.url, total=600.0))
        assert response.raw.read1(10) == b"data: 1\n\n"
        with pytest.raises(TimeoutError):
            response.raw.read1(0.01)
        response.raw.close()
        assert upstream.requests[0].client_left.wait(10)


@pytest.mark.parametrize("status", [204, 304])
def test_an_answer_without_a_body_is_over_with_its_head(transport: Transport, status: int) -> None:
    with Upstream(Reply(status, {}, ())) as upstream:
        assert [transport.send(call(upstream.url)).body for _ in range(2)] == [b"", b""]
        assert upstream.connections == 1


def test_headers_are_found_in_any_case_and_joined_when_they_come_twice(transport: Transport) -> None:
    with Upstream(
        raw_reply(b"HTTP/1.1 200 OK\r\nVary: a\r\nX-Name: caf\xe9\r\nvary:  b \r\nContent-Length: 0\r\n\r\n")
    ) as upstream:
        headers = transport.send(call(upstream.url)).headers
    assert (headers["VARY"], headers["x-name"]) == ("a, b", "café")


def test_neither_early_headers_nor_trailers_are_the_answers(transport: Transport) -> None:
    early, trailing = b"HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n", b"0\r\nX-Late: 1\r\n\r\n"
    with Upstream(raw_reply(early + b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + trailing)) as upstream:
        assert dict(transport.send(call(upstream.url)).headers) == {"Transfer-Encoding": "chunked"}


def test_five_hundred_headers_are_fine(transport: Transport) -> None:
    with Upstream(text(**{f"x_{number}": "v" for number in range(500)})) as upstream:
        assert len(transport.send(call(upstream.url)).headers) == 501


class TestBadAnswers:
    @pytest.mark.parametrize(
        "wire",
        [
            b"SSH-2.0-OpenSSH_9.2\r\n",
            b"\x16\x03\x01\x02\x00",
            b"HTTP/1.1 two hundred\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\nhello",
        ],
    )
    def test_what_is_not_http_is_garbled(self, transport: Transport, wire: bytes) -> None:
        with Upstream(raw_reply(wire)) as upstream, pytest.raises(Garbled):
            transport.send(call(upstream.url))

    def test_what_came_before_a_broken_chunk_is_given_and_the_rest_is_garbled(self, transport: Transport) -> None:
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        with Upstream(raw_reply(head + chunk(b"data: 1\n\n") + b"zz\r\ndata: 2\n\n", Hang())) as upstream:
            response = transport.open(call(upstream.url))
            assert response.raw.read1(10) == b"data: 1\n\n"
            with pytest.raises(Garbled):
                response.raw.read1(10)
            with pytest.raises(UpstreamError):  # and not an end
                response.raw.read1(10)
            response.raw.close()
            upstream.wait_for_open(0)

    @pytest.mark.parametrize("end", [Close(), Reset()])
    @pytest.mark.parametrize(
        "wire",
        [
            b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
        ],
    )
    def test_a_body_that_ends_too_early_is_cut(self, transport: Transport, wire: bytes, end: Close | Reset) -> None:
        with Upstream(raw_reply(wire, end)) as upstream, pytest.raises(Cut):
            transport.send(call(upstream.url))

    @pytest.mark.parametrize("wire", [b"", b"HTTP/1.1 200 OK\r\nContent-"])
    @pytest.mark.parametrize("end", [Close(), Reset()])
    def test_no_answer_on_a_new_connection_is_not_asked_for_again(
        self, transport: Transport, wire: bytes, end: Close | Reset
    ) -> None:
        with Upstream(raw_reply(wire, end)) as upstream:
            with pytest.raises(Unreachable):
                transport.send(call(upstream.url))
            assert len(upstream.requests) == 1

    @pytest.mark.parametrize(
        ("head", "line"),
        [
            (b"HTTP/1.1 200 OK\r\n", b"X-Header: 0123456789\r\n"),
            (b"HTTP/1.1 200 OK\r\nX-Long: ", b"0123456789"),
            (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"extension;"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Trailer: 0123456789\r\n"),
        ],
    )
    def test_headers_and_framing_that_never_end_are_refused(
        self, transport: Transport, head: bytes, line: bytes
    ) -> None:
        endless = line * (2 * MAX_HEAD_BYTES // len(line) + 1)
        with Upstream(raw_reply(head, endless, Hang())) as upstream, pytest.raises(Garbled, match=r"bytes|100 headers"):
            transport.send(call(upstream.url))

    def test_an_answer_over_the_limit_is_refused_and_its_connection_closed(self, making: Making) -> None:
        with (
            closing(making(max_answer_bytes=1000)) as transport,
            Upstream([text(b"x" * 1000), text(b"x" * 1_000_000)]) as upstream,
        ):
            assert len(transport.send(call(upstream.url)).body) == 1000
            with pytest.raises(Garbled, match="longer than 1000 bytes"):
                transport.send(call(upstream.url))
            upstream.wait_for_open(0)

    def test_of_a_huge_error_only_the_beginning_is_read(self, transport: Transport) -> None:
        with Upstream(text(b"e" * 10_000_000, 500)) as upstream:
            answer = transport.send(call(upstream.url))
            assert (answer.status, answer.body) == (500, b"e" * MAX_ERROR_BYTES)
            upstream.wait_for_open(0)

    @pytest.mark.parametrize(
        "rest",
        [
            (b"Content-Length: 100\r\n\r\nslow down", Close()),
            (b"Content-Length: 100\r\n\r\nslow down", Reset()),
            (b"Transfer-Encoding: chunked\r\n\r\n9\r\nslow down\r\nzz\r\n",),
        ],
    )
    def test_an_error_whose_words_break_off_is_still_that_error(self, transport: Transport, rest: tuple) -> None:
        with Upstream(
            raw_reply(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 2\r\n" + rest[0], *rest[1:])
        ) as upstream:
            answer = transport.send(call(upstream.url))
        assert (answer.status, answer.headers["retry-after"], answer.body) == (429, "2", b"slow down")

    def test_an_error_in_a_coding_that_nobody_knows_is_still_that_error(self, transport: Transport) -> None:
        with Upstream(text(b"\x0b\x02\x80", 503, Content_Encoding="br")) as upstream:
            assert transport.send(call(upstream.url)).status == 503


def test_an_answer_that_comes_before_the_request_is_sent_counts(transport: Transport) -> None:
    """The server refuses a large body unread, and hangs up."""

    def refuse(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")

    with serving(refuse) as port:
        answer = transport.send(call(f"http://127.0.0.1:{port}", body=bytes(32_000_000)))
    assert (answer.status, answer.body) == (413, b"large")


def test_an_answer_to_a_request_that_is_no_longer_read_counts(transport: Transport) -> None:
    """The server refuses a large body unread, and waits."""

    def refuse(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge")
        left.wait(10)

    left = threading.Event()
    with serving(refuse) as port:
        answer = transport.send(call(f"http://127.0.0.1:{port}", body=bytes(32_000_000)))
        left.set()
    assert (answer.status, answer.body) == (413, b"large")


def test_a_large_request_and_a_large_answer_pass_whole(transport: Transport) -> None:
    body = bytes(range(256)) * 125_000
    with Upstream(lambda request: text(request.body[::-1])) as upstream:
        answer = transport.send(call(upstream.url, body=body, total=50.0))
        assert upstream.requests[0].body == body
        assert answer.body == body[::-1]


def test_a_closed_body_can_not_be_read(transport: Transport) -> None:
    with Upstream(json_reply({})) as upstream:
        response = transport.open(call(upstream.url))
        response.raw.close()
        response.raw.close()
        with pytest.raises(ValueError, match="closed"):
            drained(response.raw)
