"""What a provider's events become for the client: its own bytes, or what a dialect makes of them."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import chunks as reading
from app.chunks import Chunks, stamped
from app.config import Endpoint
from app.dialects import JSON
from app.dialects.openai import TRANSLATORS
from app.errors import Cut, Garbled, Refused
from app.sse import encode
from app.telemetry import Invocation
from tests.config.writing import endpoint, read
from tests.upstream import chat_chunks

ASKS = {"stream_options": {"include_usage": True}}
KEY = "canary-key-7f3a"


@pytest.fixture
def plain(tmp_path: Path) -> Endpoint:
    return endpoint(tmp_path, f"{{openai_api_base: 'http://127.0.0.1:1', openai_api_key: {KEY}}}", "openai")


@pytest.fixture
def claude(tmp_path: Path) -> Endpoint:
    return endpoint(tmp_path, f"{{anthropic_api_key: {KEY}}}", "anthropic")


def wire(*said: Any) -> bytes:
    return encode([one if isinstance(one, bytes) else json.dumps(one).encode() for one in said])


def taken(chunks: Chunks, *said: Any) -> list[bytes]:
    made: list[bytes] = []
    chunks.take(wire(*said), made)
    return made


def invocation() -> Invocation:
    return Invocation("r-1", None)


def chunks_of(endpoint: Endpoint, payload: JSON, heard: Invocation) -> Chunks:
    """With nothing added to what is made."""
    return reading.chunks_of(endpoint, payload, heard, bytes)


# --- verbatim


def chunk(text: str, **more: Any) -> JSON:
    return {"id": "c", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None, **more}]}


CHUNK = st.one_of(
    st.text(max_size=5).map(chunk),
    st.sampled_from([chunk("a", logprobs={}), chunk("a", index=1), {"id": "d", "choices": []}]),
)


@given(st.lists(CHUNK, max_size=12), st.lists(st.integers(0, 1500), max_size=6), st.booleans())
def test_events_pass_however_alike_they_are_and_wherever_they_are_cut(
    said: list[JSON], cuts: list[int], is_ascii: bool
) -> None:
    written = [json.dumps(one, ensure_ascii=is_ascii).encode() for one in said]
    text, made = b"".join(encode([one]) for one in written) + b"data: [DONE]\n\n", list[bytes]()
    ends = sorted({*cuts, len(text)})
    endpoint = cast("Endpoint", SimpleNamespace(translator=TRANSLATORS["llm/v1/chat"], asks_usage=True))
    chunks = reading.chunks_of(endpoint, {}, invocation(), lambda data: data + b"!")
    done = [chunks.take(text[begin:end], made) for begin, end in itertools.pairwise([0, *ends]) if text[begin:end]]
    assert made == [one + b"!" for one in written]
    assert done == [False] * (len(done) - 1) + [True]


@pytest.mark.parametrize(
    ("last", "status"),
    [(b'data: {"error": {"message": "no", "code": 429}}\n\n', 429), (b"event: error\ndata: no\n\n", 502)],
)
def test_among_many_that_are_alike_an_error_is_found(plain: Endpoint, last: bytes, status: int) -> None:
    chunks, made = chunks_of(plain, {}, invocation()), list[bytes]()
    for text in "abc":
        chunks.take(wire(chunk(text)), made)
    with pytest.raises(Refused) as caught:
        chunks.take(wire(chunk("d")) + last, made)
    assert caught.value.status == status
    assert [json.loads(one) for one in made] == [chunk(text) for text in "abcd"]


@pytest.mark.parametrize(
    ("reads", "passed"),
    [
        ([b"data: [1,\n", b"data: %b\n\n"], False),  # two lines of one event
        ([b": say %b\n\n"], False),
        ([b"event:%b\n\n"], False),
        ([b"data: %b\n:"], False),  # it has not ended
        ([b"data: %b\n\n"], True),
    ],
)
def test_what_only_holds_a_chunk_is_none(plain: Endpoint, reads: list[bytes], passed: bool) -> None:
    chunks, made = chunks_of(plain, {}, invocation()), list[bytes]()
    taken(chunks, chunk("a"), chunk("b"))
    for data in reads:
        chunks.take(data.replace(b"%b", json.dumps(chunk("c")).encode()), made)
    assert bool(made) == passed


def test_an_error_event_that_is_like_a_chunk_is_an_error(plain: Endpoint) -> None:
    chunks = chunks_of(plain, {}, invocation())
    taken(chunks, chunk("a"), chunk("b"))
    with pytest.raises(Refused):
        chunks.take(b"event: error\n" + wire(chunk("c")), [])


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
    said = json.dumps(chat_chunks(["a"])[0]).encode()
    assert taken(chunks_of(plain, {}, heard), b"{", b"[]", said, b"3") == [said]
    assert heard.dropped_events == 3


@pytest.mark.parametrize("name", ["plain", "claude"])
def test_what_follows_the_end_of_a_stream_is_nothing(name: str, request: pytest.FixtureRequest) -> None:
    made: list[bytes] = []
    chunks = chunks_of(request.getfixturevalue(name), {}, invocation())
    assert chunks.take(wire(b"[DONE]", {"error": {"message": "late"}}), made)
    assert made == []


def test_the_chunks_before_an_error_are_kept(plain: Endpoint) -> None:
    made: list[bytes] = []
    with pytest.raises(Refused):
        chunks_of(plain, {}, invocation()).take(wire({"choices": []}, {"error": {"message": "no"}}), made)
    assert made == [b'{"choices": []}']


@pytest.mark.parametrize(
    "said",
    [
        wire({"error": {"message": f"no, {KEY}", "code": 429}}),
        b"event: error\n" + wire({"message": f"no, {KEY}", "status_code": 429}),
    ],
)
def test_an_error_under_200_is_one_without_the_key(plain: Endpoint, said: bytes) -> None:
    with pytest.raises(Refused) as caught:
        chunks_of(plain, {}, invocation()).take(said, [])
    assert (caught.value.status, caught.value.message) == (429, "no, [redacted]")


def test_an_error_event_may_hold_plain_words(plain: Endpoint) -> None:
    with pytest.raises(Refused) as caught:
        chunks_of(plain, {}, invocation()).take(f"event: error\ndata: no, {KEY}\n\n".encode(), [])
    assert (caught.value.status, caught.value.message) == (502, "no, [redacted]")


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


@pytest.fixture
def like(tmp_path: Path) -> Endpoint:
    return endpoint(tmp_path, "{api_base: 'http://127.0.0.1:1'}", "vllm")


def said_so_far(delta: JSON, index: int = 0, **more: Any) -> JSON:
    return {"id": "c", "choices": [{"index": index, "delta": delta, "finish_reason": None}], **more}


@pytest.mark.parametrize(
    ("delta", "reason"),
    [({"content": "a"}, "stop"), ({"tool_calls": [{"id": "t", "function": {"name": "f"}}]}, "tool_calls")],
)
def test_done_without_a_finish_ends_what_is_open_and_counts_what_was_held_back(
    like: Endpoint, delta: JSON, reason: str
) -> None:
    heard = invocation()
    chunks = chunks_of(like, ASKS, heard)
    taken(chunks, said_so_far({"role": "assistant", **delta}, usage={"prompt_tokens": 3, "completion_tokens": 2}))
    *_, finish, usage = [json.loads(data) for data in chunks.end(done=True)]
    assert finish["choices"][0]["finish_reason"] == reason
    assert (usage["choices"], usage["usage"]["total_tokens"], heard.output_tokens) == ([], 5, 2)


def test_done_without_a_finish_ends_a_text_that_was_asked_of_chat(tmp_path: Path) -> None:
    mistral = read(
        tmp_path,
        """
        endpoints:
          - name: chat
            endpoint_type: llm/v1/completions
            model: {provider: mistral, name: mistral-small, config: {mistral_api_key: k}}
        """,
    ).endpoints["chat"]
    chunks = chunks_of(mistral, {}, invocation())
    taken(chunks, said_so_far({"role": "assistant", "content": "a"}))
    (finish,) = [json.loads(data) for data in chunks.end(done=True)]
    assert (finish["object"], finish["choices"][0]["text"]) == ("text_completion", "")
    assert finish["choices"][0]["finish_reason"] == "stop"


def test_done_alone_is_no_answer(like: Endpoint) -> None:
    chunks = chunks_of(like, ASKS, invocation())
    taken(chunks, {"id": "c", "choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
    assert chunks.end(done=True) == []


@pytest.mark.parametrize(("reason", "whole"), [("stop", False), ("content_filter", True)])
def test_a_translated_stream_without_done_lacks_a_choice_that_never_began(
    like: Endpoint, reason: str, whole: bool
) -> None:
    for done in (False, True):
        chunks = chunks_of(like, {"n": 2}, invocation())
        taken(chunks, {"id": "c", "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": reason}]})
        if done or whole:
            assert chunks.end(done=done) == []
        else:
            with pytest.raises(Cut, match="all the choices"):
                chunks.end(done=done)


def test_an_event_of_another_shape_is_garbled(claude: Endpoint) -> None:
    with pytest.raises(Garbled):
        taken(chunks_of(claude, {}, invocation()), {"type": "content_block_delta", "index": 4, "delta": {}})


def test_what_a_provider_has_said_itself_is_not_stamped_over() -> None:
    body = {"id": "a", "model": None}
    assert stamped(body, {"id": "b", "model": "m", "created": 1}) == {"id": "a", "model": "m", "created": 1}
    whole = {"id": "a"}
    assert stamped(whole, {"id": "b"}) is whole
