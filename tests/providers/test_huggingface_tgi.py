"""Hugging Face's servers: where a call goes, and what is put right in their answers of OpenAI's type."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.call import Call
from app.dialects import tgi
from app.errors import InvalidPayload
from tests.config.writing import endpoint, read, with_config
from tests.replies import Reply, json_reply
from tests.serving import Gateway
from tests.upstream import Request, Upstream

NAME = "huggingface-text-generation-inference"


@pytest.mark.parametrize(
    ("kind", "path", "stream_path"),
    [
        ("chat", "v1/chat/completions", "v1/chat/completions"),
        ("completions", "generate", "generate_stream"),
        ("embeddings", "v1/embeddings", "v1/embeddings"),
    ],
)
def test_each_endpoint_type_has_its_path(tmp_path: Path, kind: str, path: str, stream_path: str) -> None:
    text = with_config("{hf_server_url: 'http://h/x'}", NAME).replace("llm/v1/chat", f"llm/v1/{kind}")
    found = read(tmp_path, text).endpoints["chat"]
    assert (found.url, found.stream_url or found.url) == (f"http://h/x/{path}", f"http://h/x/{stream_path}")


@pytest.mark.parametrize(
    ("more", "expected"), [("", {"Accept": "a"}), (", api_key: k-1", {"Accept": "a", "Authorization": "Bearer k-1"})]
)
def test_a_key_goes_along_if_there_is_one(tmp_path: Path, more: str, expected: dict[str, str]) -> None:
    found = endpoint(tmp_path, f"{{hf_server_url: 'http://h'{more}}}", NAME)
    assert dict(found.provider.authorize(found.settings, Call(found.url, {"Accept": "a"}, b"")).headers) == expected


def embedded(request: Request) -> Reply:
    """Each text is a number, and its vector too; numbers, whatever encoding is asked for, as older servers do."""
    data = [
        {"object": "embedding", "index": index, "embedding": [float(text)]}
        for index, text in enumerate(request.json["input"])
    ]
    return json_reply({"object": "list", "data": data, "model": "m", "usage": {"prompt_tokens": 1, "total_tokens": 1}})


@pytest.mark.parametrize(
    ("more", "place"),
    [({"n": 2}, "n"), ({"response_format": {"type": "json_object"}}, "response_format.type")],
)
def test_what_it_would_skip_in_silence_is_refused(more: dict[str, Any], place: str) -> None:
    with pytest.raises(InvalidPayload) as caught:
        tgi.TRANSLATORS["llm/v1/chat"].request("", {"messages": [{"role": "user", "content": "a"}], **more})
    assert caught.value.param == place


def test_a_grammar_in_its_own_words_goes_as_it_is() -> None:
    grammar = {"type": "regex", "value": "[0-9]+"}
    said = {"messages": [{"role": "user", "content": "a"}], "response_format": grammar}
    assert tgi.TRANSLATORS["llm/v1/chat"].request("m", said).json == {**said, "model": "m"}


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_texts_go_in_batches_that_its_server_takes(upstream: Upstream, gateway: Gateway, encoding: str) -> None:
    upstream.replies = embedded
    model: dict[str, Any] = {"provider": NAME, "config": {"hf_server_url": upstream.url}}
    client = gateway({"name": "embed", "endpoint_type": "llm/v1/embeddings", "model": model})
    said = {"input": [str(number) for number in range(33)], "encoding_format": encoding}
    answer = client.post("/gateway/embed/invocations", json=said).json
    assert [len(request.json["input"]) for request in upstream.requests] == [32, 1]
    assert [item["index"] for item in answer["data"]] == list(range(33))
    assert answer["data"][32]["embedding"] == ([32.0] if encoding == "float" else "AAAAQg==")
