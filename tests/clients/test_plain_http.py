"""Clients without an SDK, as most services are: standard HTTP, and a stream read line by line as it comes."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
import requests

from tests.running import RunningGateway

ASKED = {"messages": [{"role": "user", "content": "Write a story"}], "stream": True}


def _chunks(lines: Iterable[bytes]) -> Iterator[Any]:
    """What the simplest reader of events makes of a stream: it knows `data: `, and stops at [DONE]."""
    for line in lines:
        if line.startswith(b"data: "):
            data = line.removeprefix(b"data: ").strip()
            if data == b"[DONE]":
                return
            yield json.loads(data)
    raise AssertionError("the stream ended without [DONE]")


def test_requests_reads_a_stream_line_by_line(gateway: RunningGateway) -> None:
    with requests.post(f"{gateway.url}/gateway/chat/invocations", json=ASKED, stream=True, timeout=10) as answer:
        assert answer.headers["Content-Type"].partition(";")[0] == "text/event-stream"
        chunks = list(_chunks(answer.iter_lines()))

    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"


def test_http_client_reads_a_stream_and_uses_the_connection_again(gateway: RunningGateway) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    try:
        for _ in range(2):
            body = json.dumps(ASKED)
            connection.request("POST", "/gateway/chat/invocations", body, {"Content-Type": "application/json"})
            sock = connection.sock
            answer = connection.getresponse()
            said = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in _chunks(answer))
            assert "Write a story" in said
            answer.read()
            assert connection.sock is sock is not None, "the connection is kept"
    finally:
        connection.close()


def test_a_client_of_http_1_0_gets_its_stream_too(gateway: RunningGateway) -> None:
    """Old load balancers and scripts: no chunks of the transfer encoding, the end of the connection is the end."""
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection._http_vsn, connection._http_vsn_str = 10, "HTTP/1.0"  # type: ignore[attr-defined]
    try:
        body = json.dumps(ASKED)
        connection.request("POST", "/gateway/chat/invocations", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        assert answer.getheader("Transfer-Encoding") is None
        assert len(list(_chunks(answer))) > 5
    finally:
        connection.close()


def test_a_cut_stream_tells_a_plain_reader_what_happened_and_is_not_called_done(troubled: RunningGateway) -> None:
    with requests.post(f"{troubled.url}/gateway/cut/invocations", json=ASKED, stream=True, timeout=10) as answer:
        events = [json.loads(line.removeprefix(b"data: ")) for line in answer.iter_lines() if line]

    assert answer.status_code == 200
    assert len(events) > 1
    assert events[-1]["error"]["code"] == "upstream_cut"


@pytest.mark.parametrize("said", ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"])
def test_a_content_type_is_read_as_generously_as_it_is_written(gateway: RunningGateway, said: str) -> None:
    body = json.dumps({"input": "text"})

    answer = requests.post(
        f"{gateway.url}/gateway/embeddings/invocations", body, headers={"Content-Type": said}, timeout=10
    )

    assert answer.status_code == 200, answer.text


def test_a_form_sent_by_accident_is_told_which_type_to_send(gateway: RunningGateway) -> None:
    """What `curl -d` sends without a -H: the newcomer's first mistake."""
    answer = requests.post(f"{gateway.url}/gateway/chat/invocations", data={"messages": "Hello"}, timeout=10)

    assert answer.status_code == 422
    message = answer.json()["error"]["message"]
    assert "application/json" in message
    assert "application/x-www-form-urlencoded" in message
