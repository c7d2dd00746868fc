"""Cohere: where a call goes, what it carries, and what it cannot say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.call import Call
from app.dialects import cohere
from app.errors import InvalidPayload
from tests.config.writing import endpoint

HI = {"messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize(
    ("more", "base"), [("", "https://api.cohere.com/v2"), (", api_base: 'http://h/v2/'", "http://h/v2")]
)
def test_a_call_goes_below_the_base_with_the_key(tmp_path: Path, more: str, base: str) -> None:
    found = endpoint(tmp_path, f"{{cohere_api_key: k-1{more}}}", "cohere")
    assert found.url == f"{base}/chat"
    call = found.provider.authorize(found.settings, Call(found.url, {"Accept": "a"}, b""))
    assert dict(call.headers) == {"Accept": "a", "Authorization": "Bearer k-1"}


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"top_logprobs": 3, "logprobs": True}, "top_logprobs"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"n": 2}, "n"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, "tools[0].type"),
    ],
)
def test_what_changes_the_answer_and_has_no_counterpart_is_refused(more: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        cohere.CHAT.request("command-a-03-2025", {**HI, **more})
    assert caught.value.param == place


def test_modalities_of_text_ask_for_nothing() -> None:
    assert "modalities" not in cohere.CHAT.request("command-a-03-2025", {**HI, "modalities": ["text"]}).json


def test_a_tool_that_is_required_without_any_is_named() -> None:
    assert cohere.CHAT.request("command-a-03-2025", {**HI, "tool_choice": "required"}).adjusted == ("tool_choice",)
    assert cohere.CHAT.request("command-a-03-2025", {**HI, "tool_choice": "auto"}).adjusted == ()


def test_embedding_types_are_a_list() -> None:
    with pytest.raises(InvalidPayload, match="embedding_types"):
        cohere.EMBEDDINGS.request("embed-v4.0", {"input": "a", "embedding_types": True})
