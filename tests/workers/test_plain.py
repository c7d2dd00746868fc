"""What is read as a plain request: never anything that gunicorn would refuse, or read in another way."""

from __future__ import annotations

import random
import socket
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.message import Request
from gunicorn.http.parser import RequestParser
from gunicorn.http.wsgi import create
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.workers.plain import Head, Rest, read_head
from tests.workers.spoiling import HIDDEN, spoilt

LONGEST, MOST = 8190, 100
CLIENT, SERVER = ("127.0.0.1", 1234), ("127.0.0.1", 80)


def config() -> Config:
    """gunicorn's settings, with the gateway's limits."""
    cfg = Config()
    for name, value in (("line", LONGEST), ("fields", MOST), ("field_size", 16_380)):
        cfg.set(f"limit_request_{name}", value)
    return cfg


CFG = config()


def by_gunicorn(data: bytes) -> tuple[Request, dict[str, Any]]:
    """How gunicorn reads the first request, and what it says of it to WSGI. What it refuses raises."""
    request = next(RequestParser(CFG, iter([data]), CLIENT))
    left, right = socket.socketpair()
    with left, right:
        _, environ = create(request, left, CLIENT, SERVER, CFG)
        right.setblocking(False)
        with pytest.raises(BlockingIOError):  # or it has sent something before the answer
            right.recv(1)
    return request, environ


def check_that_gunicorn_agrees(data: bytes, head: Head) -> None:
    request, environ = by_gunicorn(data)
    assert head.environ == {
        name: value for name, value in environ.items() if name.startswith(("HTTP_", "CONTENT_")) or name in head.environ
    }
    assert environ["SCRIPT_NAME"] == ""
    assert head.keeps is not request.should_close()
    assert data[: head.size].endswith(b"\r\n\r\n")
    assert head.length == int(head.environ.get("CONTENT_LENGTH", 0))
    assert request.body.read() == data[head.size : head.size + head.length]
    assert request.unreader.take_buffered() == data[head.size + head.length :]


@settings(
    max_examples=600,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(spoilt())
def test_whatever_is_read_gunicorn_reads_in_the_same_way(data: bytes) -> None:
    head = read_head(data, LONGEST, MOST)
    if head is not None:
        check_that_gunicorn_agrees(data, head)


def test_any_byte_anywhere_in_a_head_is_refused_or_read_as_gunicorn_reads_it() -> None:
    whole = b"POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 05\r\nX-A: b \r\nConnection: Close\r\n\r\nabcde" + HIDDEN
    odd = [0, 9, 10, 13, 32, 35, 37, 43, 47, 48, 58, 63, 91, 95, 127, 128, 133, 160, 178, 255]
    size, read = whole.index(b"abcde"), 0
    for at in range(size):
        for byte in (bytes([value]) for value in odd):
            for data in (whole[:at] + byte + whole[at:], whole[:at] + byte + whole[at + 1 :]):
                if (head := read_head(data, LONGEST, MOST)) is not None:
                    check_that_gunicorn_agrees(data, head)
                    read += 1
    assert read > size  # or nothing was compared


# ---- examples


def request(*lines: bytes, line: bytes = b"GET / HTTP/1.1", body: bytes = b"") -> bytes:
    return b"".join(one + b"\r\n" for one in (line, b"Host: x", *lines)) + b"\r\n" + body


@pytest.mark.parametrize(
    "data",
    [
        request(),
        request(line=b"GET /caf%C3%A9?a=%41?b HTTP/1.1"),
        request(line=b"GET /a/[b]:80;c HTTP/1.1"),
        request(line=b"POST /a//b HTTP/1.1"),
        request(b"Content-Length: 5", line=b"POST / HTTP/1.1", body=b"abcde" + HIDDEN),
        request(b"Content-Length: 0005", body=b"abcde"),
        request(b"Content-Length:5", body=b"abcde"),
        request(b"Content-Length: 0", body=HIDDEN),
        request(body=HIDDEN),
        request(b"Content-Type: a", b"X-Empty:", b"X-Tab:\ta\tb\t", b"X-Latin: \xe9"),
        request(b"Connection: CLOSE"),
        request(b"Connection: Keep-Alive"),
        request(b"X-Long: " + b"x" * 8000),
        request(*(b"x%d: y" % number for number in range(99))),
    ],
)
def test_what_cannot_be_read_in_two_ways_is_plain(data: bytes) -> None:
    head = read_head(data, LONGEST, MOST)
    assert head is not None
    check_that_gunicorn_agrees(data, head)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\r\n" + request(),
        request()[:-1],
        request()[:-2],
        request().replace(b"\r\n", b"\n"),
        request(line=b"GET / HTTP/1.0"),
        request(line=b"GET  / HTTP/1.1"),
        request(line=b"get / HTTP/1.1"),
        request(line=b"HEAD / HTTP/1.1"),
        request(line=b"OPTIONS * HTTP/1.1"),
        request(line=b"GET //host/path HTTP/1.1"),
        request(line=b"GET http://x/ HTTP/1.1"),
        request(line=b"GET /a#b HTTP/1.1"),
        request(line=b"GET /\xc3\xa9 HTTP/1.1"),
        request(line=b"GET /\x7f HTTP/1.1"),
        request(b"Content-Length: 5", b"Content-Length: 5"),
        request(b"Content-Length: 5", b"content-length: 6"),
        request(b"Content-Length: 5, 5"),
        request(b"Content-Length: +5"),
        request(b"Content-Length: -5"),
        request(b"Content-Length: 1_0"),
        request(b"Content-Length: \xb2"),
        request(b"Content-Length: \xef\xbc\x95"),
        request(b"Content-Length: 0x5"),
        request(b"Content-Length:"),
        request(b"Content-Length: " + b"1" * 16),
        request(b"Content_Length: 5"),
        request(b"Content-Length : 5"),
        request(b"Transfer-Encoding: chunked"),
        request(b"Transfer-Encoding: identity"),
        request(b"Transfer_Encoding: chunked"),
        request(b"Expect: 100-continue"),
        request(b"Upgrade: h2c"),
        request(b"Connection: Upgrade"),
        request(b"Connection: keep-alive, close"),
        request(b"Connection: close", b"Connection: keep-alive"),
        request(b"Trailer: x"),
        request(b"X-A: b", b"x-a: c"),
        request(b"Host: y"),
        request(b"X_A: b"),
        request(b"X-A: b", b" folded"),
        request(b"X-A: b\nTransfer-Encoding: chunked"),
        request(b"X-A: b\rTransfer-Encoding: chunked"),
        request(b"X-A: b\0"),
        request(b"X-A: b\x7f"),
        request(b"no colon"),
        request(b": no name"),
        request(b"X(: a"),
        request(b"X\xe9: a"),
        request(b"X-Long: " + b"x" * 8190),
        request(*(b"x%d: y" % number for number in range(100))),
    ],
)
def test_what_has_two_readings_or_too_much_is_left_to_gunicorn(data: bytes) -> None:
    assert read_head(data, LONGEST, MOST) is None


def test_the_limits_hold_to_the_byte_and_to_the_header() -> None:
    data = request(b"X-A: b")
    assert read_head(data, len(data), 2)
    assert read_head(data, len(data) - 1, 2) is None
    assert read_head(data, len(data), 1) is None
    assert read_head(data + HIDDEN, len(data), 2)  # what follows the head does not count


# ---- bodies

BODY = bytes(range(256)) * 3


@pytest.mark.parametrize("begun", [0, 1, 100, len(BODY) - 1, len(BODY)])
def test_the_rest_is_the_body_and_never_a_byte_more_whatever_is_asked_for(begun: int) -> None:
    draw = random.Random(begun)
    left, right = socket.socketpair()
    with left, right:
        right.sendall(BODY[begun:] + HIDDEN)
        rest, got = Rest(left, BODY[:begun], len(BODY)), b""
        while rest.left:
            piece = rest.read(draw.choice([0, 1, 2, 7, 50, 1000]))
            assert piece is not None
            got += piece
            assert rest.left == len(BODY) - len(got)
        assert got == BODY
        assert rest.read(1000) == b"" and rest.readall() == b""
        assert left.recv(1000) == HIDDEN


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(0, len(BODY)), st.integers(0, len(BODY)), st.lists(st.integers(0, 400), max_size=8))
def test_a_body_of_any_size_is_cut_where_its_length_ends(length: int, begun: int, sizes: list[int]) -> None:
    begun = min(begun, length)
    left, right = socket.socketpair()
    with left, right:
        right.sendall(BODY[begun:length] + HIDDEN)
        rest = Rest(left, BODY[:begun], length)
        got = b"".join(rest.read(size) or b"" for size in sizes)
        assert got + rest.readall() == BODY[:length]
        assert rest.left == 0
        assert left.recv(1000) == HIDDEN


def test_a_body_that_ends_too_early_leaves_something() -> None:
    left, right = socket.socketpair()
    with left, right:
        right.sendall(b"de")
        right.shutdown(socket.SHUT_WR)
        rest = Rest(left, b"abc", 9)
        assert rest.readall() == b"abcde"
        assert rest.left == 4
