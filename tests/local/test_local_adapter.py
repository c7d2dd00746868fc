"""The built-in model's adapter: pace, failures on purpose, and requests that it cannot read."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

CHAT = {"messages": [{"role": "user", "content": "Hello"}]}
STREAM = {**CHAT, "stream": True}


def reads(response, wait=1e9):
    """What each read gives, to the end."""
    found = []
    while part := response.raw.read1(wait):
        found.append(part)
    return found


def test_without_a_pace_everything_is_there_at_once(send, clock):
    (body,) = reads(send("chat/completions", STREAM))
    assert body.endswith(b"data: [DONE]\n\n")
    assert clock.slept == []


def test_a_paced_stream_gives_each_word_when_it_is_due(send, clock):
    parts = reads(send("chat/completions", STREAM, tokens_per_second=10))
    words = [part for part in parts if b'"content":"' in part and b'"role"' not in part]
    assert len(words) > 20
    assert clock.slept == pytest.approx([0.1] * len(words))
    assert all(part.count(b"data: ") == 1 for part in words[:-1])


def test_a_slow_reader_finds_all_that_has_become_due(send, clock):
    response = send("chat/completions", STREAM, tokens_per_second=10)
    clock.now += 0.55
    assert response.raw.read1(0).count(b"data: ") == 1 + 5


def test_a_whole_answer_comes_when_its_last_token_is_due(send, clock):
    (body,) = reads(send("chat/completions", CHAT, tokens_per_second=50, latency=2))
    made = orjson.loads(body)["usage"]["completion_tokens"]
    assert sum(clock.slept) == pytest.approx(2 + made / 50)


def test_latency_passes_before_the_first_byte(send, clock):
    response = send("chat/completions", STREAM, latency=3)
    assert clock.slept == []
    reads(response)
    assert clock.slept == [3]


def test_a_read_waits_no_longer_than_it_may_and_can_be_repeated(send, clock):
    response = send("chat/completions", STREAM, latency=2.5)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            response.raw.read1(1)
    assert response.raw.read1(1).startswith(b"data: ")
    assert clock.slept == [1, 1, 0.5]


def test_a_cut_stream_breaks_off_after_that_many_tokens(send):
    response = send("chat/completions", STREAM, cut_after=4)
    body = response.raw.read1(1)
    for _ in range(2):
        with pytest.raises(ConnectionResetError, match="on purpose"):
            response.raw.read1(1)
    events = [orjson.loads(event.removeprefix(b"data: ")) for event in body.split(b"\n\n")[:-1]]
    assert len([event for event in events if event["choices"][0]["delta"].get("content")]) == 4
    assert b"[DONE]" not in body


def test_a_cut_whole_answer_breaks_off_within_its_json(send):
    response = send("chat/completions", CHAT, cut_after=4)
    with pytest.raises(orjson.JSONDecodeError):
        orjson.loads(response.raw.read1(1))
    with pytest.raises(ConnectionResetError):
        response.raw.read1(1)


def test_cut_after_0_breaks_off_before_the_first_token(send):
    response = send("chat/completions", CHAT, cut_after=0)
    with pytest.raises(ConnectionResetError):
        response.raw.read1(1)


def test_an_answer_shorter_than_the_cut_is_whole(ask):
    assert ask("chat/completions", {**STREAM, "max_tokens": 4}, cut_after=4).events[-1] == b"[DONE]"


def test_a_closed_body_is_at_its_end(send):
    response = send("chat/completions", STREAM, tokens_per_second=1)
    response.close()
    assert response.raw.read1(1) == b""


@pytest.mark.parametrize("status", [429, 500, 503])
def test_fail_rate_1_fails_every_call_as_the_settings_say(ask, status):
    answer = ask("chat/completions", STREAM, fail_rate=1, fail_status=status, retry_after=7)
    assert answer.response.status_code == status
    assert answer.response.headers["Retry-After"] == "7"
    assert "on purpose" in answer.error["message"]
    assert "fail_rate" in answer.error["message"]
    assert answer.error["type"] == ("rate_limit_error" if status == 429 else "server_error")


def test_fail_rate_0_never_fails(ask):
    assert {ask("chat/completions", CHAT, fail_rate=0).response.status_code for _ in range(50)} == {200}


def test_a_failure_is_a_503_without_retry_after_unless_told_otherwise(ask):
    answer = ask("embeddings", {"input": "a"}, fail_rate=1)
    assert answer.response.status_code == 503
    assert "Retry-After" not in answer.response.headers


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("chat/completions", b"{", 400), ("chat/completions", b"", 400), ("completions", b"[]", 400), ("x", b"{}", 404)],
)
def test_what_cannot_be_read_is_an_error_in_openai_s_shape(ask, path, body, status):
    answer = ask(path, body)
    assert answer.response.status_code == status
    assert set(answer.error) == {"message", "type", "param", "code"}


def test_a_text_of_any_script_passes_unharmed(ask):
    said = "naïve 你好 👩‍👩‍👧 e\u0301\u200d!"
    answer = ask("chat/completions", {"messages": [{"role": "user", "content": said}], "stream": True})
    assert said in "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in answer.chunks)


KEYS = [
    "messages",
    "role",
    "content",
    "type",
    "text",
    "tools",
    "tool_choice",
    "function",
    "name",
    "parameters",
    "tool_calls",
    "response_format",
    "json_schema",
    "schema",
    "prompt",
    "input",
    "stop",
    "n",
    "stream",
    "stream_options",
    "max_tokens",
    "dimensions",
    "encoding_format",
    "seed",
]
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 20),
    st.text(max_size=3),
    st.sampled_from(["function", "required", "text"]),
)
ODD = st.recursive(
    VALUES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
    max_leaves=12,
)
BASES = [
    ("chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
    ("chat/completions", {"messages": [], "tools": [{"type": "function", "function": {"name": "f"}}]}),
    ("chat/completions", {"messages": [], "response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}),
    ("completions", {"prompt": "Hi"}),
    ("embeddings", {"input": "Hi"}),
]


@given(st.sampled_from(BASES), st.dictionaries(st.sampled_from(KEYS), ODD, max_size=3))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_payload_holds_it_is_answered_or_refused_in_openai_s_shape(ask, base, odd):
    path, payload = base
    answer = ask(path, {**payload, **odd})
    assert answer.response.status_code in (200, 400)
    if answer.response.status_code == 400:
        assert answer.error["message"]
    elif answer.response.headers["content-type"] == "application/json":
        assert answer.json["object"]
    else:
        assert answer.chunks
