"""How a connection ends: an application that fails, a client that has left, a worker that is to stop."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from tests.workers.connecting import (
    PATHS,
    PATIENCE,
    App,
    Worker,
    answers,
    connected,
    request,
)

# ---- what goes wrong


class Pieces:
    """A body whose every piece is made when it is asked for, and which knows whether it was closed."""

    def __init__(self, *makes: Callable[[], bytes]) -> None:
        self._makes, self.closed = makes, 0

    def __iter__(self) -> Iterator[bytes]:
        return (make() for make in self._makes)

    def close(self) -> None:
        self.closed += 1

    def app(self, environ: dict[str, Any], start_response: Any) -> Pieces:
        start_response("200 OK", [])
        return self


def failing() -> bytes:
    raise LookupError("secret words")


def failing_at_once(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return [failing()]


def failing_in_its_headers(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("X-A", "b\r\nX-B: c")])
    return [b"a"]


@pytest.mark.parametrize("app", [failing_at_once, failing_in_its_headers, Pieces(failing).app])
def test_a_failure_before_the_answer_is_a_500_in_json_and_the_connections_end(app: App) -> None:
    with connected(Worker(app)) as connection:
        got, left = connection.ended(request(b"/a") + request(b"/b"))
    [(head, body)] = answers(got)
    assert head.startswith(b"HTTP/1.1 500 ")
    assert b"Connection: close" in head
    assert json.loads(body)["error"]["type"] == "server_error"
    assert b"secret" not in got
    assert left == b""


def test_a_failure_after_the_beginning_just_ends_the_connection() -> None:
    with connected(Worker(Pieces(lambda: b"begun", failing).app)) as connection:
        got, left = connection.ended(request(b"/a") + request(b"/b"))
    assert got.endswith(b"\r\n\r\n5\r\nbegun\r\n")  # and no last chunk: the client sees that it is not whole
    assert got.count(b"HTTP/1.1") == 1
    assert left == b""


def test_an_answer_shorter_than_it_was_said_to_be_is_the_last() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Length", "9")])
        return [b"short"]

    with connected(Worker(app)) as connection:
        got, left = connection.ended(request(b"/a") + request(b"/b"))
    assert got.endswith(b"\r\n\r\nshort") and got.count(b"HTTP/1.1") == 1
    assert left == b""


@pytest.mark.parametrize("makes", [(), (lambda: b"a",), (failing,), (lambda: b"a", failing)])
def test_a_body_is_closed_once_whatever_becomes_of_it(makes: tuple[Callable[[], bytes], ...]) -> None:
    pieces = Pieces(*makes)
    with connected(Worker(pieces.app)) as connection:
        connection.ended(request(b"/"))
    assert pieces.closed == 1


def test_a_body_is_closed_when_the_client_has_left() -> None:
    left = threading.Event()

    def once_it_has_left() -> bytes:
        assert left.wait(PATIENCE)
        return b"a"

    pieces = Pieces(lambda: b"begun", once_it_has_left, failing)
    with connected(Worker(pieces.app)) as connection:
        connection.sock.sendall(request(b"/"))
        connection.until(b"begun\r\n")
        connection.sock.close()
        left.set()
        assert isinstance(connection.result.exception(PATIENCE), BrokenPipeError)
    assert pieces.closed == 1


def test_pieces_that_are_here_already_go_out_together() -> None:
    class Told(Pieces):
        is_over = False

        @property
        def body(self) -> Told:
            return self

    def last() -> bytes:
        pieces.is_over = True
        return b"b"

    pieces = Told(lambda: b"a", last, lambda: b"c")
    with connected(Worker(pieces.app), kind=socket.SOCK_SEQPACKET) as connection:  # each send is a message
        connection.sock.sendall(request(b"/"))
        assert connection.sock.recv(65_536).endswith(b"\r\n\r\n1\r\na\r\n")
        assert connection.sock.recv(65_536) == b"1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"
        connection.ended()


# ---- a worker's end


def test_a_worker_that_has_answered_enough_says_that_it_closes() -> None:
    worker = Worker(PATHS, max_requests=2)
    with connected(worker) as connection:
        got, left = connection.ended(request(b"/a") + request(b"/b") + request(b"/c"))
    (first, _), (second, body) = answers(got)
    assert b"Connection: keep-alive" in first
    assert b"Connection: close" in second
    assert (body, left) == (b"/b", b"")
    assert not worker.alive


def test_a_worker_that_is_to_stop_still_answers_what_has_arrived() -> None:
    worker = Worker(PATHS)
    worker.alive = False
    with connected(worker) as connection:
        got, left = connection.ended(request(b"/a") + request(b"/b"))
    [(head, body)] = answers(got)
    assert b"Connection: close" in head
    assert (body, left) == (b"/a", b"")
