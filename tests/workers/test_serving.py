"""A connection's plain requests are answered in order, and what is not plain comes back whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from gunicorn.http.errors import InvalidSchemeHeaders
from gunicorn.http.parser import RequestParser

from app.workers.serving import serves_plain
from tests.workers.connecting import (
    PATHS,
    Worker,
    answers,
    config,
    connected,
    echo,
    request,
    saying,
    talk,
)

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
        expected: Any = [next(RequestParser(worker.cfg, iter([data]), address)).scheme.encode()], b""
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
