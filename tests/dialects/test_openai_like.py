"""OpenAI's dialect as others speak it: what is right passes as it came, what is wrong is told."""

from __future__ import annotations

from typing import Any

import pytest

from app.dialects import Unfinished
from app.dialects.openai_like import chat_translator
from app.dialects.through_chat import completions
from app.errors import Cut, Garbled, GatewayError, InvalidPayload, Refused
from app.providers import PROVIDERS

CHAT = chat_translator()


# --- what is right passes


def chunk(delta: Any, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "s", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def stream_of(*events: Any) -> list[Any]:
    assert CHAT.stream is not None
    stream = CHAT.stream()
    next(stream)
    chunks = [chunk for event in events for chunk in stream.send(event)]
    return [*chunks, *stream.send(None)]


def whole(**more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": "hi"}, "finish_reason": "stop"}
    return {"id": "a", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], **more}


def test_chunks_that_need_nothing_are_the_events_themselves() -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    events = [
        chunk({"role": "assistant", "content": ""}, obfuscation="x"),
        chunk({"content": "hi"}),
        chunk({"reasoning_content": "hm"}, system_fingerprint="fp"),
        chunk({"tool_calls": [call]}, usage=None),
        chunk({}, "tool_calls"),
        {**chunk({}), "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}},
    ]
    assert all(made is event for made, event in zip(stream_of(*events), events, strict=True))


@pytest.mark.parametrize("said", ["", "other", None])
def test_every_choice_of_a_whole_answer_has_an_end_that_openai_knows(said: Any) -> None:
    answer = whole()
    answer["choices"][0]["finish_reason"] = said
    assert CHAT.response is not None
    assert CHAT.response(answer)["choices"][0]["finish_reason"] == "stop"


# --- what is wrong is told


@pytest.mark.parametrize(
    "answer",
    [
        {}, {"choices": []}, {"choices": {}}, {"choices": ["x"]},
        whole(choices=[{"message": "x", "finish_reason": "stop"}]),
        whole(choices=[{"message": {"content": 5}, "finish_reason": "stop"}]),
        whole(choices=[{"message": {"content": [{"type": "text", "text": 5}]}, "finish_reason": "stop"}]),
        whole(choices=[{"message": {"tool_calls": {}}, "finish_reason": "stop"}]),
        whole(choices=[{"message": {"tool_calls": [{"id": "c", "function": {}}]}, "finish_reason": "stop"}]),
        whole(choices=[{"message": {"tool_calls": [{"function": {"name": "f", "arguments": 5}}]}}]),
        whole(choices=[{"message": {}, "finish_reason": {}}, {"message": {}, "finish_reason": ["x"]}]),
    ],
)  # fmt: skip
def test_an_answer_that_is_none_is_garbled(answer: Any) -> None:
    assert CHAT.response is not None
    with pytest.raises(Garbled):
        CHAT.response(answer)


@pytest.mark.parametrize(
    ("body", "kind"),
    [({}, Garbled), ({"data": []}, Garbled), ({"data": [{"embedding": [None]}]}, Garbled), ({"data": 5}, Garbled)],
)
def test_embeddings_that_are_none_are_garbled(body: Any, kind: type[GatewayError]) -> None:
    for name in ("vllm", "perplexity", "mistral"):
        response = PROVIDERS[name].translators["llm/v1/embeddings"].response
        assert response is not None
        with pytest.raises(kind):
            response(body)


@pytest.mark.parametrize(
    ("choice", "status", "words"),
    [
        ({"message": {}, "finish_reason": "error"}, 502, "broke off"),
        ({"message": {}, "finish_reason": "insufficient_system_resource"}, 503, "broke off"),
        ({"message": {}, "finish_reason": "error", "error": {"code": 429, "message": "slow down"}}, 429, "slow down"),
    ],
)
def test_an_end_that_is_a_failure_is_an_error(choice: Any, status: int, words: str) -> None:
    assert CHAT.response is not None
    with pytest.raises(Refused, match=words) as caught:
        CHAT.response(whole(choices=[choice]))
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"error": {"message": "no", "status_code": 400, "code": "tool_use_failed"}}, 400),
        (chunk({"content": ""}, error={"code": 402, "message": "no"}), 402),
        ({"object": "error", "message": "no", "code": 404}, 404),
    ],
)
def test_an_error_amid_a_stream_is_one(event: Any, status: int) -> None:
    with pytest.raises(Refused) as caught:
        stream_of(chunk({"role": "assistant", "content": "a"}), event)
    assert (caught.value.status, caught.value.message) == (status, "no")


@pytest.mark.parametrize(
    "events",
    [[], [chunk({"content": "a"})], [chunk({}, "stop"), {**chunk({}), "choices": [{"index": 1, "delta": {}}]}]],
)
def test_a_stream_without_its_end_is_cut(events: list[Any]) -> None:
    with pytest.raises(Cut):
        stream_of(*events)


def test_the_end_that_done_would_be_is_one_of_text_where_text_was_asked_of_chat() -> None:
    start = completions(CHAT).stream
    assert start is not None
    stream = start()
    next(stream)
    stream.send(chunk({"role": "assistant", "content": "a"}))
    with pytest.raises(Unfinished) as caught:
        stream.send(None)
    (last,) = caught.value.last
    assert (last["object"], last["choices"][0]["text"]) == ("text_completion", "")
    assert last["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    "event", [{}, {"choices": 5}, chunk("x"), chunk({"content": 5}), chunk({"tool_calls": [{"index": 0}]}, "stop")]
)
def test_an_event_that_is_no_chunk_is_garbled(event: Any) -> None:
    with pytest.raises(Garbled):
        stream_of(chunk({"role": "assistant"}), event)


@pytest.mark.parametrize(
    ("payload", "place"),
    [
        ({"messages": [{"role": "wizard", "content": "a"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "tool_call_id": "x", "content": "a"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{"}}]}]},
         "messages[0].tool_calls[0].function.arguments"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages[0].content[0].file"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "data:image/tiff;base64,A"}]}]},
         "messages[0].content[0]"),
        ({"messages": [], "logprobs": True}, "logprobs"),
    ],
)  # fmt: skip
def test_what_mistral_cannot_be_told_is_refused_with_its_place(payload: Any, place: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        PROVIDERS["mistral"].translators["llm/v1/chat"].request("m", payload)
    assert caught.value.problems[0].path == place


@pytest.mark.parametrize(
    ("said", "sent", "adjusted"),
    [
        ("none", "none", ()),
        ("high", "high", ()),
        ("low", "high", ("reasoning_effort",)),
        ("max", "high", ("reasoning_effort",)),
    ],
)
def test_mistral_thinks_or_does_not(said: str, sent: str, adjusted: tuple[str, ...]) -> None:
    body = PROVIDERS["mistral"].translators["llm/v1/chat"].request("m", {"messages": [], "reasoning_effort": said})
    assert (body.json["reasoning_effort"], body.adjusted) == (sent, adjusted)


TOOLS = [{"type": "function", "function": {"name": name}} for name in "fg"]


@pytest.mark.parametrize("mode", ["auto", "required"])
@pytest.mark.parametrize("provider", ["deepseek", "groq", "huggingface-text-generation-inference", "mistral"])
def test_allowed_tools_are_the_only_ones_offered_where_that_word_is_unknown(provider: str, mode: str) -> None:
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [TOOLS[1]]}}
    payload = {"messages": [], "tools": TOOLS, "tool_choice": allowed}
    request = PROVIDERS[provider].translators["llm/v1/chat"].request
    sent = request("m", payload).json
    word = "any" if (provider, mode) == ("mistral", "required") else mode
    assert (sent["tools"], sent["tool_choice"]) == ([TOOLS[1]], word)
    with pytest.raises(InvalidPayload, match="names no function"):
        request("m", {**payload, "tools": TOOLS[:1]})


def test_a_gateway_behind_is_told_of_allowed_tools_as_they_were_said() -> None:
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [TOOLS[1]]}}
    payload = {"messages": [], "tools": TOOLS, "tool_choice": allowed}
    assert PROVIDERS["openai-compatible"].translators["llm/v1/chat"].request("", payload).json == payload
