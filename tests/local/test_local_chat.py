"""Chat completions of the built-in model."""

from __future__ import annotations

import jsonschema
import orjson
import pytest

from app.local import tokens

HELLO = {"model": "m", "messages": [{"role": "user", "content": "Hello, how are you?"}]}
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {
                "city": {"type": "string", "minLength": 3},
                "unit": {"enum": ["celsius", "fahrenheit"]},
                "days": {"type": "integer", "minimum": 2, "maximum": 5},
                "where": {"$ref": "#/$defs/place"},
            },
            "required": ["city", "unit", "days", "where"],
            "additionalProperties": False,
            "$defs": {
                "place": {"type": "object", "properties": {"lat": {"type": "number"}}, "required": ["lat"]},
            },
        },
    },
}
TIME = {"type": "function", "function": {"name": "get_time"}}


def text_of(answer, index=0):
    return answer.json["choices"][index]["message"]["content"]


def deltas(answer, index=0):
    return [choice["delta"] for chunk in answer.chunks for choice in chunk["choices"] if choice["index"] == index]


def test_it_says_what_it_is_and_what_was_said(ask):
    answer = ask("chat/completions", HELLO)
    assert answer.response.status_code == 200
    assert answer.response.headers["Content-Type"] == "application/json"
    assert answer.json["object"] == "chat.completion"
    assert answer.json["model"] == "m"
    assert "Weir's built-in model" in text_of(answer)
    assert "Hello, how are you?" in text_of(answer)
    assert answer.json["choices"][0]["finish_reason"] == "stop"


def test_the_same_request_has_the_same_answer_and_an_id_of_its_own(ask):
    first, second = ask("chat/completions", HELLO), ask("chat/completions", HELLO)
    assert first.json["choices"] == second.json["choices"]
    assert first.json["id"] != second.json["id"]


def test_another_seed_may_word_it_differently(ask):
    assert len({text_of(ask("chat/completions", {**HELLO, "seed": seed})) for seed in range(20)}) > 1


def test_n_choices_differ_in_index_and_are_those_of_a_stream(ask):
    whole = ask("chat/completions", {**HELLO, "n": 5})
    stream = ask("chat/completions", {**HELLO, "n": 5, "stream": True})
    assert [choice["index"] for choice in whole.json["choices"]] == [0, 1, 2, 3, 4]
    assert len({text_of(whole, index) for index in range(5)}) > 1
    for index in range(5):
        assert "".join(delta.get("content", "") for delta in deltas(stream, index)) == text_of(whole, index)


def test_a_stream_comes_word_by_word_and_says_what_the_whole_answer_says(ask):
    stream = ask("chat/completions", {**HELLO, "stream": True})
    assert stream.response.headers["Content-Type"] == "text/event-stream"
    said = [delta["content"] for delta in deltas(stream) if delta.get("content")]
    assert deltas(stream)[0] == {"role": "assistant", "content": "", "refusal": None}
    assert "".join(said) == text_of(ask("chat/completions", HELLO))
    assert said == tokens.split("".join(said))
    assert stream.chunks[-1]["choices"] == [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}]
    assert {chunk["object"] for chunk in stream.chunks} == {"chat.completion.chunk"}
    assert len({chunk["id"] for chunk in stream.chunks}) == 1


def test_usage_counts_the_words_and_marks_of_both_sides(ask):
    answer = ask("chat/completions", HELLO)
    used = answer.json["usage"]
    assert used["prompt_tokens"] == len(["Hello", ",", " how", " are", " you", "?"])
    assert used["completion_tokens"] == tokens.count(text_of(answer))
    assert used["total_tokens"] == used["prompt_tokens"] + used["completion_tokens"]


def test_usage_counts_content_parts_and_tool_calls_and_their_results(ask):
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    parts = [{"type": "text", "text": "One two"}, {"type": "image_url", "image_url": {"url": "data:,"}}]
    messages = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": "three four five"},
    ]
    assert ask("chat/completions", {"messages": messages}).json["usage"]["prompt_tokens"] == 2 + 3 + 3


def test_a_stream_tells_its_usage_only_if_asked_to(ask):
    asked = ask("chat/completions", {**HELLO, "stream": True, "stream_options": {"include_usage": True}})
    assert asked.chunks[-1]["choices"] == []
    assert asked.chunks[-1]["usage"] == ask("chat/completions", HELLO).json["usage"]
    assert all(chunk["usage"] is None for chunk in asked.chunks[:-1])
    assert not any("usage" in chunk for chunk in ask("chat/completions", {**HELLO, "stream": True}).chunks)


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_max_tokens_ends_the_answer_with_length(ask, name):
    whole = text_of(ask("chat/completions", HELLO))
    answer = ask("chat/completions", {**HELLO, name: 5})
    assert text_of(answer) == "".join(tokens.split(whole)[:5])
    assert answer.json["choices"][0]["finish_reason"] == "length"
    assert answer.json["usage"]["completion_tokens"] == 5


@pytest.mark.parametrize("stop", ["t-in mod", ["nowhere", "t-in mod"]])
def test_stop_cuts_the_text_before_it_even_inside_a_token(ask, stop):
    whole = text_of(ask("chat/completions", HELLO))
    for stream in (False, True):
        answer = ask("chat/completions", {**HELLO, "stop": stop, "stream": stream})
        said = "".join(delta.get("content", "") for delta in deltas(answer)) if stream else text_of(answer)
        assert said == whole[: whole.index("t-in mod")]
        end = answer.chunks[-1] if stream else answer.json
        assert end["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("choice", "name"),
    [
        ("required", "get_weather"),
        ({"type": "function", "function": {"name": "get_time"}}, "get_time"),
    ],
)
def test_a_forced_tool_choice_calls_the_tool_with_arguments_that_fit(ask, choice, name):
    tools = [WEATHER, TIME]
    answer = ask("chat/completions", {**HELLO, "tools": tools, "tool_choice": choice})
    message = answer.json["choices"][0]["message"]
    (call,) = message["tool_calls"]
    schema = next(tool["function"].get("parameters", {}) for tool in tools if tool["function"]["name"] == name)
    arguments = orjson.loads(call["function"]["arguments"])
    jsonschema.Draft202012Validator(schema).validate(arguments)
    assert isinstance(arguments, dict)
    assert call["type"] == "function"
    assert call["id"]
    assert call["function"]["name"] == name
    assert message["content"] is None
    assert answer.json["choices"][0]["finish_reason"] == "tool_calls"


def test_a_streamed_tool_call_names_itself_once_and_then_sends_its_arguments_in_pieces(ask):
    payload = {**HELLO, "tools": [WEATHER], "tool_choice": "required"}
    (call,) = ask("chat/completions", payload).json["choices"][0]["message"]["tool_calls"]
    stream = ask("chat/completions", {**payload, "stream": True})
    first, *rest = [delta["tool_calls"][0] for delta in deltas(stream) if delta]
    assert (first["id"], first["function"]["name"], first["index"]) == (call["id"], "get_weather", 0)
    assert all("id" not in piece and piece["index"] == 0 for piece in rest)
    assert len(rest) > 5
    assert "".join(piece["function"]["arguments"] for piece in rest) == call["function"]["arguments"]
    assert stream.chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize("choice", ["auto", "none", None])
def test_a_choice_that_is_free_is_answered_in_text(ask, choice):
    answer = ask("chat/completions", {**HELLO, "tools": [WEATHER], "tool_choice": choice})
    assert "tool_calls" not in answer.json["choices"][0]["message"]
    assert "built-in model" in text_of(answer)


def test_after_a_tool_s_result_the_answer_tells_it(ask):
    call = {"id": "c1", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}
    result = {"role": "tool", "tool_call_id": "c1", "content": "half past nine"}
    messages = [*HELLO["messages"], {"role": "assistant", "content": None, "tool_calls": [call]}, result]
    answer = ask("chat/completions", {"messages": messages, "tools": [TIME]})
    assert "half past nine" in text_of(answer)
    assert "get_time" in text_of(answer)


def test_json_schema_yields_a_document_that_fits(ask):
    schema = WEATHER["function"]["parameters"]
    wanted = {"type": "json_schema", "json_schema": {"name": "weather", "schema": schema, "strict": True}}
    answer = ask("chat/completions", {**HELLO, "response_format": wanted})
    jsonschema.Draft202012Validator(schema).validate(orjson.loads(text_of(answer)))
    assert answer.json["choices"][0]["finish_reason"] == "stop"


def test_json_object_yields_an_object(ask):
    answer = ask("chat/completions", {**HELLO, "response_format": {"type": "json_object"}})
    assert isinstance(orjson.loads(text_of(answer)), dict)


def test_a_schema_that_nothing_fits_is_a_400_that_names_the_place(ask):
    schema = {"type": "object", "properties": {"a": {"type": "integer", "minimum": 5, "maximum": 3}}, "required": ["a"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = ask("chat/completions", {**HELLO, "response_format": wanted})
    assert answer.response.status_code == 400
    assert answer.error["param"] == "response_format.json_schema.schema.properties.a"
    assert "minimum and maximum" in answer.error["message"]
    assert answer.error["type"] == "invalid_request_error"


BAD = [
    ({"messages": None}, "messages"),
    ({"messages": []}, "messages[0]"),
    ({"messages": ["hi"]}, "messages[0]"),
    ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
    ({"messages": [{"role": "user", "content": ["hi"]}]}, "messages[0].content[0]"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": None}]}]}, "messages[0].content[0].text"),
    ({"messages": [{"content": "hi"}]}, "messages[0].role"),
    ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls"),
    ({"messages": [{"role": "assistant", "tool_calls": [{"function": 1}]}]}, "messages[0].tool_calls[0].function"),
    ({"tools": {}}, "tools"),
    ({"tools": [1]}, "tools[0]"),
    ({"tools": [{"type": "function"}]}, "tools[0].function"),
    ({"tools": [{"type": "function", "function": {"name": []}}]}, "tools[0].function.name"),
    ({"tool_choice": "required"}, "tool_choice"),
    ({"tool_choice": "perhaps", "tools": [TIME]}, "tool_choice"),
    ({"tool_choice": ["x"], "tools": [TIME]}, "tool_choice"),
    ({"tool_choice": {"type": "function", "function": {"name": "f"}}, "tools": [TIME]}, "tool_choice"),
    ({"tool_choice": {"type": "function"}, "tools": [TIME]}, "tool_choice.function"),
    ({"tool_choice": {"type": "custom"}, "tools": [TIME]}, "tool_choice.type"),
    ({"response_format": "json"}, "response_format"),
    ({"response_format": {"type": "xml"}}, "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.schema"),
    ({"n": 0}, "n"),
    ({"n": 10**6}, "n"),
    ({"n": True}, "n"),
    ({"max_tokens": "5"}, "max_tokens"),
    ({"max_completion_tokens": 1.5}, "max_completion_tokens"),
    ({"stop": 1}, "stop"),
    ({"stop": ["a", 1]}, "stop[1]"),
    ({"stream": "yes"}, "stream"),
    ({"stream": True, "stream_options": [1]}, "stream_options"),
]


@pytest.mark.parametrize(("change", "param"), BAD, ids=[str(change) for change, _ in BAD])
def test_a_payload_of_the_wrong_shape_is_a_400_that_names_the_place(ask, change, param):
    answer = ask("chat/completions", {**HELLO, **change})
    assert answer.response.status_code == 400
    assert answer.error["param"] == param
    assert answer.error["type"] == "invalid_request_error"
    assert param in answer.error["message"]
