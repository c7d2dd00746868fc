"""Where two JSON values differ, and which of a provider's words for a request mean the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.recordings.payloads.gemini import camel


def differences(theirs: Any, ours: Any, place: str) -> Iterator[tuple[str, str]]:
    """(place, theirs and ours) of everything that differs."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in theirs.keys() | ours.keys():
            yield from differences(theirs.get(key, _NOTHING), ours.get(key, _NOTHING), f"{place}.{key}")
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        for index, (his, mine) in enumerate(zip(theirs, ours, strict=True)):
            yield from differences(his, mine, f"{place}[{index}]")
    elif theirs != ours:
        yield place, f"theirs {theirs}, ours {ours}"


_NOTHING = "nothing"


def plain(said: Any) -> Any:
    """A body in the plainest of its equal forms: no empty settings, one case, texts as texts, JSON strings parsed."""
    return _plain(camel(said))


def _plain(said: Any) -> Any:
    if isinstance(said, list):
        return [made for item in said if not _says_nothing(made := _plain(item))]
    if not isinstance(said, dict):
        return said
    made = {_NAMES.get(key, key): _value(key, _plain(value)) for key, value in said.items()}
    return {key: value for key, value in made.items() if value not in _DEFAULTS and (key, value) not in _DEFAULTED}


_NAMES = {"parameters": "parametersJsonSchema"}
_DEFAULTS: tuple[Any, ...] = (None, {}, [], "")
_DEFAULTED: tuple[tuple[str, Any], ...] = (
    ("stream", False),
    ("toolChoice", {"auto": {}}),
    ("toolChoice", {"auto": None}),
)


def _says_nothing(item: Any) -> bool:
    """A text of nothing but white space, which some providers refuse."""
    return (
        isinstance(item, dict)
        and set(item) <= {"type", "text"}
        and not str(item.get("text", "x" if not item else "")).strip()
    )


def _value(key: str, value: Any) -> Any:
    if key in ("arguments", "schema") and isinstance(value, str):
        return json.loads(value)
    if key in ("content", "system") and isinstance(value, str):
        return [{"type": "text", "text": value}]
    if key == "contents":
        return _joined(value)
    return [value] if key == "tools" and isinstance(value, dict) else value


def _joined(contents: list[Any]) -> list[Any]:
    """Contents of one role in a row are one to Google."""
    made: list[Any] = []
    for content in contents:
        if made and made[-1].get("role") == content.get("role"):
            made[-1] = {**made[-1], "parts": made[-1]["parts"] + content["parts"]}
        else:
            made.append(content)
    return made
