"""What a client may say: each field right and wrong, and nothing changed on the way."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from app.errors import InvalidPayload
from app.schemas import CHAT, COMPLETIONS, EMBEDDINGS, SCHEMAS, check

HELLO = {"role": "user", "content": "Hello"}

SMALLEST: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [HELLO]},
    COMPLETIONS: {"prompt": "Once"},
    EMBEDDINGS: {"input": "text"},
}

SAMPLING: dict[str, tuple[list[Any], list[Any]]] = {
    "temperature": ([0, 0.0, 1, 2, 2.0, 0.7], [-0.01, 2.01, "0.5", True, [], {}]),
    "top_p": ([0, 0.9, 1], [-0.1, 1.1, "1", False]),
    "top_k": ([1, 40, -1], [1.5, "4", True]),
    "n": ([1, 2], [0, -1, 1.0, "1", True]),
    "stop": (["x", ["x"], ["\n\n", "y"], []], [1, [1], ["x", None], {}]),
    "presence_penalty": ([-2, 0.5, 2], [-2.1, 2.1, "0"]),
    "frequency_penalty": ([-2, 0.5, 2], [-2.1, 2.1, "0"]),
    "seed": ([0, -5, 2**63 - 1], [0.5, "1"]),
    "stream": ([True, False], [1, 0, "true", "yes"]),
    "stream_options": ([{}, {"include_usage": True}], [True, "x", []]),
    "logit_bias": ([{}, {"50256": -100}], [[], "x"]),
    "user": (["u", ""], [1, {}]),
}

FIELDS: dict[str, dict[str, tuple[list[Any], list[Any]]]] = {
    CHAT: {
        **SAMPLING,
        "max_tokens": ([1, 100_000], [0, -1, 1.5, "10", True]),
        "max_completion_tokens": ([1], [0, "10"]),
        "tools": ([[], [{"type": "function", "function": {"name": "f"}}]], [{}, "x", ["x"], [None]]),
        "tool_choice": (["auto", {"type": "function"}, {"type": "allowed_tools"}], [1, [], True]),
        "parallel_tool_calls": ([True, False], [1, "yes"]),
        "response_format": (
            [
                {"type": "text"},
                {"type": "json_object"},
                {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
            ],
            ["text", {}, {"type": 1}, {"type": "json_schema"}, {"type": "json_schema", "json_schema": "x"}],
        ),
        "reasoning_effort": (["low"], [1, {}]),
        "logprobs": ([True], [1, 5]),
        "top_logprobs": ([0, 5], [-1, 1.5, True]),
        "metadata": ([{}, {"k": "v"}], ["k", [], 1]),
    },
    COMPLETIONS: {
        **SAMPLING,
        "prompt": (
            ["", "x", ["a", "b"], [1, 2], [[1], [2, 3]]],
            [None, 1, {}, [], [None], [[]], [["a"]], [1.5], [True]],
        ),
        "max_tokens": ([0, 1], [-1, 1.5, "1"]),
        "best_of": ([1], [0, "1"]),
        "echo": ([True], ["true", 1]),
        "logprobs": ([0, 5], [-1, True]),
        "suffix": (["x"], [1]),
    },
    EMBEDDINGS: {
        "input": (
            ["", "x", ["a", "b"], [1, 2], [[1], [2, 3]]],
            [None, 1, {}, [], [None], [[]], [["a"]], [1.5], [True]],
        ),
        "encoding_format": (["float", "base64"], ["hex", 1, ["float"]]),
        "dimensions": ([1, 3072], [0, 1.5, "8"]),
        "user": (["u"], [1]),
    },
}


def cases(right: bool) -> list[Any]:
    at = 0 if right else 1
    return [
        pytest.param(kind, field, value, id=f"{kind[7:]}-{field}-{value!r}")
        for kind, fields in FIELDS.items()
        for field, values in fields.items()
        for value in values[at]
    ]


def problems_of(kind: str, payload: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidPayload) as caught:
        check(kind, payload)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize(("kind", "field", "value"), cases(right=True))
def test_a_right_value_passes(kind: str, field: str, value: Any) -> None:
    check(kind, {**SMALLEST[kind], field: value})


@pytest.mark.parametrize(("kind", "field", "value"), cases(right=False))
def test_a_wrong_value_is_told_with_its_place(kind: str, field: str, value: Any) -> None:
    told = problems_of(kind, {**SMALLEST[kind], field: value})
    assert all(problem.startswith(field) for problem in told), told


@pytest.mark.parametrize("kind", SMALLEST)
def test_null_is_allowed_wherever_a_field_is_optional(kind: str) -> None:
    optional = [name for name, field in SCHEMAS[kind].fields.items() if not field.required]
    check(kind, {**SMALLEST[kind], **dict.fromkeys(optional)})
    assert set(FIELDS[kind]) | {"messages"} >= set(optional)  # each has its cases above


@pytest.mark.parametrize("kind", SMALLEST)
def test_what_is_required_is_missed_and_may_not_be_null(kind: str) -> None:
    (field,) = SMALLEST[kind]
    with pytest.raises(InvalidPayload) as caught:
        check(kind, {"temperature": 1, "user": "u"})
    assert caught.value.detail == [{"type": "missing", "loc": ["body", field], "msg": "Field required"}]
    assert caught.value.error["param"] == field
    assert problems_of(kind, {field: None})[0].startswith(f"{field}: ")


@pytest.mark.parametrize("kind", SMALLEST)
def test_unknown_keys_pass_and_nothing_is_changed(kind: str) -> None:
    payload = {
        **SMALLEST[kind],
        "x_vendor": {"deep": [1, {"a": None}]},
        "metadata": {"k": "v"},
        "seed": 2**63 - 1,
        "": 0.1,
        "emoji \U0001f30a": "\ud83c\udf0a",
    }
    before = copy.deepcopy(payload)
    inner = {key: id(value) for key, value in payload.items()}
    check(kind, payload)
    assert payload == before
    assert {key: id(value) for key, value in payload.items()} == inner
    assert list(payload) == list(before)


@pytest.mark.parametrize(
    "message",
    [
        {"role": "system", "content": "s", "name": "n", "cache_control": {"type": "ephemeral"}},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "type": "function", "function": {}}]},
        {"role": "assistant", "refusal": "no"},
        {"role": "assistant", "content": None, "tool_calls": None},
        {"role": "tool", "tool_call_id": "1", "content": ""},
        {"role": "whoever", "content": []},
        {"role": "user", "content": [{"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": "u"}}]},
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}, {"type": "anything"}]},
    ],
)
def test_messages_of_every_kind_pass(message: dict[str, Any]) -> None:
    check(CHAT, {"messages": [message]})


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([], "messages: List should have at least 1 item after validation, not 0"),
        ("hello", "messages: Input should be an array"),
        ({}, "messages: Input should be an array"),
        ([HELLO, "x"], "messages[1]: Input should be an object"),
        ([{"content": "x"}], "messages[0].role: Field required"),
        ([{"role": 5, "content": "x"}], "messages[0].role: Input should be a non-empty string"),
        ([{"role": "", "content": "x"}], "messages[0].role: Input should be a non-empty string"),
        ([{"role": "user", "content": 5}], "messages[0].content: Input should be a string or an array"),
        ([{"role": "user", "content": {}}], "messages[0].content: Input should be a string or an array"),
        ([{"role": "user", "content": ["x"]}], "messages[0].content[0]: Input should be an object"),
        ([{"role": "user", "content": [{"text": "x"}]}], "messages[0].content[0].type: Field required"),
        ([{"role": "assistant", "tool_calls": {}}], "messages[0].tool_calls: Input should be an array"),
        ([{"role": "assistant", "tool_calls": [1]}], "messages[0].tool_calls[0]: Input should be an object"),
    ],
)
def test_a_wrong_message_is_told_with_its_place(messages: Any, told: str) -> None:
    assert problems_of(CHAT, {"messages": messages}) == [told]


def test_every_problem_is_told_at_once() -> None:
    told = problems_of(CHAT, {"messages": [HELLO, {"role": 1, "content": 1}], "temperature": 3, "n": "1"})
    assert sorted(told) == [
        "messages[1].content: Input should be a string or an array",
        "messages[1].role: Input should be a non-empty string",
        "n: Input should be an integer",
        "temperature: Input should be less than or equal to 2",
    ]
