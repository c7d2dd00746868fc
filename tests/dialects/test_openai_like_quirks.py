"""What servers of OpenAI's type say otherwise than OpenAI, each put right so that OpenAI's SDK accepts it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from app.chunks import stamped
from app.dialects.openai_like import chat_translator, completions_translator, embeddings_translator
from app.errors import Garbled, Refused
from app.providers import PROVIDERS

CHAT, TEXT, VECTORS = chat_translator(), completions_translator(), embeddings_translator()
TOP = {"id": "a", "created": 1, "model": "m"}


def whole(message: Any = None, translator: Any = CHAT, choice: Any = None, **top: Any) -> Any:
    """What a whole answer becomes, as OpenAI's SDK accepts it."""
    said = {"index": 0, "message": {"role": "assistant", "content": "hi", **(message or {})}, "finish_reason": "stop"}
    answer = {**TOP, "object": "chat.completion", "choices": [{**said, **(choice or {})}], **top}
    before = copy.deepcopy(answer)
    made = translator.response(answer)
    assert answer == before
    ChatCompletion.model_validate(stamped(made, TOP))
    return made


def chunk(delta: Any, finish: Any = None, choice: Any = None, **top: Any) -> dict[str, Any]:
    said = {"index": 0, "delta": delta, "finish_reason": finish, **(choice or {})}
    return {**TOP, "object": "chat.completion.chunk", "choices": [said], **top}


def streamed(*events: Any) -> list[Any]:
    """The chunks that a stream becomes, as OpenAI's SDK accepts them."""
    stream = CHAT.stream()
    next(stream)
    chunks = [made for event in events for made in stream.send(copy.deepcopy(event))] + stream.send(None)
    for made in chunks:
        ChatCompletionChunk.model_validate(stamped(made, TOP))
    return chunks


def calls(chunks: list[Any]) -> list[tuple[str, str]]:
    """Name and arguments of the calls in some chunks, added up as clients do."""
    found: dict[int, list[str]] = {}
    for made in chunks:
        for call in (made["choices"] or [{"delta": {}}])[0]["delta"].get("tool_calls") or ():
            one = found.setdefault(call["index"], ["", ""])
            one[0] += call["function"].get("name") or ""
            one[1] += call["function"].get("arguments") or ""
    return [(name, arguments) for name, arguments in found.values()]


FIRST, LAST = chunk({"role": "assistant", "content": ""}), chunk({}, "stop")
COUNTS = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}


# --- ends


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("STOP", "stop"), ("MAX_TOKENS", "length"), ("SAFETY", "content_filter"), ("eos", "stop"), ("null", "stop"),
        ("content_filter: PROHIBITED_CONTENT", "content_filter"), ("sensitive", "content_filter"), ("abc", "stop"),
        ("tool_use", "tool_calls"), ("TOOL_CALLS", "tool_calls"), ("guardrail_intervened", "content_filter"),
    ],
)  # fmt: skip
def test_an_end_has_openais_word_whoever_says_it(said: str, word: str) -> None:
    assert whole(choice={"finish_reason": said})["choices"][0]["finish_reason"] == word


def test_an_end_that_is_the_word_null_is_none_yet() -> None:
    chunks = streamed(chunk({"role": "assistant", "content": "a"}, "null"), chunk({"content": "b"}, "null"), LAST)
    assert [made["choices"][0]["finish_reason"] for made in chunks] == [None, None, "stop"]


@pytest.mark.parametrize(
    "said", ["abort", "network_error", "MALFORMED_FUNCTION_CALL", "function_call_filter: MALFORMED_FUNCTION_CALL"]
)
def test_an_end_that_is_a_failure_is_one_whoever_says_it(said: str) -> None:
    with pytest.raises(Refused, match="broke off"):
        streamed(FIRST, chunk({}, said))


# --- log probabilities


def test_togethers_lists_of_probabilities_are_openais_list() -> None:
    said = {"tokens": ["é", "!"], "token_logprobs": [-0.5, -1], "token_ids": [3, 4], "top_logprobs": [{"é": -0.5}, {}]}
    made = whole(choice={"logprobs": said})["choices"][0]["logprobs"]
    assert made["token_ids"] == [3, 4]
    one = {"token": "é", "logprob": -0.5, "bytes": [195, 169]}
    assert made["content"] == [
        {**one, "top_logprobs": [one]}, {"token": "!", "logprob": -1, "bytes": [33], "top_logprobs": []},
    ]  # fmt: skip


def test_a_bare_probability_in_a_chunk_is_that_of_its_token() -> None:
    chunks = streamed(FIRST, chunk({"content": "hi"}, choice={"logprobs": -0.25}), chunk({}, "eos", {"logprobs": 0}))
    (token,) = chunks[1]["choices"][0]["logprobs"]["content"]
    assert token == {"token": "hi", "logprob": -0.25, "bytes": [104, 105], "top_logprobs": []}
    assert chunks[2]["choices"][0]["logprobs"] is None


@pytest.mark.parametrize("said", ["x", [], {"tokens": ["a"]}, {"content": [{"token": "a", "logprob": -1}]}])
def test_probabilities_of_another_form_do_not_spoil_an_answer(said: Any) -> None:
    assert whole(choice={"logprobs": said})["choices"][0]["message"]["content"] == "hi"


def test_right_probabilities_pass() -> None:
    right = {"content": [{"token": "a", "logprob": -1, "bytes": None, "top_logprobs": []}], "refusal": None}
    assert whole(choice={"logprobs": right})["choices"][0]["logprobs"] is right


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ({"logprobs": True}, {"logprobs": 1}),
        ({"logprobs": True, "top_logprobs": 5}, {"logprobs": 5}),
        ({"logprobs": False}, {"logprobs": 0}),
        ({"logprobs": 3}, {"logprobs": 3}),
        ({}, {}),
    ],
)
def test_together_is_told_how_many_probabilities(said: Any, sent: Any) -> None:
    body = PROVIDERS["togetherai"].translators["llm/v1/chat"].request("m", {"messages": [], **said})
    assert body.json == {"model": "m", "messages": [], **sent}
    other = PROVIDERS["fireworks"].translators["llm/v1/chat"].request("m", {"messages": [], **said})
    assert other.json == {"model": "m", "messages": [], **said}


# --- roles and fields of a request


@pytest.mark.parametrize(
    ("name", "role"), [("deepseek", "system"), ("groq", "developer"), ("openai-compatible", "developer")]
)
def test_a_developer_is_a_system_where_only_that_is_known(name: str, role: str) -> None:
    payload = {"messages": [{"role": "developer", "content": "be brief"}]}
    body = PROVIDERS[name].translators["llm/v1/chat"].request("m", payload)
    assert body.json["messages"] == [{"role": role, "content": "be brief"}]


def test_what_a_gateway_behind_needs_back_goes_on_to_it_and_to_no_other() -> None:
    fields = {"anthropic": {"content": [{"type": "thinking", "signature": "s"}]}, "openai_like": {"finish_reason": "x"}}
    payload = {"messages": [{"role": "assistant", "content": "a", "provider_fields": fields}]}
    sent = {
        name: PROVIDERS[name].translators["llm/v1/chat"].request("m", payload) for name in ("openai-compatible", "vllm")
    }
    (kept,), (plain,) = (body.json["messages"] for body in sent.values())
    assert kept["provider_fields"] == {"anthropic": fields["anthropic"]}
    assert "provider_fields" not in plain


# --- tool calls


def tool(name: Any = "f", arguments: Any = "{}", **more: Any) -> dict[str, Any]:
    return {"function": {"name": name, "arguments": arguments}, **more}


@pytest.mark.parametrize("kind", [None, "", "builtin_function"])
def test_a_call_of_a_function_says_so(kind: Any) -> None:
    (call,) = whole({"tool_calls": [tool(id="c", type=kind)]})["choices"][0]["message"]["tool_calls"]
    assert (call["id"], call["type"]) == ("c", "function")
    chunks = streamed(FIRST, chunk({"tool_calls": [tool(id="c", type=kind, index=0)]}), LAST)
    assert chunks[1]["choices"][0]["delta"]["tool_calls"][0]["type"] == "function"


@pytest.mark.parametrize(
    "pieces",
    [
        [[tool(arguments='{"a":1}'), tool(arguments='{"a":2}')]],  # neither indexes nor ids
        [[tool(arguments='{"a":1}')], [tool(arguments='{"a":2}')]],
        [[tool(arguments='{"a":1}', index=0)], [tool(arguments='{"a":2}', index=0)]],  # all at 0, without ids
        [[tool(arguments={"a": 1}, id="", index=0)], [tool(arguments={"a": 2}, id="", index=0)]],
        [[tool(arguments='{"a":', index=0)], [tool(arguments="1}", index=0)], [tool(arguments='{"a":2}', index=1)]],
        [[tool(None, '{"a":', index=3)], [tool("f", "1}", index=3)], [tool("f", '{"a":2}', index=4)]],
    ],
)
def test_two_calls_of_one_function_stay_two_in_a_stream(pieces: list[Any]) -> None:
    chunks = streamed(FIRST, *(chunk({"tool_calls": one}) for one in pieces), chunk({}, "tool_calls"))
    made = [(name, arguments.replace(" ", "")) for name, arguments in calls(chunks)]
    assert made == [("f", '{"a":1}'), ("f", '{"a":2}')]
    ids = [call["id"] for one in chunks for call in one["choices"][0]["delta"].get("tool_calls") or () if "id" in call]
    assert len(set(ids)) == len(ids) == 2


def test_a_call_that_stands_alone_instead_of_in_a_list_is_one() -> None:
    pieces = [tool(arguments='{"a"', index=0, id=""), tool("", ":1}", index=0, id="")]
    assert calls(streamed(FIRST, *(chunk({"tool_calls": one}) for one in pieces), LAST)) == [("f", '{"a":1}')]


# --- the head and the usage of a stream


@pytest.mark.parametrize("top", [{"id": 7}, {"id": None}, {"created": "2026-01-01T00:00:00Z"}, {"created": 1.5}])
def test_a_head_of_other_types_is_made_one(top: Any) -> None:
    made = streamed({**FIRST, **top}, {**chunk({"content": "a"}), **top}, {**LAST, **top})
    assert len({chunk["id"] for chunk in made if isinstance(chunk["id"], str)}) == 1
    assert isinstance(whole(**top)["id"], str)


@pytest.mark.parametrize("last", [{"choices": None}, {}])
def test_a_usage_without_a_list_of_choices_is_openais_last_chunk(last: Any) -> None:
    *_, made = streamed(FIRST, LAST, {**TOP, "object": "chat.completion.chunk", "usage": COUNTS, **last})
    assert (made["choices"], made["usage"]) == ([], COUNTS)


def test_a_usage_in_every_chunk_is_told_once_at_the_end() -> None:
    events = [{**event, "usage": {**COUNTS, "completion_tokens": n}} for n, event in enumerate((FIRST, FIRST, LAST))]
    made = streamed(*events)
    assert [one.get("usage") for one in made] == [None, None, None, {**COUNTS, "completion_tokens": 2}]


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (7, None), ([], None), ({}, None), ({"prompt_tokens": True}, None), ("x", None),
        ({"prompt_tokens": 1.0, "completion_tokens": 2.0, "total_tokens": 3.0}, COUNTS),
        ({"prompt_tokens": 1, "completion_tokens": 2}, COUNTS),
        ({**COUNTS, "prompt_tokens_details": []}, {**COUNTS, "prompt_tokens_details": None}),
    ],
)  # fmt: skip
def test_a_usage_that_cannot_be_read_does_not_spoil_an_answer(said: Any, read: Any) -> None:
    assert whole(usage=said)["usage"] == read
    made = streamed(FIRST, {**LAST, "usage": said})
    assert made[-1].get("usage") == read


def test_an_event_without_choices_goes_into_the_next_chunk() -> None:
    hooks = {"hook_results": {"before_request_hooks": []}}
    made = streamed(hooks, FIRST, LAST)
    assert made[0]["hook_results"] == hooks["hook_results"] and "hook_results" not in made[1]
    assert streamed(FIRST, {**LAST, "usage": COUNTS}, hooks)[-1]["hook_results"] == hooks["hook_results"]


# --- errors under a 200


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        ({"object": "error", "message": "too long", "code": 40303}, 502, "too long"),
        ({"type": "error", "message": "busy", "status": 503}, 503, "busy"),
        ({"detail": "no such model"}, 502, "no such model"),
        ({"detail": [{"loc": ["body", "n"], "msg": "no"}], "code": 422}, 422, "body.n: no"),
        ({"error": {"message": "busy", "code": "429"}}, 429, "busy"),
    ],
)
def test_an_error_under_200_has_its_words_and_status(said: Any, status: int, words: str) -> None:
    for told in (lambda: CHAT.response(said), lambda: TEXT.response(said), lambda: streamed(FIRST, said)):
        with pytest.raises(Refused) as caught:
            told()
        assert (caught.value.status, caught.value.message) == (status, words)


def test_groq_says_why_it_ended_a_stream_early() -> None:
    with pytest.raises(Refused, match="over capacity"):
        streamed(FIRST, {**LAST, "x_groq": {"id": "r", "error": "over capacity"}})


def test_an_answer_below_an_answer_of_nulls_is_the_answer() -> None:
    inner = {**TOP, "provider": "Google", "choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
    made = CHAT.response({"id": None, "choices": None, "model": None, "object": None, "provider": inner})
    assert ChatCompletion.model_validate(made).choices[0].message.content == "hi"


# --- citations


def test_a_citation_that_lacks_its_place_is_kept_aside() -> None:
    right = {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 2, "title": "t", "url": "u"}}
    without = {"type": "url_citation", "url_citation": {"title": "t", "url": "u"}}
    message = whole({"annotations": [right, without]})["choices"][0]["message"]
    assert message["annotations"] == [right]
    assert message["provider_fields"]["openai_like"]["annotations"] == [right, without]


# --- text and embeddings


def test_a_text_that_is_null_is_empty_and_a_bare_probability_is_a_list() -> None:
    choice = {"index": 0, "text": None, "finish_reason": "stop", "logprobs": -0.5}
    made = TEXT.response({**TOP, "object": "text_completion", "choices": [choice]})
    assert made["choices"][0]["text"] == ""
    Completion.model_validate(made)
    stream = TEXT.stream()
    next(stream)
    (one,) = stream.send({**TOP, "object": "text_completion", "choices": [choice]})
    assert one["choices"][0]["logprobs"] == {"tokens": [""], "token_logprobs": [-0.5]}
    with pytest.raises(Garbled):
        TEXT.response({**TOP, "choices": [{"index": 0, "message": {}}]})


@pytest.mark.parametrize(
    ("indexes", "order"), [([0, 0, 0], [1, 2, 3]), ([None, None, None], [1, 2, 3]), ([2, 0, 1], [2, 3, 1])]
)
def test_embeddings_stand_in_the_order_of_the_inputs(indexes: list[Any], order: list[int]) -> None:
    data = [{"object": "embedding", "index": i, "embedding": [n]} for n, i in enumerate(indexes, 1)]
    made = VECTORS.response({"object": "list", "data": data, "model": "m"})
    assert [item["embedding"][0] for item in made["data"]] == order
    assert [item["index"] for item in made["data"]] == [0, 1, 2]
    CreateEmbeddingResponse.model_validate(made)
