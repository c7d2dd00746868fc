"""Reading a request's body: each value as its type, or a Refusal that names the place. A null is as good as absent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

JSON = dict[str, Any]
Text = str | list[int]
"""A text, or the ids of its tokens."""

MOST_CHOICES = 2048
"""Answers in one response: prompts times `n`. So that one request cannot hold a worker for long."""


TYPES = {429: "rate_limit_error"}


class Refusal(Exception):
    """The built-in model will not answer: the status, and what its error object says. `retry_after` is in seconds."""

    def __init__(
        self,
        message: str,
        param: str | None = None,
        *,
        status: int = 400,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.status = status
        self.code = code
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        """`{"error": {...}}`."""
        kind = TYPES.get(self.status) or ("server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}


def refuse(place: str, value: Any, wanted: str) -> Refusal:
    """A 400 for a value that is not what it should be."""
    shown = repr(value)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return Refusal(f"{place} must be {wanted}, not {shown}", place)


def refuse_what_is_not_done(payload: Mapping[str, Any], *names: str) -> None:
    """A 400 for what changes the answer and is not done here: it is not to be passed over in silence."""
    for name in names:
        if payload.get(name):
            raise Refusal(f"the built-in model does not do {name}", name)


def as_object(value: Any, place: str) -> JSON:
    """`value`, which must be a JSON object."""
    if not isinstance(value, dict):
        raise refuse(place, value, "an object")
    return value


def as_list(value: Any, place: str) -> list[Any]:
    """`value`, which must be a list."""
    if not isinstance(value, list):
        raise refuse(place, value, "a list")
    return value


def as_text(value: Any, place: str) -> str:
    """`value`, which must be a string."""
    if not isinstance(value, str):
        raise refuse(place, value, "a string")
    return value


def _is_integer(value: Any) -> bool:
    """Whether `value` is a JSON integer; JSON's true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def integer(payload: Mapping[str, Any], name: str, least: int, most: int | None = None) -> int | None:
    """The integer `payload[name]` within its bounds; None if absent."""
    value = payload.get(name)
    if value is None:
        return None
    if not _is_integer(value) or value < least or (most is not None and value > most):
        raise refuse(name, value, f"an integer of at least {least}" + (f" and at most {most}" if most else ""))
    return int(value)


def texts(value: Any, place: str) -> list[Text]:
    """The texts in any of the four forms that OpenAI takes: text, texts, token ids, lists of token ids."""
    if isinstance(value, str) or _is_tokens(value):
        return [value]
    if not isinstance(value, list) or not value:
        raise refuse(place, value, "a string, a list of strings, a list of token ids or a list of those")
    if len(value) > MOST_CHOICES:
        raise Refusal(f"{place} has {len(value)} entries; at most {MOST_CHOICES} are taken", place)
    return [one if _is_tokens(one) else as_text(one, f"{place}[{index}]") for index, one in enumerate(value)]


def _is_tokens(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_integer, value))


def flag(payload: Mapping[str, Any], name: str) -> bool:
    """The boolean `payload[name]`; False if absent."""
    value = payload.get(name)
    if value is not None and not isinstance(value, bool):
        raise refuse(name, value, "true or false")
    return bool(value)


def stops(payload: Mapping[str, Any]) -> list[str]:
    """The strings at which the answer ends; `stop` may be one or a list."""
    value = payload.get("stop")
    if value is None:
        return []
    listed = [value] if isinstance(value, str) else as_list(value, "stop")
    return [stop for index, one in enumerate(listed) if (stop := as_text(one, f"stop[{index}]"))]


def wants_stream_usage(payload: Mapping[str, Any]) -> bool:
    """Whether the stream ends with a chunk that tells the usage."""
    options = payload.get("stream_options")
    return options is not None and flag(as_object(options, "stream_options"), "include_usage")
