"""What a provider's events become for the client: its own bytes, or what a dialect makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.chunks import Chunks, chunks_of, parsed, stamped
from app.config import Endpoint
from app.dialects import JSON
from app.errors import Cut, Garbled, Refused
from app.sse import Event
from app.telemetry import Invocation
from tests.config.writing import endpoint
from tests.upstream import chat_chunks

ASKS = {"stream_options": {"include_usage": True}}
KEY = "canary-key-7f3a"


@pytest.fixture
def plain(tmp_path: Path) -> Endpoint:
    return endpoint(tmp_path, f"{{openai_api_base: 'http://127.0.0.1:1', openai_api_key: {KEY}}}", "openai")


@pytest.fixture
def claude(tmp_path: Path) -> Endpoint:
    return endpoint(tmp_path, f"{{anthropic_api_key: {KEY}}}", "anthropic")


def event(said: Any, name: bytes | None = None) -> Event:
    return Event(said if isinstance(said, bytes) else json.dumps(said).encode(), name)


def taken(chunks: Chunks, *said: Any) -> list[bytes]:
    return [data for one in said for data in chunks.take(event(one))]


def invocation() -> Invocation:
    return Invocation("r-1", None)


# --- verbatim


def test_events_of_the_clients_own_dialect_pass_as_their_bytes(plain: Endpoint) -> None:
    said = [json.dumps(chunk, indent=1).encode() for chunk in chat_chunks(["a", "b"])]
    chunks = chunks_of(plain, {}, invocation())
    assert taken(chunks, *said) == said
    assert chunks.end(done=False) == []


@pytest.mark.parametrize(("payload", "shown"), [({}, False), (ASKS, True)])
def test_usage_is_counted_and_shown_only_if_asked_for(plain: Endpoint, payload: JSON, shown: bool) -> None:
    heard = invocation()
    said = chat_chunks(["a"], include_usage=True)
    made = taken(chunks_of(plain, payload, heard), *said)
    assert (len(made), heard.input_tokens, heard.output_tokens) == (len(said) - (not shown), 9, 12)


def test_usage_beside_a_choice_stays_where_it_is(plain: Endpoint) -> None:
    said = {**chat_chunks([])[-1], "usage": {"prompt_tokens": 1}}
    assert taken(chunks_of(plain, {}, invocation()), said) == [json.dumps(said).encode()]


def test_what_is_no_json_object_is_dropped_and_counted(plain: Endpoint) -> None:
    heard = invocation()
    assert taken(chunks_of(plain, {}, heard), b"{", b"[]", b"3") == []
    assert heard.dropped_events == 3
    assert parsed(event({"a": 1}), heard) == {"a": 1}


@pytest.mark.parametrize(
    "said",
    [
        event({"error": {"message": f"no, {KEY}", "code": 429}}),
        event({"message": f"no, {KEY}", "status_code": 429}, b"error"),
    ],
)
def test_an_error_under_200_is_one_without_the_key(plain: Endpoint, said: Event) -> None:
    with pytest.raises(Refused) as caught:
        chunks_of(plain, {}, invocation()).take(said)
    assert (caught.value.status, caught.value.message) == (429, "no, [redacted]")


@pytest.mark.parametrize(
    ("ends", "n", "whole"),
    [([0], 1, True), ([], 1, False), ([0], 2, False), ([0, 1], 2, True)],
)
def test_a_stream_without_done_is_whole_if_each_choice_has_ended(
    plain: Endpoint, ends: list[int], n: int, whole: bool
) -> None:
    chunks = chunks_of(plain, {"n": n}, invocation())
    taken(chunks, {"choices": [{"index": 0, "delta": {}}]})
    taken(chunks, *({"choices": [{"index": index, "finish_reason": "stop"}]} for index in ends))
    if whole:
        assert chunks.end(done=False) == []
    else:
        with pytest.raises(Cut):
            chunks.end(done=False)
    assert chunks.end(done=True) == []


# --- translated

START = {"type": "message_start", "message": {"usage": {"input_tokens": 2}}}
END = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 3}}
STOP = {"type": "message_stop"}


@pytest.mark.parametrize(("payload", "shown"), [({}, 2), (ASKS, 3)])
def test_chunks_are_stamped_and_usage_is_shown_only_if_asked_for(claude: Endpoint, payload: JSON, shown: int) -> None:
    heard = invocation()
    made = [json.loads(data) for data in taken(chunks_of(claude, payload, heard), START, END, STOP)]
    assert len(made) == shown
    assert {(chunk["id"], chunk["model"], chunk["created"]) for chunk in made} == {
        ("chatcmpl-r-1", claude.model, made[0]["created"])
    }
    assert (heard.input_tokens, heard.output_tokens) == (2, 3)


def test_an_error_that_the_dialect_reads_holds_no_secret(claude: Endpoint) -> None:
    with pytest.raises(Refused) as caught:
        taken(chunks_of(claude, {}, invocation()), START, {"type": "error", "error": {"message": f"no, {KEY}"}})
    assert caught.value.message == "no, [redacted]"


def test_an_end_that_is_none_is_cut_but_after_done(claude: Endpoint) -> None:
    for done in (True, False):
        chunks = chunks_of(claude, {}, invocation())
        taken(chunks, START)
        if done:
            assert chunks.end(done=True) == []
        else:
            with pytest.raises(Cut):
                chunks.end(done=False)


def test_an_event_of_another_shape_is_garbled(claude: Endpoint) -> None:
    with pytest.raises(Garbled):
        taken(chunks_of(claude, {}, invocation()), {"type": "content_block_delta", "index": 4, "delta": {}})


def test_what_a_provider_has_said_itself_is_not_stamped_over() -> None:
    body = {"id": "a", "model": None}
    assert stamped(body, {"id": "b", "model": "m", "created": 1}) == {"id": "a", "model": "m", "created": 1}
    whole = {"id": "a"}
    assert stamped(whole, {"id": "b"}) is whole
