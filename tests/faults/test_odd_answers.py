"""Answers that are odd on the wire: some are answers all the same, others must be replaced by another provider's."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.pair import PRIMARY_WELL, QUICK, Pair, post
from tests.faults.scenarios import PRIMARY_MODEL, TEXT, USAGES, chunks, refusal
from tests.serving import endpoint
from tests.upstream import (
    Close,
    Reply,
    Reset,
    Upstream,
    chat_completion,
    chunk,
    cut,
    encoded,
    error,
    event_bytes,
    json_reply,
    piecewise,
    raw_reply,
    sse_reply,
)

Told = Callable[[], list[dict[str, Any]]]

EVENTS = [event_bytes(one) for one in chunks(PRIMARY_MODEL)]
SAID = b"".join(EVENTS) + b"data: [DONE]\n\n"
BODY = encoded(chat_completion(TEXT, model=PRIMARY_MODEL, usage=USAGES[PRIMARY_MODEL]))
OK = b"HTTP/1.1 200 OK\r\nContent-Type: "
TEN_MEGABYTES = 10_000_000

# ---- answers all the same


def streamed(data: bytes, piece: int | None = None, **headers: str) -> Reply:
    """These bytes as a stream, in as many chunks as there are events, or in runs of bytes."""
    sizes = range(0, len(data), piece or 1000)
    parts = tuple(chunk(data[at : at + (piece or 1000)]) for at in sizes)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    told = {"Content-Type": "text/event-stream", "Transfer-Encoding": "chunked", **named}
    return Reply(200, told, (*parts, chunk(b"")))


ODD = {
    "a byte order mark": streamed(b"\xef\xbb\xbf" + SAID),
    "comments": streamed(b": welcome\n\n" + SAID.replace(b"\n\n", b"\n\n: still here\n\n")),
    "names, ids and waits": streamed(SAID.replace(b"data: {", b"event: message\nid: 7\nretry: 10\ndata: {")),
    "no space after the colon": streamed(SAID.replace(b"data: ", b"data:")),
    "lines that end with CR LF": streamed(SAID.replace(b"\n", b"\r\n")),
    "CR LF cut in two": streamed(SAID.replace(b"\n", b"\r\n"), piece=1),
    "lines that end with CR": streamed(SAID.replace(b"\n", b"\r")),
    "data in two lines": streamed(SAID.replace(b',"choices"', b'\ndata: ,"choices"')),
    "no empty line at the end": streamed(SAID[:-1]),
    "an event that is not UTF-8": streamed(EVENTS[0] + b'data: {"choices": "\xff\xfe"}\n\n' + SAID[len(EVENTS[0]) :]),
    "gzip, unasked": streamed(gzip.compress(SAID), Content_Encoding="gzip"),
    "the length is told": Reply(200, {"Content-Type": "text/event-stream", "Content-Length": str(len(SAID))}, (SAID,)),
    "its type is JSON": streamed(SAID, Content_Type="application/json"),
    "its type is nothing": streamed(SAID, Content_Type=""),
    "to the connection's end": raw_reply(OK + b"text/event-stream\r\n\r\n" + SAID),
    "a byte at a time": piecewise(streamed(SAID), 1),
}


@pytest.mark.parametrize("provider", ["openai", "openai-compatible"])
@pytest.mark.parametrize("odd", ODD)
def test_an_odd_stream_is_whole(pair: Pair, odd: str, provider: str) -> None:
    pair.primary.replies = ODD[odd]
    answer = post(pair.serve(provider=provider), stream=True)
    assert (answer.text, answer.error, answer.done) == (TEXT, None, True)
    assert (answer.finish, answer.usage) == (["stop"], [USAGES[PRIMARY_MODEL]])
    assert pair.asked == (1, 0)


def test_an_odd_whole_answer_is_one(pair: Pair) -> None:
    packed = gzip.compress(BODY)
    told = {"Content-Type": "text/plain", "Content-Encoding": "gzip", "Content-Length": str(len(packed))}
    pair.primary.replies = Reply(200, told, (packed,))
    assert (post(pair.serve()).text, pair.asked) == (TEXT, (1, 0))


# ---- none, and others must answer


HTML = b"<html><head><title>502 Bad Gateway</title></head>" + b"<p>so sorry</p>" * 700_000
LOST_IN = {
    "a refusal of ten megabytes": refusal(500, "x" * TEN_MEGABYTES),
    "a refusal that is a page of ten megabytes": Reply(502, {"Content-Length": str(len(HTML))}, (HTML,)),
    "an error under a 200": json_reply(error("overloaded", "server_error")),
    "a page": Reply(200, {"Content-Type": "text/html", "Content-Length": "13"}, (b"<html></html>",)),
    "no JSON": Reply(200, {"Content-Type": "application/json", "Content-Length": "3"}, (b"{{{",)),
    "headers that never end": raw_reply(OK + b"application/json\r\n" + b"X-More: of the same\r\n" * 100_000, Close()),
    "no HTTP": raw_reply(b"SSH-2.0-OpenSSH_9.6\r\n", Close()),
    "nothing": raw_reply(Close()),
    "half a head": raw_reply(b"HTTP/1.1 200 OK\r\nContent-", Reset()),
    "a status that is none": Reply(302, {"Location": "/", "Content-Length": "0"}),
    "two lengths": raw_reply(OK + b"application/json\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\n{}{}{}", Close()),
}
LOST_WHOLE = {
    "a body cut short of its length": cut(json_reply(chat_completion(TEXT)), 100),
    "a body that is reset": cut(json_reply(chat_completion(TEXT)), 100, Reset()),
    "a broken chunk": raw_reply(OK + b"application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + BODY, Close()),
    "broken gzip": Reply(200, {"Content-Encoding": "gzip", "Content-Length": "7"}, (b"no gzip",)),
    "an empty body": Reply(200, {"Content-Type": "application/json", "Content-Length": "0"}),
}
LOST_STREAMS = {
    "a line without an end": streamed(b"data: " + b"x" * (9 * 1024 * 1024), piece=65536),
    "a broken chunk": raw_reply(OK + b"text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n" + SAID, Close()),
    "no event": sse_reply([], done=True),
    "an error first": sse_reply([error("overloaded", "server_error")]),
    "an error event first": sse_reply([b'event: error\ndata: {"message": "overloaded"}\n\n']),
    "comments and an end": sse_reply([b": wait\n\n"] * 3, done=False),
    "broken gzip": streamed(b"no gzip at all", Content_Encoding="gzip"),
}


@pytest.mark.parametrize("lost", [*LOST_IN, *LOST_WHOLE])
def test_what_is_no_answer_is_replaced(pair: Pair, lost: str) -> None:
    pair.primary.replies = {**LOST_IN, **LOST_WHOLE}[lost]
    answer = post(pair.serve())
    assert (answer.status, answer.text, answer.endpoint) == (200, TEXT, "standby")
    assert pair.asked == (3, 1)


@pytest.mark.parametrize("lost", [*LOST_IN, *LOST_STREAMS])
def test_what_is_no_stream_is_replaced(pair: Pair, lost: str) -> None:
    pair.primary.replies = {**LOST_IN, **LOST_STREAMS}[lost]
    answer = post(pair.serve(), stream=True)
    assert (answer.status, answer.text, answer.endpoint, answer.done) == (200, TEXT, "standby", True)
    assert pair.asked == (3, 1)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("lost", LOST_IN)
def test_without_anybody_else_it_is_an_error_of_few_words(pair: Pair, lost: str, stream: bool) -> None:
    pair.primary.replies = LOST_IN[lost]
    answer = post(pair.alone(), stream=stream)
    assert answer.status >= 500 and answer.error is not None
    assert len(answer.body) < 20_000
    assert pair.asked[0] == 1


@pytest.mark.parametrize("tls", ["a certificate that nobody vouches for", "no TLS at all"])
def test_who_cannot_be_trusted_is_no_obstacle(pair: Pair, tls: str) -> None:
    with Upstream(PRIMARY_WELL, tls=tls != "no TLS at all") as other:
        base = f"https://127.0.0.1:{other.port}/v1"
        client = pair.gateway(
            endpoint(base, fallbacks=["standby"], retries=QUICK, timeouts={"connect": 1}),
            endpoint(pair.fallback, "standby"),
        )
        answer = post(client)
        assert (answer.text, answer.endpoint) == (TEXT, "standby")
        assert not other.requests


def test_a_kept_connection_that_is_reset_as_it_is_used_again_is_not_seen(pair: Pair) -> None:
    """Even by a bare endpoint: the provider had closed it before it saw the request, or as it did."""
    healthy = json_reply(chat_completion(TEXT))
    pair.primary.replies = [healthy, raw_reply(Reset()), healthy]
    client = pair.alone()
    assert [post(client).status for _ in range(2)] == [200, 200]
    first, second, third = (request.connection for request in pair.primary.requests)
    assert first == second != third


def test_a_new_connection_that_is_reset_is_seen_by_who_may_not_retry(pair: Pair) -> None:
    pair.primary.replies = raw_reply(Reset())
    answer = post(pair.alone())
    assert (answer.status, answer.attempts, len(pair.primary.requests)) == (502, 1, 1)


def test_dropped_events_are_counted(pair: Pair, told: Told) -> None:
    pair.primary.replies = ODD["an event that is not UTF-8"]
    post(pair.serve(), stream=True)
    assert told()[0]["dropped_events"] == 1


def test_ten_megabytes_of_events_pass(pair: Pair) -> None:
    words = ["x" * 100_000] * 100
    pair.primary.replies = sse_reply(chunks(PRIMARY_MODEL, words))
    answer = post(pair.serve(), stream=True)
    assert (len(answer.text), answer.done, pair.asked) == (TEN_MEGABYTES, True, (1, 0))
