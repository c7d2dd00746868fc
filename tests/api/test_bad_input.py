"""Requests that are wrong: each has the right status, an error in its surface's shape, and breaks nothing."""

from __future__ import annotations

import gzip
import json
import sys
from io import BytesIO
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.api.checking import JSON, ON_GATEWAY, ON_V1, check
from tests.serving import CHAT
from tests.upstream import Upstream

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "JSON"),
        (b"{", "JSON"),
        (b'{"messages": NaN}', "JSON"),
        (b'{"a": Infinity}', "JSON"),
        (b'{"a": 1e999}', "JSON"),
        (b'{"a": ' + b"1" * 400 + b"}", "JSON"),
        (b"\xff\xfe", "JSON"),
        (b'{"a": "\xff"}', "JSON"),
        (b'{"a": "\\ud800"}', "JSON"),
        (b"\xef\xbb\xbf{}", "JSON"),
        (b'{"a": 1} x', "JSON"),
        (b"[]", "object"),
        (b'"x"', "object"),
        (b"null", "object"),
        (b"17", "object"),
        (b'{"a":' * 50_000, "JSON"),
        (b'{"messages":' + b"[" * 40_000 + b"]" * 40_000 + b"}", "JSON"),
    ],
)
def test_what_is_not_a_json_object_is_refused(client: Any, body: bytes, words: str) -> None:
    check(client.post(ON_GATEWAY, data=body[:90_000], content_type=JSON), 422, words)
    check(client.post(ON_V1, data=body[:90_000], content_type=JSON), 400, words)


@pytest.mark.parametrize("depth", [250, 300, 1000])
def test_deep_nesting_passes_or_is_refused(client: Any, upstream: Upstream, depth: int) -> None:
    number = "1e30" if depth % 2 else "123456789012345678901234567890"
    for inner in ("1", number):
        body = '{"messages":[{"role":"user","content":"x"}],"metadata":' + "[" * depth + inner + "]" * depth + "}"
        assert client.post(ON_GATEWAY, data=body, content_type=JSON).status_code in (200, 400, 422)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": "x"}, "messages"),
        ({"messages": ["x"]}, "messages[0]"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": 1, "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"n": 0}, "n"),
        ({"n": 1.5}, "n"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "7"}, "max_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 1}, "stream_options"),
        ({"presence_penalty": 2.1}, "presence_penalty"),
        ({"stop": [1]}, "stop[0]"),
        ({"tools": {}}, "tools"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"response_format": "json"}, "response_format"),
    ],
)
def test_wrong_types_and_ranges_are_named(client: Any, change: dict[str, Any], param: str) -> None:
    response = client.post(ON_GATEWAY, json={**CHAT, **change})
    assert check(response, 422)["param"] == param
    assert response.get_json()["detail"][0]["loc"][:2] == ["body", param.partition("[")[0].partition(".")[0]]
    assert check(client.post(ON_V1, json={**CHAT, "model": "chat", **change}), 400)["param"] == param


def test_what_is_missing_is_worded_as_mlflow_does(client: Any) -> None:
    response = client.post(ON_GATEWAY, json={})
    check(response, 422)
    assert response.get_json()["detail"] == [{"type": "missing", "loc": ["body", "messages"], "msg": "Field required"}]
    check(client.post("/gateway/completions/invocations", json={}), 422, "prompt")
    check(client.post("/gateway/embeddings/invocations", json={}), 422, "input")


def test_every_problem_is_told_at_once(client: Any) -> None:
    detail = client.post(ON_GATEWAY, json={"temperature": 3, "n": 0}).get_json()["detail"]
    assert {tuple(problem["loc"]) for problem in detail} == {
        ("body", "messages"),
        ("body", "temperature"),
        ("body", "n"),
    }


@pytest.mark.parametrize(
    "said", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_another_content_type_is_refused(client: Any, said: str) -> None:
    check(client.post(ON_GATEWAY, data=json.dumps(CHAT), content_type=said), 422, "Content-Type")
    check(client.post(ON_V1, data=json.dumps(CHAT), content_type=said), 400, "Content-Type")


@pytest.mark.parametrize(
    "said", ["application/json", "application/json; charset=utf-8", "Application/JSON", "application/vnd.x+json"]
)
def test_jsons_content_types_are_taken(client: Any, said: str) -> None:
    assert client.post(ON_GATEWAY, data=json.dumps(CHAT), content_type=said).status_code == 200


# ---- size and coding

BIG = json.dumps({**CHAT, "pad": "x" * 200_000}).encode()


def test_a_body_that_is_too_large_is_refused(client: Any, upstream: Upstream) -> None:
    check(client.post(ON_GATEWAY, data=BIG, content_type=JSON), 413, "100000")
    check(client.post(ON_V1, data=BIG, content_type=JSON), 413, "100000")
    assert not upstream.requests


def test_a_chunked_body_that_is_too_large_is_refused(client: Any) -> None:
    chunked = {"wsgi.input": BytesIO(BIG), "wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    check(client.post(ON_GATEWAY, content_type=JSON, environ_overrides=chunked), 413, "100000")


def test_a_chunked_body_is_read(client: Any) -> None:
    chunked = {"wsgi.input": BytesIO(json.dumps(CHAT).encode()), "wsgi.input_terminated": True}
    assert client.post(ON_GATEWAY, content_type=JSON, environ_overrides=chunked).status_code == 200


def test_a_body_cut_short_is_refused(client: Any) -> None:
    cut = {"wsgi.input": BytesIO(b'{"messages": ['), "CONTENT_LENGTH": "500"}
    check(client.post(ON_GATEWAY, content_type=JSON, environ_overrides=cut), 400)


PACKERS = {"gzip": gzip.compress, "x-gzip": gzip.compress, "zstd": zstd.compress}


def packed(client: Any, encoding: str, data: bytes) -> TestResponse:
    headers = {"Content-Encoding": encoding}
    response: TestResponse = client.post(ON_GATEWAY, data=data, content_type=JSON, headers=headers)
    return response


@pytest.mark.parametrize("encoding", PACKERS)
def test_a_packed_body_is_unpacked(client: Any, upstream: Upstream, encoding: str) -> None:
    assert packed(client, encoding, PACKERS[encoding](json.dumps(CHAT).encode())).status_code == 200
    assert upstream.requests[0].json["messages"] == CHAT["messages"]


@pytest.mark.parametrize("encoding", PACKERS)
def test_a_body_that_unpacks_to_too_much_is_refused(client: Any, encoding: str) -> None:
    bomb = PACKERS[encoding](b" " * 50_000_000)
    assert len(bomb) < 100_000
    check(packed(client, encoding, bomb), 413, "unpacks")


@pytest.mark.parametrize("encoding", PACKERS)
def test_a_packed_body_cut_short_is_refused(client: Any, encoding: str) -> None:
    whole = PACKERS[encoding](json.dumps(CHAT).encode())
    check(packed(client, encoding, whole[:-5]), 400, "too early")
    check(packed(client, encoding, b""), 400)


@pytest.mark.parametrize("encoding", PACKERS)
def test_a_body_that_is_not_packed_as_it_says_is_refused(client: Any, encoding: str) -> None:
    check(packed(client, encoding, json.dumps(CHAT).encode()), 400, encoding)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x" * 5000])
def test_another_coding_is_refused(client: Any, encoding: str) -> None:
    check(packed(client, encoding, b"x"), 415, "Content-Encoding")
