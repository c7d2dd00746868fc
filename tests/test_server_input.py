"""Input that only a socket can bring, to the gateway under gunicorn with either kind of worker."""

from __future__ import annotations

import json
import socket

import pytest

from tests.served import PATIENCE, URL, Served
from tests.serving import CHAT, KEY, PROMPT
from tests.upstream import json_reply

pytestmark = pytest.mark.timeout(120)

# ---- bad input that only a socket can bring

HEAD = b"POST /gateway/chat/invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY = json.dumps(CHAT).encode()
HIDDEN = b"GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"


def framed(*headers: bytes, body: bytes = BODY) -> bytes:
    return HEAD + b"".join(header + b"\r\n" for header in headers) + b"\r\n" + body


def length(body: bytes = BODY) -> bytes:
    return b"Content-Length: %d" % len(body)


def chunked(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.mark.parametrize(
    "data",
    [
        framed(b"Content-Length: 5000"),
        framed(b"Transfer-Encoding: chunked", body=b"50\r\n" + BODY[:20]),
        framed(b"Transfer-Encoding: chunked", body=b"zz\r\n" + BODY),
    ],
)
def test_a_body_cut_short_or_broken_is_a_bad_request(served: Served, data: bytes) -> None:
    before = len(served.upstream.requests)
    assert status(served.raw(data)) in (0, 400)
    assert len(served.upstream.requests) == before


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (framed(length(), b"Content-Length: 4"), 400),
        (framed(length(), b"Bad Name: x"), 400),
        (b"nonsense\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    ],
)
def test_what_is_refused_before_it_is_read_is_refused_in_json(served: Served, data: bytes, wanted: int) -> None:
    head, _, body = served.raw(data).partition(b"\r\n\r\n")
    assert status(head) == wanted
    assert b"x-gateway-error-source: gateway" in head.lower()
    assert b"x-request-id: " in head.lower()
    said = json.loads(body)
    assert said["detail"] == said["error"]["message"]


def test_fifty_megabytes_are_too_large(served: Served) -> None:
    body = b" " * 50_000_000
    answer = served.raw(framed(length(body), body=body[:100_000]))
    assert status(answer) == 413
    assert b"x-gateway-error-source: gateway" in answer.lower()
    for data in (framed(length(body), body=body), framed(b"Transfer-Encoding: chunked", body=chunked(body))):
        assert status(served.raw(data)) in (0, 413)  # 0: it hung up while we were still sending


def test_a_chunked_body_is_read(served: Served) -> None:
    assert status(served.raw(framed(b"Connection: close", b"Transfer-Encoding: chunked", body=chunked(BODY)))) == 200
    assert served.upstream.requests[-1].json["messages"] == CHAT["messages"]


@pytest.mark.parametrize(
    "data",
    [
        framed(length(), b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN),
        framed(b"Transfer-Encoding: chunked", length(), body=b"0\r\n\r\n" + HIDDEN),
        framed(b"Content-Length: 0", length(), body=HIDDEN),
        framed(b"Content-Length: 1, 2", body=HIDDEN),
        framed(b"Content-Length: +5", body=HIDDEN),
        framed(b"Content-Length: -1", body=HIDDEN),
        framed(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + HIDDEN),
        framed(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n" + HIDDEN),
        framed(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n" + HIDDEN),
        framed(b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n" + HIDDEN),
        framed(b"X: a", b" folded: value", length()),
        framed(b"X: a\nTransfer-Encoding: chunked", body=b"0\r\n\r\n" + HIDDEN),
        framed(b"X: a\0b", length()),
        framed(b"no colon at all", length()),
        framed(b": no name", length()),
        framed(b"X(: a", length()),
        HEAD.replace(b"\r\n", b"\n") + length() + b"\n\n" + BODY,
        b"POST /gateway/chat/invocations HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET  /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"G\0T /health HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\r\n\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    ],
)
def test_a_message_meant_to_be_read_in_two_ways_is_refused(served: Served, data: bytes) -> None:
    before = len(served.upstream.requests)
    answer = served.raw(data)
    assert status(answer) in (0, 400, 414, 431, 501, 505), answer
    assert b"hidden" not in answer
    assert len(served.upstream.requests) == before


def test_a_name_with_an_underscore_is_not_the_header_that_it_resembles(served: Served) -> None:
    answer = served.raw(b"GET /health HTTP/1.1\r\nHost: x\r\nX_Request_ID: forged\r\nConnection: close\r\n\r\n")
    assert b"forged" not in answer
    before = len(served.upstream.requests)
    served.raw(framed(b"Content_Length: 5", b"Transfer_Encoding: chunked", length(), b"Connection: close"))
    assert len(served.upstream.requests) <= before + 1


@pytest.mark.parametrize("said", [b"a b", b"x" * 500, b"a\x01b", b"\xff\xfe", b"a\tb", b"a;b"])
def test_a_request_id_that_is_not_sane_is_replaced_or_refused(served: Served, said: bytes) -> None:
    answer = served.raw(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Request-ID: " + said + b"\r\nConnection: close\r\n\r\n")
    assert said not in answer
    assert status(answer) in (200, 400)


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (b"http://other.example/health", 200),
        (b"//gateway/chat/invocations", 404),
        (b"/gateway/%2e%2e/invocations", 404),
        (b"/gateway/%00/invocations", 404),
        (b"/gateway/caf%C3%A9/invocations", 404),
        (b"/%2e%2e/%2e%2e/etc/passwd", 404),
        (b"/gateway/../health", 404),
        (b"/gateway/\xc3\xa9/invocations", 404),
        (b"/" + b"x" * 8000, 404),
        (b"*", 404),
        (b"/health#x", 200),
    ],
)
def test_an_odd_target_is_answered(served: Served, target: bytes, expected: int) -> None:
    answer = served.raw(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert status(answer) in ({expected, 400} if expected == 404 else {expected}) | {405}


def test_clients_that_connect_and_say_nothing_keep_nobody_out(served: Served) -> None:
    count = 300 if served.worker_class == "gevent" else 40  # under gthread each holds a thread for its first 5 seconds
    silent = [socket.create_connection(("127.0.0.1", served.gateway.port), PATIENCE) for _ in range(count)]
    try:
        assert served.call(URL, CHAT)[0] == 200
    finally:
        for sock in silent:
            sock.close()


def test_nothing_that_was_said_is_in_the_logs(served: Served) -> None:
    bad = [b"Authorization : Bearer " + KEY.encode(), b"Authorization: Bearer " + KEY.encode() + b"\0", PROMPT.encode()]
    for header in bad:
        answer = served.raw(framed(header, length()))
        assert KEY.encode() not in answer
    served.raw(framed(b"Authorization: Bearer " + KEY.encode(), b"Content-Length: 5000"))
    served.upstream.replies = json_reply({"error": {"message": f"{KEY} {PROMPT}"}}, 401)
    served.call(URL, CHAT, Authorization=f"Bearer {KEY}")
    out = served.gateway._out.read_text() + served.gateway.errors()
    assert "gateway's credentials" in out
    assert KEY not in out
    assert PROMPT not in out
