"""What providers say when they refuse: every shape that was met, and what is left of keys in it."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.dialects.refusal import Refusal, of, read, status_of, without_keys

SHAPES: dict[str, tuple[Any, Refusal]] = {
    "openai": (
        {"error": {"message": "Rate limit", "type": "requests", "param": None, "code": "rate_limit_exceeded"}},
        Refusal("Rate limit", "requests", "rate_limit_exceeded"),
    ),
    "azure": (
        {"error": {"code": "content_filter", "message": "Filtered", "status": 400, "innererror": {"code": "R"}}},
        Refusal("Filtered", None, "content_filter", None, {"status": 400, "innererror": {"code": "R"}}),
    ),
    "anthropic": (
        {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}, "request_id": "req_1"},
        Refusal("Overloaded", "overloaded_error"),
    ),
    "google": (
        {
            "error": {
                "code": 429,
                "message": "Quota",
                "status": "RESOURCE_EXHAUSTED",
                "details": [{"retryDelay": "48s"}],
            }
        },
        Refusal("Quota", None, "429", None, {"status": "RESOURCE_EXHAUSTED", "details": [{"retryDelay": "48s"}]}),
    ),
    "google in an array": (
        [{"error": {"code": 400, "message": "Bad", "status": "INVALID_ARGUMENT"}}],
        Refusal("Bad", None, "400", None, {"status": "INVALID_ARGUMENT"}),
    ),
    "bedrock": ({"message": "Too many tokens"}, Refusal("Too many tokens")),
    "cohere": ({"id": "1", "message": "invalid request"}, Refusal("invalid request")),
    "mistral": ({"detail": "Unauthorized"}, Refusal("Unauthorized")),
    "mistral otherwise": (
        {"object": "error", "message": "Bad", "type": "invalid_request_error", "param": "n", "code": "1000"},
        Refusal("Bad", "invalid_request_error", "1000", "n"),
    ),
    "fastapi": (
        {"detail": [{"type": "missing", "loc": ["body", "messages", 0], "msg": "Field required"}, {"msg": "Bad"}]},
        Refusal("body.messages.0: Field required; Bad"),
    ),
    "groq": (
        {"error": {"message": "Failed", "type": "x", "code": "tool_use_failed", "failed_generation": "<f>"}},
        Refusal("Failed", "x", "tool_use_failed", None, {"failed_generation": "<f>"}),
    ),
    "openrouter": (
        {"error": {"code": 402, "message": "Credits", "metadata": {"raw": "r"}}, "user_id": "u"},
        Refusal("Credits", None, "402", None, {"metadata": {"raw": "r"}}),
    ),
    "xai": (
        {"code": "invalid-argument", "error": "Incorrect API key provided"},
        Refusal("Incorrect API key provided", None, "invalid-argument"),
    ),
    "ollama": ({"error": "model not found"}, Refusal("model not found")),
    "tgi": ({"error": "too long", "error_type": "validation"}, Refusal("too long", "validation")),
    "mlflow": ({"error_code": "BAD_REQUEST", "message": "Bad"}, Refusal("Bad", None, "BAD_REQUEST")),
    "error without words": ({"error": {"code": "x"}}, Refusal('{"code":"x"}', None, "x")),
    "words that are no text": ({"error": {"message": {"a": 1}}}, Refusal('{"a":1}')),
    "null": ({"error": None, "message": "m"}, Refusal("m")),
    "something else": ({"foo": 1}, Refusal('{"foo":1}')),
    "a string": ("no", Refusal("no")),
    "a list": ([1, 2], Refusal("[1,2]")),
}


@pytest.mark.parametrize("name", SHAPES)
def test_each_known_shape_is_read(name: str) -> None:
    data, expected = SHAPES[name]
    assert read(orjson.dumps(data)) == expected
    if isinstance(data, dict):
        assert of(data) == expected


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"upstream connect error\n", "upstream connect error"),
        (b"", "the provider gave no reason"),
        (b" \n", "the provider gave no reason"),
        (b'{"error": {"message": "cut', '{"error": {"message": "cut'),
        (b"caf\xe9", "caf\ufffd"),
        (
            b"<html>\n<head><title>502 Bad Gateway</title><style>a{}</style></head><body><hr>nginx</body></html>",
            "502 Bad Gateway",
        ),
        (b"<p>no <b>such</b>\n page</p>", "no such page"),
        (b"<html></html>", "the provider gave no reason"),
    ],
)
def test_what_is_not_json_is_shown_as_words(body: bytes, words: str) -> None:
    assert read(body) == Refusal(words)


@pytest.mark.parametrize(
    "body", [b"x" * 5_000_000, b"<p>" + b"x" * 5_000_000, orjson.dumps({"message": "x" * 5_000_000}), b"<" * 5_000_000]
)
def test_a_huge_body_is_cut(body: bytes) -> None:
    assert len(read(body).message) < 10_000


@pytest.mark.parametrize(
    ("data", "status"),
    [
        ({"error": {"code": 429}}, 429),
        ({"error": {"code": "503", "status": "UNAVAILABLE"}}, 503),
        ({"error": {"status": 404, "code": "DeploymentNotFound"}}, 404),
        ({"error": {"status_code": 400}}, 400),
        ({"error": "words", "code": 402}, 402),
        ({"error": "words", "status": 500}, 500),
        ({"error": {"message": "m"}, "status": 418}, 418),
        ({"error": {"code": 200}}, 502),
        ({"error": {"code": 600}}, 502),
        ({"error": {"code": True}}, 502),
        ({"error": {"code": 429.0}}, 502),
        ({"error": {"code": "rate_limited"}}, 502),
        ({"error": "words"}, 502),
    ],
)
def test_an_error_under_a_200_has_the_status_that_it_names_or_502(data: dict[str, Any], status: int) -> None:
    assert status_of(data) == status


KEYS = (
    "sk-proj-" + "aB3_" * 20,
    "sk-ant-api03-" + "xY9-" * 10 + "AA",
    "sk-1234567890abcdef",
    "gsk_" + "a1B2" * 12,
    "xai-" + "Zz9" * 20,
    "AIzaSy" + "C3d4-_" * 5 + "abc",
    "AKIAIOSFODNN7EXAMPLE",
    "hf_abcdefghijKLMN",
    "0123456789abcdef0123456789abcdef",
    "nvapi-abc.def-123",
    "r8_abcdef0123",
)


@pytest.mark.parametrize("key", KEYS)
def test_no_key_and_no_part_of_one_is_left(key: str) -> None:
    for shown in (key, key[:8] + "***" + key[-4:], key[:3] + "*" * 30 + key[-4:]):
        for words in (
            f"Incorrect API key provided: {shown}. See our page.",
            f"invalid '{shown}'",
            f'{{"key": "{shown}"}}',
        ):
            told = without_keys(words)
            assert shown not in told
            assert key[-4:] not in told
            assert "[redacted]" in told
    assert without_keys(f"Incorrect API key provided: {key}. See our page.").endswith(
        "provided: [redacted]. See our page."
    )


def test_a_token_after_bearer_is_taken_out() -> None:
    assert without_keys("got 'Authorization: Bearer short'") == "got 'Authorization: Bearer [redacted]'"


@pytest.mark.parametrize(
    "words",
    [
        "You can find your API key at https://platform.openai.com/account/api-keys.",
        "The model `gpt-4o-mini-2024-07-18` does not exist or you do not have access to it.",
        "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key.",
        "**Note**: a * b",
    ],
)
def test_words_without_a_key_stay_as_they_are(words: str) -> None:
    assert without_keys(words) == words


def test_looking_for_keys_costs_what_the_words_cost() -> None:
    """Were each place of it a start that is read to the end, this would not end."""
    for words in ("a" * 200_000, "*" * 200_000, "a-" * 100_000, "-" * 200_000, "ab**" * 50_000):
        without_keys(words)
