"""Streams that break off: what the caller has of one, and whether another says the same up to there. Pure.

What has been sent cannot be taken back, and a continuation that merely looks right would be a lie. So another answer
is read from its beginning and compared with what the caller has; where it agrees to the end of that, the rest follows.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

import orjson

from app.dialects import JSON

MOST_CHARACTERS = 1024 * 1024
"""What is remembered of a stream; a longer one is not resumed."""
_UNREAD_BYTES = 32 * 1024
"""Chunks are kept as they are up to here, and read only beyond, or when they are needed: most streams do not break."""

_TEXTS = ("content", "reasoning_content", "reasoning", "refusal")
_PASSED_OVER = ("role", "tool_calls", "provider_fields", "annotations")
"""Of a delta: what is not text, or not the same in two answers that are (signatures)."""
_FINISH = "finish_reason"

Place = tuple[Any, ...]
"""Where in a choice a text stands: `("content",)`, `("tool_calls", 0, "function", "arguments")`."""


class Differs(Exception):
    """Another answer does not say what the caller has, or cannot be compared with it."""


class Sent:
    """What the caller has of a stream."""

    def __init__(self) -> None:
        self._unread: list[bytes] = []
        self._unread_bytes = self._characters = 0
        self._texts: dict[int, dict[Place, StringIO]] = {}  # by the choice's index
        self._calls: set[tuple[int, int]] = set()  # tool calls: the choice's index, and theirs
        self._head: JSON = {}
        self._is_counted = False  # whether its usage is there, too
        self._is_comparable = True

    def add(self, chunks: list[bytes]) -> None:
        """Chunks went out, as JSON."""
        self._unread += chunks
        self._unread_bytes += sum(map(len, chunks))
        if self._unread_bytes > _UNREAD_BYTES:
            self._read()

    def rest(self) -> Rest:
        """To compare another answer with. Raises Differs where nothing can be."""
        self._read()
        if not self._is_comparable:
            raise Differs("what was sent cannot be compared")
        texts = {index: {place: said.getvalue() for place, said in at.items()} for index, at in self._texts.items()}
        return Rest(texts, frozenset(self._calls), self._head, is_counted=self._is_counted)

    def _read(self) -> None:
        chunks, self._unread, self._unread_bytes = self._unread, [], 0
        try:
            for chunk in map(orjson.loads, chunks if self._is_comparable else ()):
                self._note(chunk)
        except Differs:
            self._is_comparable = False
        if self._characters > MOST_CHARACTERS or not self._is_comparable:
            self._is_comparable = False
            self._texts.clear()

    def _note(self, chunk: JSON) -> None:
        self._head = self._head or {key: chunk[key] for key in ("id", "created") if chunk.get(key)}  # Azure's first: ""
        self._is_counted = self._is_counted or bool(chunk.get("usage") and not chunk.get("choices"))
        for index, choice in _choices(chunk):
            said = self._texts.setdefault(index, defaultdict(StringIO))
            for place, text in _texts(choice):
                said[place].write(text)
                self._characters += len(text)
            self._calls.update((index, number) for number, _ in _tool_calls(choice))


class Rest:
    """Another answer, chunk by chunk: nothing of it while it repeats what the caller has, then what is new in it.

    It goes on under the first one's id, and its tool calls under theirs.
    """

    def __init__(
        self, sent: Mapping[int, Mapping[Place, str]], calls: frozenset[tuple[int, int]], head: JSON, *,
        is_counted: bool,
    ) -> None:  # fmt: skip
        """`calls` have begun, each in its choice; `is_counted`: the caller has a usage."""
        self._begun, self._calls = frozenset(sent), calls
        self._over = frozenset(index for index, at in sent.items() if (_FINISH,) in at)
        # Each text with how much of it was said again: cutting that off would copy the rest of it for every chunk.
        self._missing = {index: {place: (text, 0) for place, text in at.items()} for index, at in sent.items() if at}
        self._head, self._is_counted = head, is_counted

    @property
    def agrees(self) -> bool:
        """Whether all that the caller has was said again."""
        return not self._missing

    def take(self, chunks: list[bytes]) -> list[bytes]:
        """What of some chunks is new to the caller. Raises Differs."""
        return [orjson.dumps(new) for chunk in map(orjson.loads, chunks) if (new := self._new(chunk)) is not None]

    def _new(self, chunk: JSON) -> JSON | None:
        if not chunk.get("choices"):  # usage, which comes last; or what comes first, and was there
            return {**chunk, **self._head} if self.agrees and not self._is_counted else None
        kept = [left for index, choice in _choices(chunk) if (left := self._left(index, choice)) is not None]
        return {**chunk, **self._head, "choices": kept} if kept else None

    def _left(self, index: int, choice: JSON) -> JSON | None:
        """What of a choice is new; None if nothing is."""
        if index not in self._begun:
            return choice
        overlaps: dict[Place, int] = {}
        if index in self._missing:
            overlaps, is_new = self._overlaps(index, choice)
            if not is_new:
                return None
            if index in self._missing or index in self._over:
                raise Differs("it goes on where what was sent does not")
        elif index in self._over:
            return None
        if any(overlaps.values()) and choice.get("logprobs"):
            raise Differs("its tokens' probabilities cannot be split where its text is")
        return _without(choice, overlaps, {number for at, number in self._calls if at == index})

    def _overlaps(self, index: int, choice: JSON) -> tuple[dict[Place, int], bool]:
        """How many characters of each text the caller has, and whether there are more. Raises Differs."""
        missing, overlaps, is_new = self._missing[index], {}, False
        for place, text in _texts(choice):
            expected, at = missing.pop(place, ("", 0))
            overlaps[place] = common = _common(expected, at, text, place)
            is_new = is_new or common < len(text)
            if at + common < len(expected):
                missing[place] = expected, at + common
        if not missing:
            del self._missing[index]
        return overlaps, is_new


def _common(expected: str, at: int, text: str, place: Place) -> int:
    """How much of a text was expected next. Raises Differs where it is another, or a finish only begun alike."""
    common = min(len(expected) - at, len(text))
    is_half = place == (_FINISH,) and 0 < common != max(len(expected), len(text))
    if is_half or not expected.startswith(text[:common], at):
        raise Differs("it says something else")
    return common


def _without(choice: JSON, overlaps: Mapping[Place, int], begun: set[int]) -> JSON | None:
    """A choice that goes on, without what the caller has of it; None if nothing is left. `begun`: tool calls."""
    left = {key: value for key, value in choice.items() if key not in ("delta", "text")}
    if "text" in choice:
        left["text"] = _after(choice["text"] or "", overlaps.get(("text",), 0))
    said = {key: value for key, value in _delta(choice).items() if key != "role"}
    delta = {name: _after(value, overlaps.get((name,), 0)) for name, value in said.items()}
    if delta.get("tool_calls"):
        calls = (_call_without(number, call, overlaps, begun) for number, call in _tool_calls(choice))
        delta["tool_calls"] = [call for call in calls if call]
    if not any((left.get("text"), left.get(_FINISH), *delta.values())):
        return None
    return {**left, "delta": {key: value for key, value in delta.items() if value}} if "delta" in choice else left


def _call_without(number: int, call: JSON, overlaps: Mapping[Place, int], begun: set[int]) -> JSON | None:
    """A tool call that goes on, without what the caller has of it; None if nothing is left."""
    if number not in begun:
        return call
    left: JSON = {"index": number}
    for kind in ("function", "custom"):
        if isinstance(call.get(kind), dict):
            texts = {k: _after(v, overlaps.get(("tool_calls", number, kind, k), 0)) for k, v in call[kind].items()}
            left |= {kind: {k: v for k, v in texts.items() if v}}
    return left if any(left.get(kind) for kind in ("function", "custom")) else None


def _after(value: Any, overlap: int) -> Any:
    """A text without its beginning; what is none, as it is."""
    return value[overlap:] if isinstance(value, str) else value


def _texts(choice: JSON) -> Iterator[tuple[Place, str]]:
    """The texts of a choice that two answers can agree on. Raises Differs where there is something else."""
    said: dict[Place, Any] = {(name,): value for name, value in _delta(choice).items() if name not in _PASSED_OVER}
    if unknown := [name for (name,), value in said.items() if value and name not in _TEXTS]:
        raise Differs(f"{unknown[0]} cannot be compared")
    said |= {("text",): choice.get("text"), (_FINISH,): choice.get(_FINISH)}
    for number, call in _tool_calls(choice):
        for kind in ("function", "custom"):
            said |= {("tool_calls", number, kind, name): value for name, value in _object(call.get(kind)).items()}
    for place, value in said.items():
        if value and not isinstance(value, str):
            raise Differs(f"{place[-1]} is not a text")
        if value:
            yield place, value


def _delta(choice: JSON) -> JSON:
    return _object(choice.get("delta"))


def _object(value: Any) -> JSON:
    """An object, which may be absent. Raises Differs for something else."""
    if not isinstance(value or {}, dict):
        raise Differs("what should be an object is none")
    return value or {}


def _choices(chunk: JSON) -> Iterator[tuple[int, JSON]]:
    """Choices with their index. Raises Differs where they are none."""
    return _indexed(chunk.get("choices"), 0)


def _tool_calls(choice: JSON) -> Iterator[tuple[int, JSON]]:
    """Tool calls with their index. Raises Differs where they are none: without it, pieces and calls look alike."""
    return _indexed(_delta(choice).get("tool_calls"), None)


def _indexed(items: Any, otherwise: int | None) -> Iterator[tuple[int, JSON]]:
    seen = set()
    for item in items if isinstance(items, list) else [items] if items else []:
        index = item.get("index", otherwise) if isinstance(item, dict) else None
        if not isinstance(index, int) or index in seen:
            raise Differs("an item of a list has no index of its own")
        seen.add(index)
        yield index, item
