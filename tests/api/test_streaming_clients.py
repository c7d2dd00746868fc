"""A stream through the gateway: usage, silence, clients that leave, and MLflow's own client."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import Any

import pytest
from werkzeug.test import EnvironBuilder, TestResponse

from tests.api.streaming import CHUNKS, MLFLOW, ON_GATEWAY, ON_V1, WORDS, Told, encoded, sent_by, v1
from tests.serving import CHAT, STREAM, Gateway, endpoint, events, text
from tests.upstream import (
    USAGE,
    Hang,
    Upstream,
    Wait,
    chat_chunks,
    error,
    json_reply,
    raw_reply,
    sse_reply,
)

# ---- usage


def test_usage_is_asked_for_and_withheld_from_who_did_not_ask(gateway: Gateway, upstream: Upstream, told: Told) -> None:
    sent_by(upstream, *chat_chunks(WORDS, USAGE))
    chunks = events(gateway(endpoint(upstream)).post(ON_V1, json=v1()).data)
    assert chunks == [*chat_chunks(WORDS, USAGE)[:-1], "[DONE]"]
    assert upstream.requests[0].json["stream_options"] == {"include_usage": True}
    assert [(line["input_tokens"], line["output_tokens"]) for line in told()] == [(9, 12)]


def test_usage_comes_to_who_asked_and_what_else_was_asked_stays(gateway: Gateway, upstream: Upstream) -> None:
    sent_by(upstream, *chat_chunks(WORDS, USAGE))
    options = {"include_usage": True, "include_obfuscation": False}
    chunks = events(gateway(endpoint(upstream)).post(ON_V1, json=v1(stream_options=options)).data)
    assert chunks[-2]["usage"] == USAGE
    assert upstream.requests[0].json["stream_options"] == options


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}])
def test_who_says_that_usage_is_not_wanted_does_not_get_it(gateway: Gateway, upstream: Upstream, options: Any) -> None:
    sent_by(upstream, *chat_chunks(WORDS, USAGE))
    chunks = events(gateway(endpoint(upstream)).post(ON_V1, json=v1(stream_options=options)).data)
    assert all(chunk == "[DONE]" or chunk["choices"] for chunk in chunks)


def test_a_provider_that_is_not_to_be_asked_for_usage_is_not(gateway: Gateway, upstream: Upstream) -> None:
    sent_by(upstream, *CHUNKS)
    gateway(endpoint(upstream, config={"stream_usage": False})).post(ON_V1, json=v1())
    assert "stream_options" not in upstream.requests[0].json


def test_usage_in_the_last_chunk_is_counted_and_passes(gateway: Gateway, upstream: Upstream, told: Told) -> None:
    chunks = [*CHUNKS[:-1], {**CHUNKS[-1], "usage": USAGE}]
    sent_by(upstream, *chunks)
    said = gateway(endpoint(upstream, provider="openai")).post(ON_V1, json=v1()).data
    assert said == encoded(*chunks) + b"data: [DONE]\n\n"
    assert told()[0]["output_tokens"] == 12


# ---- silence


def test_a_comment_is_sent_when_the_provider_is_silent(gateway: Gateway, upstream: Upstream) -> None:
    enough = threading.Event()
    sent_by(upstream, *CHUNKS[:2], Wait(enough), *CHUNKS[2:])
    client = gateway(endpoint(upstream), keep_alive=0.05)
    with closing(client.post(ON_V1, json=v1(), buffered=False)) as response:
        arriving = response.iter_encoded()
        seen = b""
        while seen.count(b": keep-alive\n\n") < 2:
            seen += next(arriving)
        enough.set()
        seen += b"".join(arriving)
    assert seen.replace(b": keep-alive\n\n", b"") == encoded(*CHUNKS) + b"data: [DONE]\n\n"


def test_no_first_token_in_time_is_a_gateway_timeout(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = sse_reply([b": working on it\n\n", Hang()])
    response = gateway(endpoint(upstream, timeouts={"first_token": 0.1})).post(ON_V1, json=v1())
    assert response.status_code == 504
    assert response.get_json()["error"]["code"] == "upstream_timeout"
    assert upstream.requests[0].client_left.wait(10)


def test_a_provider_that_does_not_even_begin_to_answer_a_stream_is_left_at_the_same_time(
    gateway: Gateway, upstream: Upstream
) -> None:
    upstream.replies = raw_reply(Hang())
    response = gateway(endpoint(upstream, timeouts={"first_token": 0.1})).post(ON_V1, json=v1())
    assert response.status_code == 504
    assert upstream.requests[0].client_left.wait(10)


def test_silence_in_the_middle_ends_with_an_error(gateway: Gateway, upstream: Upstream) -> None:
    sent_by(upstream, *CHUNKS[:2], Hang())
    response = gateway(endpoint(upstream, timeouts={"idle": 0.1})).post(ON_V1, json=v1())
    *chunks, last = events(response.data)
    assert chunks == CHUNKS[:2]
    assert last["error"]["code"] == "upstream_timeout"
    assert upstream.requests[0].client_left.wait(10)


def test_a_stream_without_end_ends_at_its_total_time(gateway: Gateway, upstream: Upstream) -> None:
    sent_by(upstream, *CHUNKS[:2], *[b": still here\n\n", Wait(threading.Event())])
    response = gateway(endpoint(upstream, timeouts={"total": 0.2})).post(ON_V1, json=v1())
    assert events(response.data)[-1]["error"]["code"] == "upstream_timeout"


# ---- clients that leave


def test_a_client_that_leaves_takes_the_providers_connection_with_it(
    gateway: Gateway, upstream: Upstream, told: Told
) -> None:
    sent_by(upstream, *CHUNKS[:2], Hang())
    response = gateway(endpoint(upstream)).post(ON_V1, json=v1(), buffered=False)
    next(response.iter_encoded())
    response.close()
    assert upstream.requests[0].client_left.wait(10)
    upstream.wait_for_open(0)
    assert [(line["error"], line["status"]) for line in told()] == [("client_left", 200)]


def test_a_stream_whose_body_is_never_begun_leaks_nothing_and_is_told(
    gateway: Gateway, upstream: Upstream, told: Told
) -> None:
    sent_by(upstream, *CHUNKS[:2], Hang())
    app = gateway(endpoint(upstream)).application
    body = app.wsgi_app(EnvironBuilder("/v1/chat/completions", method="POST", json=v1()).get_environ(), lambda *_: None)
    body.close()
    upstream.wait_for_open(0)
    assert [(line["error"], line["bytes_out"]) for line in told()] == [("client_left", 0)]


def test_a_client_that_had_left_when_the_last_piece_was_sent_is_told_as_one(
    gateway: Gateway, upstream: Upstream, told: Told
) -> None:
    sent_by(upstream, *CHUNKS)
    app = gateway(endpoint(upstream)).application
    body = app.wsgi_app(EnvironBuilder("/v1/chat/completions", method="POST", json=v1()).get_environ(), lambda *_: None)

    def served() -> None:
        try:
            for _ in body:  # all of it is taken, and its end is sent after that
                pass
            raise BrokenPipeError
        finally:
            body.close()

    with pytest.raises(BrokenPipeError):
        served()
    assert [line["error"] for line in told()] == ["client_left"]


# ---- MLflow's own client, which reads every answer as one JSON document


def as_mlflow_reads(response: TestResponse) -> Any:
    assert response.content_type == "application/json"
    return json.loads(response.data)


def test_mlflows_client_gets_an_array_of_chunks_each_with_choices(gateway: Gateway, upstream: Upstream) -> None:
    sent_by(upstream, *CHUNKS)
    chunks = as_mlflow_reads(
        gateway(endpoint(upstream)).post("/endpoints/chat/invocations", json=STREAM, headers=MLFLOW)
    )
    assert chunks == [{**chunk, "provider": "openai-compatible"} for chunk in CHUNKS]
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == "".join(WORDS)


def test_mlflows_client_finds_usage_that_it_asked_for_in_the_last_chunk(gateway: Gateway, upstream: Upstream) -> None:
    filtered = {"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    sent_by(upstream, filtered, *chat_chunks(WORDS, USAGE))
    asked = {**STREAM, "stream_options": {"include_usage": True}}
    chunks = as_mlflow_reads(gateway(endpoint(upstream)).post(ON_V1, json={**asked, "model": "chat"}, headers=MLFLOW))
    assert all(chunk["choices"] for chunk in chunks)
    assert chunks[0]["prompt_filter_results"] == [{"prompt_index": 0}]
    assert chunks[0]["id"] == CHUNKS[0]["id"]
    assert chunks[-1]["usage"] == USAGE
    assert text(chunks) == "".join(WORDS)


def test_mlflows_client_finds_an_error_as_the_last_element(gateway: Gateway, upstream: Upstream) -> None:
    sent_by(upstream, *CHUNKS[:3], done=False)
    chunks = as_mlflow_reads(gateway(endpoint(upstream)).post(ON_V1, json=v1(), headers=MLFLOW))
    assert chunks[:-1] == CHUNKS[:3]
    assert chunks[-1]["error"]["code"] == "upstream_cut"


def test_mlflows_client_gets_a_refusal_as_a_status(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = json_reply(error("no"), 400)
    assert gateway(endpoint(upstream)).post(ON_GATEWAY, json=STREAM, headers=MLFLOW).status_code == 400


def test_silence_keeps_the_array_valid(gateway: Gateway, upstream: Upstream) -> None:
    enough = threading.Event()
    sent_by(upstream, *CHUNKS[:2], Wait(enough), *CHUNKS[2:])
    client = gateway(endpoint(upstream), keep_alive=0.05)
    with closing(client.post(ON_V1, json=v1(), headers=MLFLOW, buffered=False)) as response:
        arriving = response.iter_encoded()
        seen = b""
        while not seen.endswith(b"  "):
            seen += next(arriving)
        enough.set()
        assert json.loads(seen + b"".join(arriving)) == CHUNKS


def test_mlflows_client_may_ask_for_events(gateway: Gateway, upstream: Upstream) -> None:
    sent_by(upstream, *CHUNKS)
    headers = {**MLFLOW, "Accept": "text/event-stream"}
    assert (
        gateway(endpoint(upstream)).post(ON_V1, json=v1(), headers=headers).content_type
        == "text/event-stream; charset=utf-8"
    )


# ---- what does not stream


def test_stream_false_is_a_whole_answer(gateway: Gateway, upstream: Upstream) -> None:
    response = gateway(endpoint(upstream)).post(ON_V1, json={**CHAT, "model": "chat", "stream": False})
    assert response.get_json()["object"] == "chat.completion"


def test_embeddings_do_not_stream_whatever_the_client_says(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = json_reply({"object": "list", "data": []})
    client = gateway(endpoint(upstream, kind="embeddings", provider="openai"))
    response = client.post(ON_GATEWAY, json={"input": "x", "stream": True})
    assert response.get_json() == {"object": "list", "data": []}
    assert upstream.requests[0].json == {"input": "x", "stream": True, "model": "gpt-4o-mini"}
