"""What a provider says when it refuses, in whichever of the known shapes: its words, type, code, and the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from app.dialects import JSON

_LONGEST_WORDS = 8_000
"""Characters of a provider's words that are shown."""

# First what a provider itself leaves of a key: sk-a***z.
_KEY_LIKE = re.compile(
    r"""
      [^\s'"*]{0,64}\*{3,}[^\s'".]*
    | \b(?:sk|pk|gsk|xai|hf|nvapi|r8|key)[-_](?:[\w*\-]|\.(?=\w)){4,}
    | \b(?:AKIA|ASIA)[A-Z0-9]{12,}
    | (?<=[Bb]earer\ )[^\s'"]+
    | \b[A-Za-z0-9_\-]{32,}
    """,
    re.VERBOSE,
)

_TITLE = re.compile(rb"(?i)<title[^<>]*>([^<]+)")
_TAG = re.compile(rb"<[^<>]*>")

_KNOWN = ("message", "type", "code", "param")


class Refusal(NamedTuple):
    """A provider's error. `extra` is what its error object held beside OpenAI's four keys."""

    message: str
    type: str | None = None
    code: str | None = None
    param: str | None = None
    extra: JSON = {}  # never changed
    retry_after: str | None = None
    """Seconds, where a provider says them in its body."""


def of_answer(headers: Mapping[str, str], body: bytes) -> Refusal:
    """The refusal in an answer whose headers say nothing of it."""
    return read(body)


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
        extra = {key: value for key, value in error.items() if key not in _KNOWN and value is not None}
        kind, code, param = (_text(error.get(key)) for key in _KNOWN[1:])
        return Refusal(_words(error.get("message") or error), kind, code, param, extra)
    words = error or data.get("detail") or data.get("message") or data
    code = _text(data.get("code")) or _text(data.get("error_code"))
    return Refusal(_words(words), _text(data.get("error_type") or data.get("type")), code, _text(data.get("param")))


def status_of(data: JSON) -> int:
    """The status of an error that came under a 200: its own `code` or `status` if that is one, else 502."""
    error = data.get("error")
    holders = [error, data] if isinstance(error, dict) else [data]
    for value in (holder.get(key) for holder in holders for key in ("status_code", "code", "status")):
        if isinstance(value, (int, str)) and str(value).isdecimal() and 400 <= int(value) < 600:
            return int(value)
    return 502


def without_keys(words: str) -> str:
    """The words with everything that looks like a key, or what is left of one, taken out."""
    return _KEY_LIKE.sub("[redacted]", words)


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int)) else None


def _words(value: Any) -> str:
    """A message; of FastAPI's list of problems, each place and message."""
    if isinstance(value, list) and value and all(map(_is_fastapi, value)):
        value = "; ".join(f"{_place(item.get('loc'))}{item['msg']}" for item in value)
    return _cut(value if isinstance(value, str) else orjson.dumps(value).decode())


def _is_fastapi(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(item.get("msg"), str)


def _place(loc: Any) -> str:
    return f"{'.'.join(map(str, loc))}: " if isinstance(loc, list) and loc else ""


def _plain(body: bytes) -> str:
    """A body that is not JSON: a sentence, or a proxy's page, of which the title says most."""
    body = body[: 16 * _LONGEST_WORDS]
    if body.lstrip()[:1] == b"<":
        title = _TITLE.search(body)
        body = b" ".join((title[1] if title else _TAG.sub(b" ", body)).split())
    return _cut(body.decode("utf-8", "replace").strip()) or "the provider gave no reason"


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST_WORDS else f"{words[:_LONGEST_WORDS]} ..."
