"""Completions through chat, and embeddings in batches, through the whole gateway."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest

from tests.serving import PROMPT, Gateway, events
from tests.translating import ASKED, MESSAGE, ON_GATEWAY, STREAM, claude, of
from tests.upstream import Reply, Request, Upstream, json_reply, sse_reply

Told = Callable[[], list[dict[str, Any]]]


# --- completions through chat


def test_completions_go_through_chat(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = [json_reply(MESSAGE), sse_reply(STREAM, done=False)]
    client = gateway(claude(upstream, "completions"))
    whole = client.post(ON_GATEWAY, json={"prompt": PROMPT, "max_tokens": 5}).json
    assert (whole["object"], whole["choices"][0]["text"]) == ("text_completion", "Grüße")
    *chunks, done = events(client.post(ON_GATEWAY, json={"prompt": [PROMPT], "stream": True}).data)
    assert ("".join(choice["text"] for said in chunks for choice in said["choices"]), done) == ("Grüße", "[DONE]")
    assert [request.json["messages"] for request in upstream.requests] == [ASKED["messages"]] * 2


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ({"suffix": "!"}, "suffix"), ({"echo": True}, "echo"), ({"logprobs": 0}, "logprobs"),
        ({"best_of": 2}, "best_of"),
        ({"prompt": ["a", "b"]}, "prompt"), ({"prompt": [1, 2]}, "prompt"), ({"max_tokens": 0}, "max_tokens"),
    ],
)  # fmt: skip
def test_what_a_conversation_cannot_say_is_refused(
    gateway: Gateway, upstream: Upstream, more: dict[str, Any], key: str
) -> None:
    answer = gateway(claude(upstream, "completions")).post(ON_GATEWAY, json={"prompt": "a", **more})
    assert (answer.status_code, answer.json["detail"][0]["loc"]) == (422, ["body", key])
    assert upstream.requests == []


# --- embeddings


def floats(data: str) -> list[float]:
    raw = base64.b64decode(data)
    return list(struct.unpack(f"<{len(raw) // 4}f", raw))


def cohere_script(request: Request) -> Reply:
    """Each text is a number: its vector is that number and half of it."""
    vectors = [[float(text), float(text) / 2] for text in request.json["texts"]]
    units = {"billed_units": {"input_tokens": len(vectors)}}
    return json_reply({"id": "e", "embeddings": {"float": vectors}, "texts": [], "meta": units})


@pytest.mark.parametrize(("count", "sizes"), [(96, [96]), (97, [96, 1]), (200, [96, 96, 8])])
@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_inputs_are_sent_in_batches_and_joined_in_their_order(
    gateway: Gateway, upstream: Upstream, told: Told, count: int, sizes: list[int], encoding: str
) -> None:
    upstream.replies = cohere_script
    client = gateway(of("cohere", upstream, "embed-v4.0", "embeddings"))
    payload = {"input": [str(number) for number in range(count)], "encoding_format": encoding}
    said = client.post(ON_GATEWAY, json=payload).json
    assert [len(request.json["texts"]) for request in upstream.requests] == sizes
    assert [item["index"] for item in said["data"]] == list(range(count))
    vectors = [item["embedding"] for item in said["data"]]
    if encoding == "base64":
        vectors = [floats(vector) for vector in vectors]
    assert vectors == [[float(number), number / 2] for number in range(count)]
    assert said["usage"] == {"prompt_tokens": count, "total_tokens": count}
    assert told()[-1]["input_tokens"] == count


def test_one_batch_that_fails_is_the_answers_failure(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = [cohere_script_of(96), json_reply({"message": "slow down"}, 429)]
    client = gateway(of("cohere", upstream, "embed-v4.0", "embeddings"))
    answer = client.post(ON_GATEWAY, json={"input": ["1"] * 97})
    assert answer.status_code == 429
    assert "slow down" in answer.text


def cohere_script_of(count: int) -> Reply:
    return json_reply({"id": "e", "embeddings": {"float": [[1.0, 0.5]] * count}, "meta": {}})


def test_titan_takes_one_text_per_call(gateway: Gateway, upstream: Upstream) -> None:
    pytest.importorskip("botocore", reason="needs the extra: pip install 'weir[bedrock]'")
    upstream.replies = [json_reply({"embedding": [float(at)], "inputTextTokenCount": 2}) for at in range(3)]
    client = gateway(of("bedrock", upstream, "amazon.titan-embed-text-v2:0", "embeddings"))
    said = client.post(ON_GATEWAY, json={"input": ["a", "b", "c"]}).json
    assert [request.json["inputText"] for request in upstream.requests] == ["a", "b", "c"]
    assert [item["embedding"] for item in said["data"]] == [[0.0], [1.0], [2.0]]
    assert (said["usage"]["total_tokens"], said["model"]) == (6, "amazon.titan-embed-text-v2:0")


def test_tokens_instead_of_texts_are_refused(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(of("cohere", upstream, "embed-v4.0", "embeddings"))
    answer = client.post(ON_GATEWAY, json={"input": [[1, 2], "a"]})
    assert (answer.status_code, json.loads(answer.data)["detail"][0]["loc"]) == (422, ["body", "input", 0])
