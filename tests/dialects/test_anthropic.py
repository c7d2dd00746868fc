"""Anthropic: streams that end, or do not, in ways of their own; what is said otherwise; what is refused, and where."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from app.dialects import JSON
from app.dialects import anthropic as dialect
from app.errors import Cut, Garbled, InvalidPayload

MODEL = "claude-sonnet-4-5"

START: JSON = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": MODEL, "content": [], "usage": {"input_tokens": 5, "output_tokens": 1}},
}
STOP: JSON = {"type": "message_stop"}
ORDER = {"type": "tool_use", "id": "toolu_1", "name": "order", "input": {"item": "rope"}}
ORDER_SAID = {"id": "toolu_1", "type": "function", "function": {"name": "order", "arguments": '{"item": "rope"}'}}
TOOL = {"type": "function", "function": {"name": "order", "parameters": {"type": "object"}}}


def opened(block: JSON, index: int = 0) -> JSON:
    return {"type": "content_block_start", "index": index, "content_block": block}


def piece(kind: str, index: int = 0, **said: Any) -> JSON:
    return {"type": "content_block_delta", "index": index, "delta": {"type": f"{kind}_delta", **said}}


def closed(index: int = 0) -> JSON:
    return {"type": "content_block_stop", "index": index}


def ended(reason: str | None, **more: Any) -> JSON:
    return {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 9}, **more}


def chunks(*events: JSON) -> list[JSON]:
    stream = dialect.CHAT.stream
    assert stream is not None
    reading, made = stream(), []
    next(reading)
    for event in events:
        made += reading.send(event)
    with suppress(StopIteration):
        made += reading.send(None)
    return made


def body(*messages: JSON, model: str = MODEL, version: str = "2023-06-01", **more: Any) -> JSON:
    said = [{"role": "user", "content": "hi"}, *messages]
    return dialect.chat(version).request(model, {"messages": said, **more}).json


def refused(*messages: JSON, **more: Any) -> str:
    with pytest.raises(InvalidPayload) as caught:
        body(*messages, **more)
    return caught.value.problems[0].path


def choices(made: list[JSON]) -> list[JSON]:
    return [choice for chunk in made for choice in chunk["choices"]]


# --- streams


def test_a_delta_of_the_message_that_gives_no_reason_to_stop_is_no_end() -> None:
    events = (START, opened({"type": "text", "text": "Hi"}), closed())
    with pytest.raises(Cut):
        chunks(*events, ended(None), STOP)
    made = chunks(*events, ended(None), ended("end_turn"), ended("end_turn"), STOP)
    assert [choice["finish_reason"] for choice in choices(made)] == [None, None, "stop"]
    assert made[-1]["usage"]["completion_tokens"] == 9


@pytest.mark.parametrize("last", [(STOP,), (), (STOP, STOP)])
def test_usage_comes_once_with_a_message_stop_or_without(last: tuple[JSON, ...]) -> None:
    made = chunks(START, opened({"type": "text", "text": "Hi"}), closed(), ended("end_turn"), *last)
    assert [chunk["usage"]["completion_tokens"] for chunk in made if chunk.get("usage")] == [9]


def test_a_block_that_nobody_closed_is_closed_by_the_end() -> None:
    bare = {**ORDER, "input": {}}
    made = choices(chunks(START, opened(bare), ended("tool_use"), STOP))
    assert [call["function"]["arguments"] for choice in made for call in choice["delta"].get("tool_calls", ())] == [
        "",
        "{}",
    ]
    with pytest.raises(Garbled, match="no JSON"):
        chunks(START, opened(bare), piece("input_json", partial_json='{"item": "ro'), ended("tool_use"), STOP)


@pytest.mark.parametrize(
    "events",
    [
        [opened({"type": "text", "text": "Hi"})],
        [START, piece("text", text="Hi")],
        [START, opened({"type": "text", "text": ""}), piece("text", text=None)],
        [START, opened({"type": "text"})],
        [START, opened({"type": None, "text": ""})],
        [START, opened({**ORDER, "input": {}}), piece("input_json", partial_json="[1]"), closed()],
        [START, opened({**ORDER, "name": ""})],
        [START, {"type": "message_delta", "delta": None}],
        [{"type": "message_start", "message": None}],
        [{"type": None}],
    ],
    ids=str,
)
def test_an_event_of_another_shape_is_garbled(events: list[JSON]) -> None:
    with pytest.raises(Garbled):
        chunks(*events, ended("end_turn"), STOP)


def test_blocks_and_an_end_that_stand_in_the_start_are_said() -> None:
    content = [{"type": "text", "text": "Let me see."}, ORDER]
    start = {"type": "message_start", "message": {"content": content, "stop_reason": "tool_use", "usage": {}}}
    made = chunks(start, STOP)
    deltas = [choice["delta"] for choice in choices(made)]
    assert [delta.get("content") for delta in deltas[:2]] == ["", "Let me see."]
    assert deltas[2]["tool_calls"][0]["function"] == {"name": "order", "arguments": '{"item":"rope"}'}
    assert [choice["finish_reason"] for choice in choices(made)] == [None, None, None, "tool_calls"]
    assert made[-1]["choices"] == []


def test_a_compaction_and_what_the_message_says_beside_it_come_back_whole() -> None:
    compaction = {"type": "compaction", "content": None, "encrypted_content": None}
    edits = {"applied_edits": [{"type": "clear_thinking_20251015"}]}
    made = chunks(
        {**START, "message": {**START["message"], "container": {"id": "c-1"}}},
        opened(compaction),
        piece("compaction", content="We spoke of ropes.", encrypted_content="b3BhcXVl"),
        closed(),
        opened({"type": "text", "text": ""}, 1),
        piece("text", 1, text="And of knots."),
        closed(1),
        ended("end_turn", context_management=edits),
        STOP,
    )
    last = made[-2]
    assert last["provider_fields"]["anthropic"] == {
        "container": {"id": "c-1"},
        "stop_reason": "end_turn",
        "context_management": edits,
    }
    kept = last["choices"][0]["delta"]["provider_fields"]["anthropic"]["content"]
    assert kept == [
        {"type": "compaction", "content": "We spoke of ropes.", "encrypted_content": "b3BhcXVl"},
        {"type": "text", "text": "And of knots."},
    ]
    fields = {"anthropic": {"content": kept}}
    again = body({"role": "assistant", "content": "And of knots.", "provider_fields": fields})
    assert again["messages"][1]["content"] == kept


def test_a_fallback_names_the_model_that_answers_from_there_on() -> None:
    made = chunks(
        START,
        opened({"type": "fallback", "from": {"model": MODEL}, "to": {"model": "claude-opus-4-8"}}),
        closed(),
        opened({"type": "text", "text": "Hi"}, 1),
        closed(1),
        ended("end_turn"),
        STOP,
    )
    assert [chunk["model"] for chunk in made] == [MODEL, *["claude-opus-4-8"] * 3]


# --- whole answers


@pytest.mark.parametrize("stop_reason", [None, 1])
def test_an_answer_without_a_reason_to_stop_is_garbled(stop_reason: Any) -> None:
    whole = {"content": [{"type": "text", "text": "Hi"}], "stop_reason": stop_reason}
    with pytest.raises(Garbled):
        dialect.CHAT.response and dialect.CHAT.response(whole)


def test_usage_that_is_not_there_is_none() -> None:
    assert dialect.CHAT.response is not None
    assert dialect.CHAT.response({"content": [], "stop_reason": "end_turn"})["usage"] is None


def test_a_call_that_code_made_comes_back_with_its_caller() -> None:
    assert dialect.CHAT.response is not None
    caller = {"type": "code_execution_20260120", "tool_id": "srvtoolu_1"}
    by_code, by_model = {**ORDER, "caller": caller}, {**ORDER, "caller": {"type": "direct"}}
    answers = [dialect.CHAT.response({"content": [use], "stop_reason": "tool_use"}) for use in (by_code, by_model)]
    first, second = (answer["choices"][0]["message"] for answer in answers)
    assert first["provider_fields"] == {"anthropic": {"content": [by_code]}}
    assert "provider_fields" not in second
    result = {"role": "tool", "tool_call_id": "toolu_1", "content": "done"}
    assert body(first, result)["messages"][1]["content"] == [by_code]


# --- a second turn


def test_blocks_whose_call_the_client_changed_do_not_come_back() -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    turn = {
        "role": "assistant",
        "content": None,
        "tool_calls": [ORDER_SAID],
        "provider_fields": {"anthropic": {"content": [thought, {"type": "text", "text": ""}, ORDER]}},
    }
    result = {"role": "tool", "tool_call_id": "toolu_1", "content": "done"}
    assert body(turn, result)["messages"][1]["content"] == [thought, ORDER]
    changed = {**ORDER_SAID, "function": {"name": "order", "arguments": '{"item": "chain"}'}}
    blocks = body({**turn, "tool_calls": [changed]}, result)["messages"][1]["content"]
    assert blocks == [{**ORDER, "input": {"item": "chain"}}]


def test_a_call_by_another_providers_id_and_its_result_still_belong_together() -> None:
    call = {**ORDER_SAID, "id": "functions.order:0"}
    result = {"role": "tool", "tool_call_id": "functions.order:0", "content": "done"}
    _, asked, answered = body({"role": "assistant", "tool_calls": [call]}, result)["messages"]
    assert asked["content"][0]["id"] == answered["content"][0]["tool_use_id"]
    assert asked["content"][0]["id"].replace("_", "").isalnum()


# --- what is said


def test_a_messages_own_cache_control_is_one_of_its_last_block() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    made = body(
        {"role": "assistant", "content": "x", **mark},
        {"role": "user", "content": parts, **mark},
        {"role": "system", "content": "y", **mark},
    )
    assert made["messages"][1]["content"] == [{"type": "text", "text": "x", **mark}]
    assert made["messages"][2]["content"] == [parts[0], {**parts[1], **mark}]
    assert made["system"] == [{"type": "text", "text": "y", **mark}]


def test_a_jpg_is_a_jpeg() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,/9j/"}}
    (image,) = body({"role": "user", "content": [part]})["messages"][1]["content"]
    assert image["source"] == {"type": "base64", "media_type": "image/jpeg", "data": "/9j/"}


def test_a_budget_of_thought_in_anthropics_words_leaves_room_to_answer() -> None:
    thinking = {"type": "enabled", "budget_tokens": 20_000}
    assert body(thinking=thinking)["max_tokens"] == 28_192
    assert body(thinking={"type": "enabled", "budget_tokens": "x"})["max_tokens"] == 8192


def test_who_asks_is_said_by_openais_newer_word_too() -> None:
    assert body(safety_identifier="u-1")["metadata"] == {"user_id": "u-1"}


def test_the_newer_version_of_the_api_gets_no_sampling() -> None:
    said = {"temperature": 0.5, "top_k": 3}
    assert {key: body(**said).get(key) for key in said} == said
    payload = {"messages": [{"role": "user", "content": "hi"}], **said}
    made = dialect.chat("2026-10-21").request(MODEL, payload)
    assert (made.json.keys() & said.keys(), made.adjusted) == (set(), ("temperature", "top_k"))


def schema(**said: Any) -> JSON:
    return {"type": "json_schema", "json_schema": {"name": "a", "schema": said}}


def test_the_objects_of_an_answers_schema_are_closed() -> None:
    rope = {"type": "object", "properties": {"properties": {"type": "string", "enum": ["object"]}}}
    said = schema(
        type="object",
        properties={"ropes": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/Rope"}, {"type": "null"}]}}},
        **{"$defs": {"Rope": rope}},
    )
    before = json.dumps(said)
    made = body(response_format=said)["output_config"]["format"]["schema"]
    assert made["additionalProperties"] is made["$defs"]["Rope"]["additionalProperties"] is False
    assert made["$defs"]["Rope"]["properties"] == rope["properties"]
    assert json.dumps(said) == before


def test_a_schema_of_any_depth_is_said_or_refused() -> None:
    deep: JSON = {"type": "string"}
    for _ in range(400):
        deep = {"type": "array", "items": deep}
    assert refused(response_format=schema(**deep)).startswith("response_format.json_schema.schema.items.items")


# --- what is refused, and where


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": {"type": "function", "function": {"name": "order"}}}, "tool_choice"),
        (
            {
                "tools": [TOOL],
                "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
            },
            "tool_choice",
        ),
        ({"tools": [TOOL, {"type": "custom", "custom": {"name": "sql"}}]}, "tools[1].type"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": "x"}}]},
            "tools[0].function.parameters",
        ),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
            "response_format.json_schema.schema",
        ),
        (
            {"response_format": schema(anyOf=[{"type": "object", "additionalProperties": {"type": "string"}}])},
            "response_format.json_schema.schema.anyOf[0].additionalProperties",
        ),
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
    ],
    ids=json.dumps,
)
def test_what_cannot_be_asked_for_is_refused(more: JSON, place: str) -> None:
    assert refused(**more) == place


def test_no_choice_needs_no_tools() -> None:
    assert not {"tools", "tool_choice"} & body(tool_choice="none").keys()
    assert not {"tools", "tool_choice"} & body(tool_choice="auto").keys()


@pytest.mark.parametrize(
    ("message", "place"),
    [
        ({"role": "function", "content": "x"}, "messages[1].role"),
        ({"role": "tool", "tool_call_id": "toolu_9", "content": "x"}, "messages[1].tool_call_id"),
        (
            {"role": "assistant", "tool_calls": [{**ORDER_SAID, "function": {"name": "f", "arguments": "{"}}]},
            "messages[1].tool_calls[0].function.arguments",
        ),
        (
            {"role": "assistant", "tool_calls": [{**ORDER_SAID, "function": {"name": "f", "arguments": "[]"}}]},
            "messages[1].tool_calls[0].function.arguments",
        ),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, "messages[1].content[0]"),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AA=="}}]},
            "messages[1].content[0]",
        ),
        (
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]},
            "messages[1].content[0]",
        ),
        (
            {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:text/csv;base64,AA=="}}]},
            "messages[1].content[0]",
        ),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_what_a_message_cannot_hold_is_refused(message: JSON, place: str) -> None:
    assert refused(message) == place
