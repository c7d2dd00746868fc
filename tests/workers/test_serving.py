"""A connection's plain requests are answered in order, and what is not plain comes back whole."""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.errors import InvalidSchemeHeaders
from gunicorn.http.parser import RequestParser

from app.workers.serving import Serving, serves_plain

PATIENCE = 10.0
CLIENT, SERVER = ("127.0.0.1", 1234), ("127.0.0.1", 5000)

App = Callable[[dict[str, Any], Any], Iterable[bytes]]
Waiting = Callable[[], AbstractContextManager[Any]]


class Worker:
    """What `Serving` needs of gunicorn's worker."""

    def __init__(self, app: App, max_requests: int = sys.maxsize, **settings: Any) -> None:
        self.cfg, self.wsgi, self.max_requests = config(**settings), app, max_requests
        self.nr, self.alive, self.log = 0, True, logging.getLogger("gunicorn.error")


def config(**settings: Any) -> Config:
    cfg = Config()
    for name, value in {"forwarded_allow_ips": "127.0.0.1", **settings}.items():
        cfg.set(name, value)
    return cfg


class Connection:
    """A client whose connection is being served."""

    def __init__(self, worker: Worker, client: Any, waiting: Waiting, kind: int, pool: ThreadPoolExecutor) -> None:
        self._served, self.sock = socket.socketpair(socket.AF_UNIX, kind)
        for sock in (self._served, self.sock):
            sock.settimeout(PATIENCE)
        self._worker, self._ends = worker, (SERVER, client)
        self.result: Future[bytes] = pool.submit(self._serve, waiting)
        """What `serve` gave back, or raised."""

    def _serve(self, waiting: Waiting) -> bytes:
        with self._served:
            return Serving(self._worker).serve(self._served, *self._ends, waiting)

    def until(self, end: bytes) -> bytes:
        """What comes, up to and with `end`."""
        got = b""
        while not got.endswith(end):
            got += self.sock.recv(1)
            assert got
        return got

    def ended(self, *data: bytes) -> tuple[bytes, bytes]:
        """Send, and say no more: all that comes, and what `serve` gives back."""
        for piece in data:
            self.sock.sendall(piece)
        self.sock.shutdown(socket.SHUT_WR)
        pieces = []
        with suppress(ConnectionResetError):  # it was closed before all that we sent was read
            while piece := self.sock.recv(65_536):
                pieces.append(piece)
        return b"".join(pieces), self.result.result(PATIENCE)


@contextmanager
def connected(
    worker: Worker, client: Any = CLIENT, waiting: Waiting = nullcontext, kind: int = socket.SOCK_STREAM
) -> Iterator[Connection]:
    with ThreadPoolExecutor(1) as pool:
        connection = Connection(worker, client, waiting, kind, pool)
        with connection.sock:
            yield connection


def talk(worker: Worker, *data: bytes, client: Any = CLIENT) -> tuple[list[bytes], bytes]:
    """The bodies that answer `data`, and what was not answered."""
    with connected(worker, client) as connection:
        got, left = connection.ended(*data)
    return [body for _, body in answers(got)], left


def answers(data: bytes) -> list[tuple[bytes, bytes]]:
    """Heads and bodies of answers that all have a Content-Length."""
    found = []
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        assert len(data) >= length
        found.append((head, data[:length]))
        data = data[length:]
    return found


def saying(say: Callable[[dict[str, Any]], Any]) -> App:
    """An application that answers with what `say` makes of the request."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        said = say(environ)
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    return app


PATHS = saying(lambda environ: environ["PATH_INFO"].encode())


def echo(environ: dict[str, Any]) -> bytes:
    body: bytes = environ["wsgi.input"].read()
    return environ["PATH_INFO"].encode() + b" " + body


def request(path: bytes, *lines: bytes, body: bytes | None = None) -> bytes:
    sent = (b"Host: x", *lines) if body is None else (b"Host: x", *lines, b"Content-Length: %d" % len(body))
    line = (b"GET " if body is None else b"POST ") + path + b" HTTP/1.1"
    return b"\r\n".join((line, *sent, b"", b"")) + (body or b"")


# ---- one request after the other


def test_requests_in_one_piece_are_answered_in_order() -> None:
    data = b"".join(request(b"/%d" % number, body=b"b" * number if number % 2 else None) for number in range(6))
    bodies, left = talk(Worker(saying(echo)), data)
    assert bodies == [b"/0 ", b"/1 b", b"/2 ", b"/3 bbb", b"/4 ", b"/5 bbbbb"]
    assert left == b""


def test_requests_one_by_one_are_answered_on_the_same_connection() -> None:
    worker = Worker(PATHS)
    with connected(worker) as connection:
        for path in (b"/a", b"/b"):
            connection.sock.sendall(request(path))
            assert b"Connection: keep-alive" in connection.until(b"\r\n\r\n" + path)
        assert connection.ended() == (b"", b"")
    assert worker.nr == 2


def test_a_request_that_closes_is_the_last() -> None:
    with connected(Worker(PATHS)) as connection:
        got, left = connection.ended(request(b"/a", b"Connection: close") + request(b"/b"))
    [(head, body)] = answers(got)
    assert b"Connection: close" in head
    assert (body, left) == (b"/a", b"")


def test_the_application_is_told_who_asks_whom() -> None:
    names = ("REMOTE_ADDR", "REMOTE_PORT", "SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "SCRIPT_NAME")
    worker = Worker(saying(lambda environ: [environ.get(name) for name in names]))
    [by_address], _ = talk(worker, request(b"/"))
    assert json.loads(by_address) == ["127.0.0.1", "1234", "127.0.0.1", "5000", "HTTP/1.1", ""]
    [by_file], _ = talk(worker, request(b"/"), client="")
    assert json.loads(by_file)[:2] == ["", None]


def test_nothing_of_a_request_is_told_of_the_next() -> None:
    worker = Worker(saying(lambda environ: sorted(name for name in environ if name.startswith(("HTTP_", "CONTENT_")))))
    bodies, _ = talk(worker, request(b"/", b"Authorization: a", body=b"b") + request(b"/"))
    assert [json.loads(body) for body in bodies] == [
        ["CONTENT_LENGTH", "HTTP_AUTHORIZATION", "HTTP_HOST"],
        ["HTTP_HOST"],
    ]


def test_the_client_is_waited_for_only_while_it_is_to_speak() -> None:
    entered: list[bool] = []

    @contextmanager
    def waiting() -> Iterator[None]:
        entered.append(True)
        yield
        entered.append(False)

    with connected(Worker(saying(lambda environ: [len(entered), entered[-1]])), waiting=waiting) as connection:
        got, _ = connection.ended(request(b"/a") + request(b"/b"))
    assert [json.loads(body) for _, body in answers(got)] == [[2, False], [2, False]]
    assert entered == [True, False, True, False]  # for the two requests, which came together, and for the end


# ---- bodies


def test_a_body_may_come_in_pieces() -> None:
    def app(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield from iter(lambda: environ["wsgi.input"].read1(), b"")

    with connected(Worker(app)) as connection:
        connection.sock.sendall(request(b"/", body=b"abcdef")[:-4])
        connection.until(b"\r\n2\r\nab\r\n")
        connection.sock.sendall(b"cd")
        connection.until(b"2\r\ncd\r\n")
        connection.sock.sendall(b"ef" + request(b"/", body=b"next"))
        connection.until(b"2\r\nef\r\n0\r\n\r\n")
        connection.until(b"4\r\nnext\r\n0\r\n\r\n")
        assert connection.ended() == (b"", b"")


@pytest.mark.parametrize("size", [1, 65_536, 300_000])
@pytest.mark.parametrize("read", [0, 1, 5000, 10_000_000])
def test_what_the_application_leaves_of_a_body_is_passed_over(size: int, read: int) -> None:
    def say(environ: dict[str, Any]) -> int:
        return len(environ["wsgi.input"].read(read))

    bodies, left = talk(Worker(saying(say)), request(b"/", body=b"x" * size), request(b"/", body=b"y") + request(b"/"))
    assert [json.loads(body) for body in bodies] == [min(size, read), min(1, read), 0]
    assert left == b""


def test_a_body_that_ends_too_early_is_the_connections_end() -> None:
    bodies, left = talk(Worker(saying(echo)), request(b"/", body=b"abcdef")[:-2])
    assert bodies == [b"/ abcd"]
    assert left == b""


# ---- what is gunicorn's


@pytest.mark.parametrize(
    "other",
    [
        request(b"/c", b"Transfer-Encoding: chunked") + b"3\r\nabc\r\n0\r\n\r\n" + request(b"/d"),
        request(b"/c", b"Content-Length: 3", body=b"abc") + request(b"/d"),
        request(b"/c").replace(b"1.1", b"1.0"),
        request(b"//c"),
        request(b"/c", b"X_A: b"),
        request(b"/c", b"X-Long: " + b"x" * 20_000),
        request(b"/c")[:-1],
        b"G",
        b"nonsense\r\n\r\n",
    ],
)
def test_what_is_not_plain_comes_back_whole_after_the_plain_ones_were_answered(other: bytes) -> None:
    worker = Worker(saying(echo))
    bodies, left = talk(worker, request(b"/a") + request(b"/b", body=b"body") + other)
    assert bodies == [b"/a ", b"/b body"]
    assert left == other
    assert worker.nr == 2


def test_more_headers_than_the_limit_are_gunicorns() -> None:
    worker = Worker(PATHS, limit_request_fields=2)
    data = request(b"/a", b"X-A: b"), request(b"/a", b"X-A: b", b"X-B: b")
    assert [talk(worker, one) for one in data] == [([b"/a"], b""), ([], data[1])]


@pytest.mark.parametrize("client", ["127.0.0.1", "127.0.0.2", "127.0.1.9", "::1", ""])
@pytest.mark.parametrize("allowed", ["127.0.0.1", "127.0.1.0/24,::1", "*"])
@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b"X-Forwarded-Proto: https"],
        [b"X-Forwarded-Proto: http"],
        [b"X-Forwarded-Proto: HTTPS"],
        [b"X-Forwarded-Ssl: on", b"X-Forwarded-Protocol: ssl"],
        [b"X-Forwarded-Ssl: on", b"X-Forwarded-Proto: http"],
        [b"X-Forwarded-Proto: http", b"X-Forwarded-Ssl: on"],
    ],
)
def test_a_scheme_counts_from_where_gunicorn_believes_it(client: str, allowed: str, lines: list[bytes]) -> None:
    worker = Worker(saying(lambda environ: environ["wsgi.url_scheme"].encode()), forwarded_allow_ips=allowed)
    address, data = (client, 1) if client else "", request(b"/", *lines)
    try:
        expected = [next(RequestParser(worker.cfg, iter([data]), address)).scheme.encode()], b""
    except InvalidSchemeHeaders:
        expected = [], data
    assert talk(worker, data, client=address) == expected


def test_a_scheme_is_believed_of_a_trusted_address_only() -> None:
    worker = Worker(saying(lambda environ: environ["wsgi.url_scheme"].encode()))
    data = request(b"/", b"X-Forwarded-Proto: https")
    assert talk(worker, data, client=("127.0.0.1", 1))[0] == [b"https"]
    assert talk(worker, data, client=("127.0.0.2", 1))[0] == [b"http"]
    contradiction = request(b"/", b"X-Forwarded-Proto: https", b"X-Forwarded-Ssl: off")
    assert talk(worker, contradiction, client=("127.0.0.1", 1)) == ([], contradiction)
    assert talk(worker, contradiction, client=("127.0.0.2", 1))[0] == [b"http"]


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
        over = False

        def is_over(self) -> bool:
            return self.over

    def last() -> bytes:
        pieces.over = True
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


# ---- whose requests they are


@pytest.fixture
def no_script_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCRIPT_NAME", raising=False)


@pytest.mark.usefixtures("no_script_name")
@pytest.mark.parametrize("settings", [{}, {"keepalive": 75, "limit_request_fields": 50, "max_requests": 9}])
def test_plain_requests_are_ours_as_gunicorn_comes(settings: dict[str, Any]) -> None:
    assert serves_plain(config(**settings))


@pytest.mark.usefixtures("no_script_name")
@pytest.mark.parametrize(
    "settings",
    [
        {"accesslog": "-"},
        {"certfile": __file__},
        {"proxy_protocol": True},
        {"pre_request": lambda worker, req: None},
        {"post_request": lambda worker, req, environ, resp: None},
        {"logconfig_dict": {"version": 1}},
        {"keepalive": 0},
    ],
)
def test_a_setting_that_gunicorn_alone_heeds_leaves_all_requests_to_it(settings: dict[str, Any]) -> None:
    assert not serves_plain(config(**settings))


def test_a_script_name_leaves_all_requests_to_gunicorn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPT_NAME", "/under")
    assert not serves_plain(config())
