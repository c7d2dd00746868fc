"""Bedrock: its binary stream in whatever pieces, its errors' names, and bodies that AWS's own client would let out."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

pytest.importorskip("botocore", reason="needs the extra: pip install 'weir[bedrock]'")

from botocore.session import Session
from botocore.validate import ParamValidator

from app.dialects import JSON
from app.dialects import bedrock as dialect
from app.errors import Cut, Garbled, InvalidPayload, Refused
from tests.dialects.cases import FIXTURES
from tests.dialects.event_stream import event, frame
from tests.recordings.endpoints import model_of
from tests.recordings.payloads import payload
from tests.recordings.recorded import DATA, Recording, recordings


def read(data: bytes, pieces: Iterator[int] | None = None) -> list[Any]:
    decoder, found, at = dialect.Decoder(), [], 0
    while at < len(data):
        size = next(pieces) if pieces else len(data)
        found += decoder.feed(data[at : at + size])
        at += size
    return [json.loads(item) for item in found + decoder.close()]


def test_events_are_the_same_however_they_are_cut() -> None:
    data = event("messageStart", {"role": "assistant", "p": "abc"}) + event(
        "contentBlockDelta", {"delta": {"text": "né"}}
    )
    whole = [{"messageStart": {"role": "assistant", "p": "abc"}}, {"contentBlockDelta": {"delta": {"text": "né"}}}]
    rng = random.Random(7)
    assert read(data) == read(data, iter([1] * len(data))) == whole
    for _ in range(20):
        assert read(data, iter(rng.choices(range(1, 40), k=len(data)))) == whole


def test_an_exception_inside_a_stream_is_an_error_with_its_status() -> None:
    headers = {":exception-type": "throttlingException", ":message-type": "exception"}
    (said,) = read(frame(headers, b'{"message":"slow down"}'))
    assert said == {"error": {"type": "throttlingException", "message": "slow down", "status_code": 429}}
    translated = dialect.CHAT.stream()
    next(translated)
    with pytest.raises(Refused) as caught:
        translated.send(said)
    assert (caught.value.status, caught.value.message, caught.value.type) == (429, "slow down", "throttlingException")


def test_an_error_of_the_stream_itself_has_its_words_in_the_headers() -> None:
    headers = {":error-code": "InternalFailure", ":error-message": "oh", ":message-type": "error"}
    (said,) = read(frame(headers, b""))
    assert said == {"error": {"message": "oh", "type": "InternalFailure", "status_code": 500}}


@pytest.mark.parametrize("place", range(60))
def test_a_byte_that_was_changed_is_garbled(place: int) -> None:
    data = bytearray(event("messageStop", {"stopReason": "end_turn"}))
    data[place] ^= 0x40
    with pytest.raises(Garbled):
        read(bytes(data))


def test_a_length_that_no_event_has_is_garbled_at_once() -> None:
    for size in (0, 15, 8 * 1024 * 1024 + 1):
        prelude = struct.pack(">II", size, 0)
        with pytest.raises(Garbled):
            dialect.Decoder().feed(prelude + struct.pack(">I", crc32(prelude)))


def test_a_payload_that_is_no_object_is_garbled() -> None:
    for data in (b"[]", b"{", b"\xff"):
        with pytest.raises(Garbled):
            read(frame({":message-type": "event", ":event-type": "metadata"}, data))


def test_what_came_whole_before_a_garbled_event_is_given_first() -> None:
    good, bad = event("messageStart", {"role": "assistant"}), bytearray(event("messageStop", {}))
    bad[-1] ^= 1
    decoder = dialect.Decoder()
    assert len(decoder.feed(good + bytes(bad))) == 1
    with pytest.raises(Garbled):
        decoder.close()


def test_a_stream_that_ends_inside_an_event_is_cut() -> None:
    with pytest.raises(Cut):
        read(event("messageStop", {"stopReason": "end_turn"})[:-1])


def test_a_stream_that_ends_before_its_stop_is_cut() -> None:
    translated = dialect.CHAT.stream()
    next(translated)
    translated.send({"messageStart": {"role": "assistant"}})
    with pytest.raises(Cut):
        translated.send(None)


# --- what goes out is what AWS's own client would let out


@cache
def converse() -> Any:
    return Session().get_service_model("bedrock-runtime").operation_model("Converse").input_shape


def valid(body: JSON) -> None:
    report = ParamValidator().validate({"modelId": "m", **body}, converse())
    assert not report.has_errors(), report.generate_report()


@pytest.mark.parametrize(
    "path", sorted(FIXTURES.glob("bedrock/chat*/upstream_request.json")), ids=lambda path: path.parent.name
)
def test_every_fixtures_request_is_valid_by_botocores_model(path: Path) -> None:
    valid(json.loads(path.read_text()))


@pytest.mark.skipif(not DATA.exists(), reason="the recordings are not beside the project")
@pytest.mark.parametrize(
    "recording",
    [known for known in recordings() if known.provider in ("anthropic", "bedrock") and known.request],
    ids=lambda recording: recording.name,
)
def test_every_recorded_conversation_is_valid_by_botocores_model(recording: Recording) -> None:
    try:
        said = dialect.CHAT.request(model_of(recording), payload(recording)).json
    except InvalidPayload:
        assert recording.provider == "anthropic", "what Converse was asked for can be said to it"
        return
    valid(said)


# --- what is said, and what is refused


MODEL = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
TOOL = {"type": "function", "function": {"name": "order", "parameters": {"type": "object"}}}
CALL = {"id": "t-1", "type": "function", "function": {"name": "order", "arguments": "{}"}}
CALLED = ({"role": "assistant", "tool_calls": [CALL]}, {"role": "tool", "tool_call_id": "t-1", "content": "done"})


def said(*messages: JSON, **more: Any) -> tuple[JSON, tuple[str, ...]]:
    asked = {"messages": [{"role": "user", "content": "hi"}, *messages], **more}
    body = dialect.CHAT.request(MODEL, asked)
    valid(body.json)
    return body.json, body.adjusted


def test_a_messages_own_cache_control_is_a_point_behind_it() -> None:
    mark, point = (
        {"cache_control": {"type": "ephemeral", "ttl": "1h"}},
        {"cachePoint": {"type": "default", "ttl": "1h"}},
    )
    body, _ = said(
        {"role": "assistant", "content": "x", **mark},
        {"role": "user", "content": "y", **mark},
        {"role": "system", "content": "z", **mark},
    )
    assert [turn["content"] for turn in body["messages"][1:]] == [[{"text": "x"}, point], [{"text": "y"}, point]]
    assert body["system"] == [{"text": "z"}, point]


@pytest.mark.parametrize(
    ("messages", "more"),
    [
        ((), {"tools": [TOOL], "tool_choice": "required"}),
        (CALLED, {"tools": [TOOL]}),
        ((), {"max_tokens": 2047}),
    ],
    ids=["forced", "a round begun without thoughts", "no room"],
)
def test_a_claude_that_could_not_think_is_not_told_to(messages: Any, more: JSON) -> None:
    body, adjusted = said(*messages, **more, reasoning_effort="high", temperature=0.5)
    assert "additionalModelRequestFields" not in body
    assert (body["inferenceConfig"]["temperature"], adjusted) == (0.5, ("reasoning_effort",))


def test_a_budget_of_thought_leaves_room_to_answer() -> None:
    body, _ = said(reasoning_effort="high", max_tokens=4096)
    assert body["additionalModelRequestFields"]["thinking"] == {"type": "enabled", "budget_tokens": 3072}


ONE_CALL = {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}}


@pytest.mark.parametrize(
    ("model", "choice", "own"),
    [
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", None, ONE_CALL),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "auto", ONE_CALL),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "required", None),
        ("anthropic.claude-3-haiku-20240307-v1:0", None, None),
        ("amazon.nova-lite-v1:0", None, None),
    ],
)
def test_a_claude_is_told_in_its_own_words_to_make_one_call(model: str, choice: str | None, own: JSON | None) -> None:
    payload = {"messages": [], "tools": [TOOL], "tool_choice": choice, "parallel_tool_calls": False}
    made = dialect.CHAT.request(model, payload)
    assert made.json.get("additionalModelRequestFields") == own
    assert made.adjusted == (() if own else ("parallel_tool_calls",))


def test_a_call_comes_back_without_a_type_that_only_answers_have() -> None:
    use = {"toolUseId": "t-1", "name": "order", "input": {}}
    content = [{"reasoningContent": {"redactedContent": "AA=="}}, {"toolUse": {**use, "type": "tool_use"}}]
    answer = {"output": {"message": {"role": "assistant", "content": content}}, "stopReason": "tool_use"}
    assert dialect.CHAT.response is not None
    message = dialect.CHAT.response(answer)["choices"][0]["message"]
    body, _ = said(message, {"role": "tool", "tool_call_id": "t-1", "content": "x"}, tools=[TOOL])
    assert body["messages"][1]["content"] == [content[0], {"toolUse": use}]


@pytest.mark.parametrize("place", ["thinking", "additionalModelRequestFields"])
def test_beside_thoughts_asked_for_in_the_models_own_words_no_temperature_is_said(place: str) -> None:
    thinking = {"type": "enabled", "budget_tokens": 2048}
    asked = thinking if place == "thinking" else {"thinking": thinking}
    body, adjusted = said(temperature=0.5, max_tokens=4096, **{place: asked})
    assert body["additionalModelRequestFields"] == {"thinking": thinking}
    assert (body["inferenceConfig"], adjusted) == ({"maxTokens": 4096}, ("temperature",))


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
            },
            "tool_choice",
        ),
        ({"tools": [{"type": "custom", "custom": {"name": "sql"}}]}, "tools[0].type"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": "x"}}]},
            "tools[0].function.parameters",
        ),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
            "response_format.json_schema.schema",
        ),
        ({"n": 2}, "n"),
    ],
    ids=json.dumps,
)
def test_what_cannot_be_asked_for_is_refused(more: JSON, place: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        said(**more)
    assert caught.value.problems[0].path == place


@pytest.mark.parametrize("pieces", ["[1]", '"x"', "1", "null"], ids=["a list", "a text", "a number", "nothing"])
def test_arguments_that_are_no_object_are_garbled_in_a_stream(pieces: str) -> None:
    assert dialect.CHAT.stream is not None
    translated = dialect.CHAT.stream()
    next(translated)
    use = {"toolUse": {"toolUseId": "t-1", "name": "order"}}
    translated.send({"contentBlockStart": {"contentBlockIndex": 0, "start": use}})
    translated.send({"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"toolUse": {"input": pieces}}}})
    with pytest.raises(Garbled):
        translated.send({"contentBlockStop": {"contentBlockIndex": 0}})


def test_the_errors_name_is_read_from_its_header() -> None:
    assert (
        dialect.error_type({"X-Amzn-ErrorType": "ValidationException:http://internal.amazon.com/"})
        == "ValidationException"
    )
    assert dialect.error_type({"x-amzn-errortype": "com.amazon#ThrottlingException"}) == "ThrottlingException"
    assert dialect.error_type({}) is None
