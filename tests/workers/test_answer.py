"""An answer's bytes: how it is framed, in how many sends it goes, and what is refused before any of it goes."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from app.workers.answer import Answer

OK = "200 OK"
PLAIN = [("Content-Type", "text/plain")]


class Peers:
    """An answer's socket and its client's, where each send arrives as one message."""

    def __init__(self) -> None:
        self.sock, self._client = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._client.setblocking(False)

    def sent(self) -> list[bytes]:
        """What has been sent since the last look, send by send."""
        messages: list[bytes] = []
        with suppress(BlockingIOError):
            while True:
                messages.append(self._client.recv(1_000_000))
        return messages

    def close(self) -> None:
        self.sock.close()
        self._client.close()


@pytest.fixture
def peers() -> Iterator[Peers]:
    both = Peers()
    yield both
    both.close()


@pytest.fixture
def answer(peers: Peers) -> Answer:
    return Answer(peers.sock, keeps=True)


def split(data: bytes) -> tuple[str, dict[str, list[str]], bytes]:
    """Status line, headers by their lower-case names, and what follows."""
    head, end, body = data.partition(b"\r\n\r\n")
    assert end
    status, *lines = head.decode("latin-1").split("\r\n")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        headers.setdefault(name.lower(), []).append(value)
    return status, headers, body


# ---- how it goes out


def test_nothing_is_sent_before_there_is_a_piece(peers: Peers, answer: Answer) -> None:
    answer.start(OK, PLAIN)
    answer.write(b"")
    assert peers.sent() == []
    assert not answer.begun


def test_the_head_and_the_first_piece_go_out_in_one_send(peers: Peers, answer: Answer) -> None:
    write = answer.start(OK, [*PLAIN, ("Content-Length", "5")])
    write(b"abc")
    [first] = peers.sent()
    status, headers, body = split(first)
    assert status == "HTTP/1.1 200 OK"
    assert body == b"abc"
    assert headers["content-type"] == ["text/plain"]
    assert headers["content-length"] == ["5"]
    assert headers["connection"] == ["keep-alive"]
    assert len(headers["date"]) == len(headers["server"]) == 1
    assert "transfer-encoding" not in headers
    assert answer.begun
    write(b"de")
    answer.end()
    assert peers.sent() == [b"de"]
    assert answer.keeps


def test_a_body_of_unknown_length_is_chunked(peers: Peers, answer: Answer) -> None:
    answer.start(OK, PLAIN)
    for piece in (b"abc", b"", b"x" * 26):
        answer.write(piece)
    answer.end()
    first, *others = peers.sent()
    _, headers, body = split(first)
    assert headers["transfer-encoding"] == ["chunked"]
    assert body == b"3\r\nabc\r\n"
    assert others == [b"1a\r\n" + b"x" * 26 + b"\r\n", b"0\r\n\r\n"]
    assert answer.keeps


def test_an_empty_body_of_unknown_length_is_one_send(peers: Peers, answer: Answer) -> None:
    answer.start(OK, PLAIN)
    answer.end()
    [only] = peers.sent()
    assert split(only)[2] == b"0\r\n\r\n"


def test_an_empty_body_of_known_length_is_one_send(peers: Peers, answer: Answer) -> None:
    answer.start(OK, [("content-length", "0")])
    answer.end()
    [only] = peers.sent()
    assert split(only)[2] == b""
    assert answer.keeps


def test_a_piece_that_waits_goes_out_with_the_next(peers: Peers, answer: Answer) -> None:
    answer.start(OK, PLAIN)
    answer.write(b"a")
    peers.sent()
    answer.write(b"b", waits=True)
    answer.write(b"c", waits=True)
    assert peers.sent() == []
    answer.write(b"d")
    assert peers.sent() == [b"1\r\nb\r\n1\r\nc\r\n1\r\nd\r\n"]


@pytest.mark.parametrize("headers", [PLAIN, [("Content-Length", "2")]])
def test_pieces_that_wait_go_out_with_the_end(peers: Peers, answer: Answer, headers: list[tuple[str, str]]) -> None:
    answer.start(OK, headers)
    answer.write(b"a", waits=True)
    answer.write(b"b", waits=True)
    assert peers.sent() == []
    assert not answer.begun
    answer.end()
    [only] = peers.sent()
    assert split(only)[2] in (b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n", b"ab")
    assert answer.keeps


# ---- how long it is


@pytest.mark.parametrize("pieces", [[b"abcdef"], [b"abc", b"def"], [b"abcd", b"e", b"f"], [b"abcde", b"", b"f"]])
def test_more_than_the_content_length_is_never_sent(peers: Peers, answer: Answer, pieces: list[bytes]) -> None:
    answer.start(OK, [("cOnTent-Length", "4")])
    for piece in pieces:
        answer.write(piece)
    answer.end()
    assert split(b"".join(peers.sent()))[2] == b"abcd"
    assert answer.keeps


@pytest.mark.parametrize("pieces", [[], [b"ab"], [b"a", b"bc"]])
def test_a_body_shorter_than_said_ends_the_connection(peers: Peers, answer: Answer, pieces: list[bytes]) -> None:
    answer.start(OK, [("Content-Length", "4")])
    for piece in pieces:
        answer.write(piece)
    answer.end()
    assert split(b"".join(peers.sent()))[2] == b"".join(pieces)
    assert not answer.keeps


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_some_statuses_have_neither_body_nor_framing(peers: Peers, answer: Answer, status: str) -> None:
    answer.start(status, [("ETag", '"x"')])
    answer.write(b"abc")
    answer.end()
    line, headers, body = split(b"".join(peers.sent()))
    assert line == f"HTTP/1.1 {status}"
    assert body == b""
    assert headers.keys().isdisjoint({"transfer-encoding", "content-length"})
    assert answer.keeps


def test_what_is_not_kept_says_so(peers: Peers) -> None:
    answer = Answer(peers.sock, keeps=False)
    answer.start(OK, PLAIN)
    answer.write(b"a")
    answer.end()
    assert split(peers.sent()[0])[1]["connection"] == ["close"]
    assert not answer.keeps


# ---- what is refused


@pytest.mark.parametrize("bad", ["\r\n", "\n", "\r", "a\nb", "\n "])
@pytest.mark.parametrize(
    "make",
    [
        lambda bad: (OK, [("X-A", f"b{bad}X-B: c")]),
        lambda bad: (OK, [*PLAIN, (f"X-A{bad}", "b")]),
        lambda bad: (f"200 OK{bad}X-A: b", PLAIN),
        lambda bad: (OK, [("X-A", bad)]),
    ],
)
def test_a_line_break_in_a_header_is_refused_before_anything_is_sent(
    peers: Peers, answer: Answer, make: Callable[[str], tuple[str, list[tuple[str, str]]]], bad: str
) -> None:
    with pytest.raises(ValueError, match="line break"):
        answer.start(*make(bad))
    assert peers.sent() == []
    assert not answer.begun


def failure() -> Any:
    try:
        raise LookupError("the application's")
    except LookupError:
        return sys.exc_info()


def test_a_failure_after_the_beginning_is_raised_again(peers: Peers, answer: Answer) -> None:
    answer.start(OK, PLAIN)
    answer.write(b"a")
    peers.sent()
    with pytest.raises(LookupError, match="the application's"):
        answer.start("500 Internal Server Error", PLAIN, failure())
    assert peers.sent() == []


def test_a_failure_before_the_beginning_has_its_own_head(peers: Peers, answer: Answer) -> None:
    answer.start(OK, PLAIN)
    answer.start("500 Internal Server Error", [("Content-Length", "1")], failure())
    answer.write(b"a")
    answer.end()
    [only] = peers.sent()
    status, headers, body = split(only)
    assert status == "HTTP/1.1 500 Internal Server Error"
    assert body == b"a"
    assert "content-type" not in headers


# ---- sockets as they are


def test_what_a_socket_did_not_take_at_once_still_arrives() -> None:
    left, right = socket.socketpair()
    with left, right:
        for sock, side in ((left, socket.SO_SNDBUF), (right, socket.SO_RCVBUF)):
            sock.setsockopt(socket.SOL_SOCKET, side, 4096)
        left.settimeout(10)  # with a time limit a send takes what there is room for; without one it waits for all
        body, got = bytes(range(256)) * 8192, bytearray()

        def read() -> None:
            while data := right.recv(65_536):
                got.extend(data)

        reader = threading.Thread(target=read)
        reader.start()
        answer = Answer(left, keeps=True)
        answer.start(OK, [("Content-Length", str(2 * len(body)))])
        answer.write(body)
        answer.write(body)
        answer.end()
        left.shutdown(socket.SHUT_WR)
        reader.join(10)
    assert split(bytes(got))[2] == body + body


def test_a_client_that_has_left_is_an_oserror() -> None:
    left, right = socket.socketpair()
    with left:
        right.close()
        answer = Answer(left, keeps=True)
        answer.start(OK, PLAIN)
        with pytest.raises(OSError):  # noqa: PT011  # broken pipe, or reset
            answer.write(b"a")


# ---- what an application says that an answer cannot be


def test_a_second_beginning_forgets_the_length_of_the_first(peers: Peers, answer: Answer) -> None:
    answer.start(OK, [("Content-Length", "5")])
    answer.start("500 Oops", PLAIN, (ValueError, ValueError(), None))
    answer.write(b"0123456789")
    answer.end()
    _, headers, body = split(b"".join(peers.sent()))
    assert headers["transfer-encoding"] == ["chunked"]
    assert body == b"a\r\n0123456789\r\n0\r\n\r\n"


@pytest.mark.parametrize(("status", "said"), [("204 No Content", None), ("304 Not Modified", ["5"])])
def test_where_there_is_no_body_a_length_is_said_only_of_what_would_be_one(
    peers: Peers, answer: Answer, status: str, said: list[str] | None
) -> None:
    answer.start(status, [("Content-Length", "5")])
    answer.end()
    assert split(b"".join(peers.sent()))[1].get("content-length") == said


def test_the_connections_own_headers_are_not_the_applications(peers: Peers, answer: Answer) -> None:
    answer.start(
        OK, [("Connection", "close"), ("Transfer-Encoding", "gzip"), ("Upgrade", "x"), ("Content-Length", "0")]
    )
    answer.end()
    headers = split(b"".join(peers.sent()))[1]
    assert headers["connection"] == ["keep-alive"]
    assert not headers.keys() & {"transfer-encoding", "upgrade"}


def test_a_null_character_in_a_header_is_refused(answer: Answer) -> None:
    with pytest.raises(ValueError, match="null character"):
        answer.start(OK, [("X", "a\0b")])


def test_a_body_without_a_beginning_is_refused(peers: Peers, answer: Answer) -> None:
    with pytest.raises(RuntimeError, match="not begun"):
        answer.write(b"naked")
    assert peers.sent() == []
