"""OpenAI's dialect: what was said is what is sent, but for the model."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from app.dialects import openai

PAYLOAD: dict[str, Any] = {
    "messages": [{"role": "user", "content": "Hi", "name": "n"}],
    "temperature": 0.1,
    "seed": 2**63 - 1,
    "tools": [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "$defs": {"a": {"anyOf": []}}}}}
    ],
    "x_unknown": [None, {"deep": "\U0001f30a"}],
}


@pytest.mark.parametrize("kind", openai.TRANSLATORS)
def test_only_the_model_is_replaced(kind: str) -> None:
    before = copy.deepcopy(PAYLOAD)
    translate = openai.TRANSLATORS[kind].request
    assert translate("gpt-4o-mini", PAYLOAD).json == {**PAYLOAD, "model": "gpt-4o-mini"}
    assert translate("gpt-4o-mini", {**PAYLOAD, "model": "chat"}).json == {**PAYLOAD, "model": "gpt-4o-mini"}
    assert before == PAYLOAD


def test_without_a_model_none_is_sent_and_not_the_endpoints_name() -> None:
    assert openai.request("", {**PAYLOAD, "model": "chat"}).json == PAYLOAD


def test_a_streams_usage_is_asked_for_beside_what_the_client_asked() -> None:
    payload = {"stream": True, "stream_options": {"include_obfuscation": False}}
    assert openai.asking_usage(payload)["stream_options"] == {"include_obfuscation": False, "include_usage": True}
    assert payload["stream_options"] == {"include_obfuscation": False}
    for options in (None, {}, {"include_usage": False}):
        assert openai.asking_usage({"stream_options": options})["stream_options"] == {"include_usage": True}


def test_whether_the_client_asked_itself() -> None:
    assert openai.asks_usage({"stream_options": {"include_usage": True}})
    for options in (None, {}, {"include_usage": False}):
        assert not openai.asks_usage({"stream_options": options})
    assert not openai.asks_usage({})
