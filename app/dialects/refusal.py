"""What a provider says when it refuses, in whichever of the known shapes: its words, type, code, and the rest."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import orjson

from app.dialects import JSON

_LONGEST_WORDS = 2_000
"""Characters of a body that is not JSON which are shown: enough to know it by."""

_KEY_LIKE = re.compile(r"[^\s'\"]*\*{3,}[^\s'\".]*|\b(?:sk|pk|gsk|xai|hf|nvapi|r8|key)[-_][\w*.\-]{4,}|\b[A-Za-z0-9_\-]{32,}\b")


class Refusal(NamedTuple):
    """A provider's error. `extra` is what its error object held beside OpenAI's four keys."""

    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None
    extra: JSON = {}  # noqa: RUF012  # never changed


def read(body: bytes) -> Refusal:
    """The refusal in an answer's body. JSON is tried whatever the content type says: some send it as octets or text."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        return Refusal(_plain(body))
    if isinstance(data, list) and len(data) == 1:  # Google wraps a stream's error so
        data = data[0]
    return of(data) if isinstance(data, dict) else Refusal(_words(data))


def of(data: JSON) -> Refusal:
    """The refusal in a JSON object: OpenAI's `error` object, an `error` string, `detail`, or `message`."""
    error = data.get("error")
    if isinstance(error, dict):
        known = ("message", "type", "code", "param")
        extra = {key: value for key, value in error.items() if key not in known and not isinstance(value, type(None))}
        return Refusal(_words(error.get("message") or error), _text(error.get("type")), _text(error.get("code")), _text(error.get("param")), extra)
    words = error or data.get("detail") or data.get("message") or data
    code = data.get("code") or data.get("error_code")
    return Refusal(_words(words), _text(data.get("error_type") or data.get("type")), _text(code))


def status_of(data: JSON) -> int:
    """The status of an error that came under a 200: its own `code` or `status` if that is one, else 502."""
    error = data.get("error")
    candidates = [error.get(key) for key in ("status_code", "code", "status")] if isinstance(error, dict) else []
    for value in (*candidates, data.get("status")):
        if isinstance(value, (int, str)) and str(value).isdecimal() and 400 <= int(value) < 600:
            return int(value)
    return 502


def without_keys(words: str) -> str:
    """The words with everything that looks like a key, or what is left of one, taken out."""
    return _KEY_LIKE.sub("[redacted]", words)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _words(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _plain(body: bytes) -> str:
    words = body.decode("utf-8", "replace").strip()[:_LONGEST_WORDS]
    return words or "the provider gave no reason"
