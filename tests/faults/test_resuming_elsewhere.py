"""Streams that break off: what happens while another is asked, and where that speaks another dialect."""

from __future__ import annotations

import threading

from tests.faults.pair import QUICK, Pair, post
from tests.faults.scenarios import FALLBACK_MODEL, USAGES, breaking_off, chunks
from tests.serving import STREAM, endpoint
from tests.translating import of
from tests.upstream import Close, Hang, Pause, Wait, held, sse_reply


def test_the_client_hears_comments_while_another_thinks(pair: Pair) -> None:
    pair.primary.replies = breaking_off(40, Close())
    gate = threading.Event()
    pair.fallback.replies = held(sse_reply(chunks(FALLBACK_MODEL)), Wait(gate))
    client = pair.serve(top={"keep_alive": 0.05}, retries={"attempts": 0})
    response = client.post("/v1/chat/completions", json={**STREAM, "model": "chat"}, buffered=False)
    body = b""
    for data in response.iter_encoded():
        body += data
        if data.startswith(b":") and pair.fallback.requests:
            gate.set()
    assert body.endswith(b"data: [DONE]\n\n") and gate.is_set()
    response.close()


def test_a_client_that_leaves_while_another_thinks_leaves_nothing_behind(pair: Pair) -> None:
    pair.primary.replies = breaking_off(40, Close())
    pair.fallback.replies = held(sse_reply([*chunks(FALLBACK_MODEL)[:3], Hang()]), Pause(0.3))
    client = pair.serve(top={"keep_alive": 0.05}, retries={"attempts": 0})
    response = client.post("/v1/chat/completions", json={**STREAM, "model": "chat"}, buffered=False)
    assert any(data.startswith(b":") and pair.fallback.requests for data in response.iter_encoded())
    response.close()
    assert pair.fallback.requests[0].client_left.wait(5)
    worker = client.get("/health/ready?verbose=1").json["worker"]
    assert [worker["in_flight"], *(one["in_flight"] for one in worker["endpoints"].values())] == [0, 0, 0]


def test_what_another_dialect_began_goes_on_too(pair: Pair) -> None:
    """Claude says a text and calls a tool in blocks, and breaks off in the midst of the arguments; OpenAI goes on."""
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-4-6", "content": []}
    tool = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {}}
    events = [
        {"type": "message_start", "message": {**message, "usage": {"input_tokens": 3, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Let me see."}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": tool},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": '{"city"'}},
    ]
    call = {"index": 0, "id": "call_b", "type": "function", "function": {"name": "weather", "arguments": '{"ci'}}
    more = {"index": 0, "function": {"arguments": 'ty": "Hamm"}'}}
    deltas = [{"content": "Let me"}, {"content": " see."}, {"tool_calls": [call]}, {"tool_calls": [more]}]
    top = {"id": "chatcmpl-b", "object": "chat.completion.chunk", "created": 1, "model": FALLBACK_MODEL}
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    usage = {"choices": [], "usage": USAGES[FALLBACK_MODEL]}
    pair.primary.replies = sse_reply([*events, Close()], done=False)
    pair.fallback.replies = sse_reply([{**top, **said} for said in (*({"choices": [c]} for c in choices), usage)])
    claude = {**of("anthropic", pair.primary, "claude-opus-4-6"), "name": "chat"}
    client = pair.gateway({**claude, "fallbacks": ["standby"], "retries": QUICK}, endpoint(pair.fallback, "standby"))
    answer = post(client, stream=True)
    said = [choice["delta"] for document in answer.documents for choice in document["choices"]]
    calls = [call for delta in said for call in delta.get("tool_calls", ())]
    assert (answer.text, answer.error, answer.finish, answer.done) == ("Let me see.", None, ["tool_calls"], True)
    assert "".join(call["function"].get("arguments", "") for call in calls) == '{"city": "Hamm"}'
    assert [call["id"] for call in calls if call.get("id")] == ["toolu_1"]
    assert answer.usage == [USAGES[FALLBACK_MODEL]]
    assert len({document["id"] for document in answer.documents}) == 1
