"""Log probabilities of a chat's choice as OpenAI lists them; Together gives lists side by side, or a bare number."""

from __future__ import annotations

from typing import Any

from app.dialects import JSON


def logprobs(choice: JSON, text: Any) -> JSON:
    """The changes for a choice's `logprobs`; `text` is what a chunk says. What cannot be read is none."""
    said = choice.get("logprobs")
    if said is None:
        return {}
    if isinstance(said, (int, float)):
        return {"logprobs": {"content": [_token(text, said, None)]} if isinstance(text, str) else None}
    if not isinstance(said, dict):
        return {"logprobs": None}
    if isinstance(said.get("content"), list):
        return _with_others(said)
    return _of_lists(said) if isinstance(said.get("tokens"), list) else {}


def _of_lists(said: JSON) -> JSON:
    """Tokens and their probabilities in lists of their own, as OpenAI's text completions have them."""
    tokens, values = said["tokens"], said.get("token_logprobs")
    others = said.get("top_logprobs")
    if not isinstance(values, list) or len(values) != len(tokens):
        return {"logprobs": None}
    known = others if isinstance(others, list) and len(others) == len(tokens) else [None] * len(tokens)
    content = [_token(*token) for token in zip(tokens, values, known, strict=True)]
    return {"logprobs": {**said, "content": content}}


def _token(token: Any, value: Any, others: Any) -> JSON:
    top = others.items() if isinstance(others, dict) else ()
    return {**_one(token, value), "top_logprobs": [_one(*other) for other in top]}


def _one(token: Any, value: Any) -> JSON:
    word = str(token)
    return {"token": word, "logprob": value, "bytes": list(word.encode())}


def _with_others(said: JSON) -> JSON:
    """The changes for tokens without the list of others, which OpenAI always gives."""
    content = said["content"]
    if all(isinstance(token, dict) and isinstance(token.get("top_logprobs"), list) for token in content):
        return {}
    return {"logprobs": {**said, "content": [{"top_logprobs": [], **_whole(token)} for token in content]}}


def _whole(token: Any) -> JSON:
    return {key: value for key, value in token.items() if value is not None} if isinstance(token, dict) else {}
