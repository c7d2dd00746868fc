"""A stream through the gateway: what the client reads, when, and how it ends."""

from __future__ import annotations

import threading
from contextlib import closing

import pytest

from tests.api.streaming import CHUNKS, ON_GATEWAY, ON_V1, Told, encoded, sent_by, v1
from tests.serving import STREAM, Gateway, endpoint, events
from tests.upstream import (
    Close,
    Hang,
    Reply,
    Reset,
    Upstream,
    Wait,
    chat_completion,
    completion,
    cut,
    error,
    json_reply,
    piecewise,
    raw_reply,
    sse_reply,
)


def test_on_v1_the_bytes_pass_as_they_came(gateway: Gateway, upstream: Upstream) -> None:
    odd = (
        b'data: {"id" : "x", "choices":[{"index":0, "delta":{"content":"\xf0\x9f\x98\x80 \\u00e9 1e2"},"n":0.10}],'
        b'"big":9223372036854775807}\n\n'
    )
    sent_by(upstream, odd, *CHUNKS)
    response = gateway(endpoint(upstream, provider="openai")).post(ON_V1, json=v1())
    assert response.data == odd + encoded(*CHUNKS) + b"data: [DONE]\n\n"


def test_on_gateway_each_chunk_of_a_chat_names_its_provider_and_changes_in_nothing_else(
    gateway: Gateway, upstream: Upstream
) -> None:
    sent_by(upstream, *CHUNKS)
    chunks = events(gateway(endpoint(upstream)).post(ON_GATEWAY, json=STREAM).data)
    assert chunks == [*({**chunk, "provider": "openai-compatible"} for chunk in CHUNKS), "[DONE]"]


def test_a_completion_streams_too(gateway: Gateway, upstream: Upstream) -> None:
    chunks = [completion("bri", usage=None), completion("ght", usage=None)]
    sent_by(upstream, *chunks)
    client = gateway(endpoint(upstream, kind="completions"))
    response = client.post(ON_GATEWAY, json={"prompt": "The future is", "stream": True})
    assert response.data == encoded(*chunks) + b"data: [DONE]\n\n"


def test_the_headers_keep_proxies_from_buffering(gateway: Gateway, upstream: Upstream) -> None:
    sent_by(upstream, *CHUNKS)
    response = gateway(endpoint(upstream)).post(ON_GATEWAY, json=STREAM)
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-cache, no-transform"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert "Content-Length" not in response.headers
    assert response.headers["Server-Timing"].startswith("gateway;dur=")
    assert response.headers["X-Request-ID"]


def test_events_cut_anywhere_on_the_wire_are_whole_for_the_client(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = piecewise(sse_reply(CHUNKS), 7)
    assert gateway(endpoint(upstream)).post(ON_V1, json=v1()).data == encoded(*CHUNKS) + b"data: [DONE]\n\n"


def test_each_event_leaves_before_the_next_has_come(gateway: Gateway, upstream: Upstream) -> None:
    read = [threading.Event() for _ in CHUNKS]
    steps = [step for chunk, gate in zip(CHUNKS, read, strict=True) for step in (chunk, Wait(gate))]
    sent_by(upstream, *steps)
    with closing(gateway(endpoint(upstream)).post(ON_V1, json=v1(), buffered=False)) as response:
        arriving = response.iter_encoded()
        for chunk, gate in zip(CHUNKS, read, strict=True):
            assert next(arriving) == encoded(chunk)  # the provider says no more before this was read
            gate.set()
        assert b"".join(arriving) == b"data: [DONE]\n\n"


def test_the_connection_to_the_provider_is_kept_after_a_stream(gateway: Gateway, upstream: Upstream) -> None:
    sent_by(upstream, *CHUNKS)
    client = gateway(endpoint(upstream))
    for _ in range(3):
        assert client.post(ON_V1, json=v1()).data.endswith(b"data: [DONE]\n\n")
    assert upstream.connections == 1


def test_a_connection_is_kept_though_the_end_of_its_message_comes_after_done(
    gateway: Gateway, upstream: Upstream
) -> None:
    client = gateway(endpoint(upstream))
    for _ in range(2):
        end = threading.Event()
        sent_by(upstream, *CHUNKS, b"data: [DONE]\n\n", Wait(end), done=False)
        with closing(client.post(ON_V1, json=v1(), buffered=False)) as response:
            assert b"".join(response.iter_encoded()).endswith(b"data: [DONE]\n\n")  # it was not kept waiting
            end.set()
    assert upstream.connections == 1


# ---- refusals and errors


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 429, 500, 503])
def test_a_refusal_before_the_stream_is_a_real_status(gateway: Gateway, upstream: Upstream, status: int) -> None:
    upstream.replies = json_reply(error("no, not that", code="not_that"), status)
    for url, body in ((ON_GATEWAY, STREAM), (ON_V1, v1())):
        response = gateway(endpoint(upstream)).post(url, json=body)
        assert response.status_code == status
        assert response.content_type == "application/json"
        assert "no, not that" in response.get_json()["error"]["message"]
        assert response.headers["X-Gateway-Error-Source"] == "provider"
        assert ("Retry-After" in response.headers) is (status in (429, 503))


@pytest.mark.parametrize(
    "reply",
    [
        sse_reply([error("overloaded", "server_error", "503")], done=False),
        json_reply(error("overloaded", "server_error", "503")),
        sse_reply([b": hello\n\n", b'event: error\ndata: {"message": "overloaded", "status": 503}\n\n'], done=False),
    ],
)
def test_an_error_under_a_200_before_the_first_chunk_is_a_real_status(
    gateway: Gateway, upstream: Upstream, reply: Reply
) -> None:
    upstream.replies = reply
    response = gateway(endpoint(upstream)).post(ON_V1, json=v1())
    assert response.status_code == 503
    assert response.get_json()["error"]["message"] == "overloaded"


def test_an_error_after_the_first_chunk_is_the_last_event(gateway: Gateway, upstream: Upstream, told: Told) -> None:
    sent_by(upstream, *CHUNKS[:2], error("overloaded", "server_error", "busy"))
    response = gateway(endpoint(upstream)).post(ON_V1, json=v1())
    assert response.status_code == 200
    *chunks, last = events(response.data)
    assert chunks == CHUNKS[:2]
    assert last["error"]["message"] == "overloaded"
    assert [line["error"] for line in told()] == ["provider_502"]


@pytest.mark.parametrize("end", [Close(), Reset()])
def test_a_stream_that_is_cut_ends_with_an_error_and_without_done(
    gateway: Gateway, upstream: Upstream, told: Told, end: Close | Reset
) -> None:
    upstream.replies = cut(sse_reply(CHUNKS), len(encoded(*CHUNKS[:2])) + 20, end)
    *chunks, last = events(gateway(endpoint(upstream)).post(ON_V1, json=v1()).data)
    assert chunks[0] == CHUNKS[0]
    assert last["error"]["code"] == "upstream_cut"
    assert [(line["error"], line["status"]) for line in told()] == [("upstream_cut", 200)]


def test_an_end_in_good_order_without_a_finish_reason_is_a_cut(gateway: Gateway, upstream: Upstream) -> None:
    sent_by(upstream, *CHUNKS[:-1], done=False)
    assert events(gateway(endpoint(upstream)).post(ON_V1, json=v1()).data)[-1]["error"]["code"] == "upstream_cut"


def test_an_end_in_good_order_after_the_finish_reason_is_whole(gateway: Gateway, upstream: Upstream) -> None:
    sent_by(upstream, *CHUNKS, done=False)
    assert gateway(endpoint(upstream)).post(ON_V1, json=v1()).data == encoded(*CHUNKS) + b"data: [DONE]\n\n"


def test_one_finish_reason_of_two_is_not_an_end(gateway: Gateway, upstream: Upstream) -> None:
    other = [{**chunk, "choices": [{**chunk["choices"][0], "index": 1}]} for chunk in CHUNKS]
    sent_by(upstream, *CHUNKS, *other[:-1], done=False)
    client = gateway(endpoint(upstream, provider="openai"))
    assert events(client.post(ON_V1, json=v1(n=2)).data)[-1]["error"]["code"] == "upstream_cut"
    sent_by(upstream, *CHUNKS, done=False)  # the second choice never began
    assert events(client.post(ON_V1, json=v1(n=2)).data)[-1]["error"]["code"] == "upstream_cut"
    sent_by(upstream, *CHUNKS, *other, done=False)
    assert events(client.post(ON_V1, json=v1(n=2)).data)[-1] == "[DONE]"


def test_nothing_after_done_passes(gateway: Gateway, upstream: Upstream) -> None:
    sent_by(upstream, *CHUNKS, b"data: [DONE]\n\n", *CHUNKS)
    assert gateway(endpoint(upstream)).post(ON_V1, json=v1()).data == encoded(*CHUNKS) + b"data: [DONE]\n\n"


def test_done_is_enough_though_the_provider_stays_on_the_line(gateway: Gateway, upstream: Upstream) -> None:
    sent_by(upstream, *CHUNKS, b"data: [DONE]\n\n", Hang())
    assert gateway(endpoint(upstream)).post(ON_V1, json=v1()).data.endswith(b"data: [DONE]\n\n")
    assert upstream.requests[0].client_left.wait(10)


@pytest.mark.parametrize("garbage", [b"data: {not json\n\n", b"data: \xff\xfe\n\n", b"data: 17\n\n", b"data: [1]\n\n"])
def test_an_event_that_is_not_an_object_is_dropped_and_counted(
    gateway: Gateway, upstream: Upstream, told: Told, garbage: bytes
) -> None:
    sent_by(upstream, garbage, *CHUNKS[:2], garbage, *CHUNKS[2:])
    response = gateway(endpoint(upstream)).post(ON_V1, json=v1())
    assert response.data == encoded(*CHUNKS) + b"data: [DONE]\n\n"
    assert [line["dropped_events"] for line in told()] == [2]


@pytest.mark.parametrize(
    "reply",
    [
        sse_reply([]),
        sse_reply([], done=False),
        sse_reply([b"data: nonsense\n\n"]),
        json_reply(chat_completion()),
        raw_reply(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>"),
    ],
)
def test_a_stream_without_an_answer_is_a_bad_gateway(gateway: Gateway, upstream: Upstream, reply: Reply) -> None:
    upstream.replies = reply
    response = gateway(endpoint(upstream)).post(ON_V1, json=v1())
    assert response.status_code == 502
    assert response.get_json()["error"]["code"] == "upstream_garbled"
    assert response.headers["X-Gateway-Error-Source"] == "gateway"
