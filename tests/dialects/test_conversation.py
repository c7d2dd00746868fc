"""Messages taken apart: what is refused, and where it stands."""

from __future__ import annotations

import json
from typing import Any

import pytest

from app.dialects import conversation
from app.errors import InvalidPayload
from app.providers import PROVIDERS

CALL = {"id": "c-1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "c-1", "content": "3"}


def test_a_result_answers_a_call_of_the_assistants() -> None:
    conversation.check([{"role": "assistant", "tool_calls": [CALL]}, RESULT])


@pytest.mark.parametrize("before", [[], [{"role": "user", "content": "a", "tool_calls": [CALL]}]])
def test_a_result_of_a_call_that_the_assistant_did_not_make_is_refused(before: list[Any]) -> None:
    with pytest.raises(InvalidPayload) as caught:
        conversation.check([*before, RESULT])
    assert caught.value.param == f"messages[{len(before)}].tool_call_id"


@pytest.mark.parametrize("content", [{}, {"content": None}, {"content": ""}, {"content": []}])
def test_a_refusal_beside_no_content_is_what_was_said(content: Any) -> None:
    message = {"role": "assistant", "refusal": "No.", **content}
    told = [(("messages", 1, "refusal"), {"type": "refusal", "refusal": "No."})]
    assert list(conversation.parts(message, ("messages", 1))) == told


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "claude-opus-4-6"), ("bedrock", "amazon.nova-lite-v1:0"), ("cohere", "command-a-03-2025"),
        ("gemini", "gemini-2.5-flash"), ("mistral", "mistral-small"), ("deepseek", "deepseek-chat"),
        ("huggingface-text-generation-inference", ""), ("mlflow-model-serving", ""), ("openai", "gpt-4.1"),
    ],
)  # fmt: skip
def test_a_refusal_reaches_every_dialect(provider: str, model: str) -> None:
    asked = [{"role": "user", "content": "Say it"}, {"role": "assistant", "content": None, "refusal": "I will not."}]
    payload = {"messages": [*asked, {"role": "user", "content": "Why?"}]}
    body = PROVIDERS[provider].translators["llm/v1/chat"].request(model, payload)
    assert json.dumps(body.json).count("I will not.") == 1
    knows_the_word = provider in ("openai", "mlflow-model-serving")
    assert ('"refusal": "I will not."' in json.dumps(body.json)) is knows_the_word


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("data:image/png;base64,AA==", "image/png"),
        ("data:image/jpg;base64,AA==", "image/jpeg"),
        ("DATA:Image/PNG;charset=utf-8;BASE64,AA==", "image/png"),
        ("data:;base64,AA==", None),
    ],
)
def test_a_data_urls_type_is_in_its_usual_spelling(url: str, kind: str | None) -> None:
    assert conversation.media(url, ("messages", 0)) == (kind, "AA==", None)


@pytest.mark.parametrize("url", ["data:image/png,AA", "ftp://h/a.png", "a.png", ""])
def test_an_address_that_leads_nowhere_is_refused(url: str) -> None:
    with pytest.raises(InvalidPayload, match="should be an http"):
        conversation.media(url, ("messages", 0))
