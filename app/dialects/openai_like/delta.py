"""The deltas of one choice of a chat's stream, put right in the light of those before them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any

import orjson

from app.dialects import JSON
from app.dialects.openai_like import choices as said
from app.dialects.openai_like.logprobs import logprobs
from app.errors import Garbled


class Deltas:
    """What one choice has said so far, as far as the next delta needs it."""

    def __init__(self, seed: Any) -> None:
        self._seed = seed
        self._begun = False
        self._calls = _Calls(seed)
        self._said: list[Any] = []  # the content of each delta: strings, and lists of parts

    def heard(self, content: Any) -> None:
        """Note what a delta says."""
        if content:
            self._said.append(content)

    def end(self) -> JSON:
        """An end for a choice that has said nothing of one."""
        return {"delta": {}, "finish_reason": "tool_calls" if self._calls.are_some else "stop"}

    def choice(self, choice: JSON, is_over: bool) -> JSON | None:
        """The choice put right. `is_over`: it has ended before; then None, unless it still says something."""
        there = said.an_object(choice["delta"] if "delta" in choice else choice.get("message"), "delta")
        reason = None if is_over else said.finish(choice)
        delta = self._delta(there, reason)
        if is_over and not any(delta.get(key) for key in ("content", "reasoning_content", "tool_calls")):
            return None
        changes: JSON = {} if delta is choice.get("delta") else {"delta": delta}
        changes |= logprobs(choice, delta.get("content"))
        if choice.get("finish_reason") != reason:
            changes |= {"finish_reason": None} if is_over else said.ended(choice, reason)
        right = said.changed(choice, changes)
        if "message" in choice or "usage" in choice:
            right = {key: value for key, value in right.items() if key not in ("message", "usage")}
        return right

    def _delta(self, delta: JSON, reason: str | None) -> JSON:
        changes = {**said.thought(delta), **said.content(delta)}
        self.heard(delta.get("content"))
        dropped = self._role(delta, changes)
        if isinstance(delta.get("content"), list) and not changes["content"]:
            dropped.add("content")
        changes |= self._tool_calls(delta.get("tool_calls"), reason)
        if reason and any(isinstance(piece, list) for piece in self._said):
            changes |= said.with_fields(delta, {"content": _parts(self._said)})
        whole = said.changed(delta, changes)
        return {key: value for key, value in whole.items() if key not in dropped} if dropped else whole

    def _tool_calls(self, there: Any, reason: str | None) -> JSON:
        """The changes for the pieces of tool calls; text-generation-inference sends one by itself, not in a list."""
        calls = said.objects([there] if isinstance(there, dict) else there, "list of tool calls")
        right = [self._calls.delta(call) for call in calls]
        if reason:
            right = self._calls.completed(right)
        return {"tool_calls": right} if isinstance(there, dict) or not said.same(right, calls) else {}

    def _role(self, delta: JSON, changes: JSON) -> set[str]:
        """The role stands in the first delta, and only there: clients that add up deltas would add it up too."""
        first, self._begun = not self._begun, True
        if first and delta.get("role") != "assistant":
            changes["role"] = "assistant"
        return set() if first or "role" not in delta else {"role"}


def _parts(contents: Iterable[Any]) -> list[JSON]:
    """The parts that were said, those of one kind in a row as one: a second turn brings them back."""
    every = [
        part
        for content in contents
        for part in (content if isinstance(content, list) else [{"type": "text", "text": content}])
    ]
    return [_joined(list(group)) for _, group in groupby(every, key=lambda part: part.get("type"))]


def _joined(parts: list[JSON]) -> JSON:
    """Pieces of one part as that part; what else they say (a signature, say) is in the last ones."""
    whole: JSON = {}
    for part in parts:
        whole |= part
    text, thought = said.text_and_thought(parts)
    if whole.get("type") == "text":
        return {**whole, "text": text}
    if whole.get("type") == "thinking":
        return {**whole, "thinking": [{"type": "text", "text": thought}]}
    return whole


class _Calls:
    """The tool calls of one choice: ours by their order, the provider's by its index."""

    def __init__(self, seed: Any) -> None:
        self._seed = seed
        self._ours: dict[int, int] = {}
        self._ids: list[str] = []
        self._their_ids: list[str | None] = []
        self._names: list[Any] = []
        self._said: list[str] = []  # the arguments so far

    @property
    def are_some(self) -> bool:
        """Whether there is one."""
        return bool(self._ids)

    def delta(self, call: JSON) -> JSON:
        """A piece of a call under our index; its id, type and name stand in the first piece only."""
        function = said.an_object(call.get("function"), "tool call")
        index = call.get("index")
        theirs = index if isinstance(index, int) else self._guess(call)
        is_first = self._is_first(theirs, call, function)
        if is_first:
            self._begin(theirs, call, function)
        ours = self._ours[theirs]
        right = {**call, "index": ours}
        right["function"] = self._function(function, ours, is_first)
        if is_first:
            right |= {"id": self._ids[ours], "type": "function"}
        else:
            right.pop("id", None)
            right.pop("type", None)
        return call if right == call else right

    def completed(self, right: list[JSON]) -> list[JSON]:
        """The last pieces, so that each call has arguments: `{}` for none."""
        if not all(self._names):
            raise Garbled("the provider's tool call names no function")
        silent = [ours for ours, had in enumerate(self._said) if not had]
        for ours in silent:
            self._said[ours] = "{}"
            if all(call["index"] != ours for call in right):
                right = [*right, {"index": ours, "function": {}}]
        return [_with_none(call) if call["index"] in silent else call for call in right]

    def _guess(self, call: JSON) -> int:
        """The index of a call that has none: the next for an id or a name, else the last."""
        if (said.call_id(call) and said.call_id(call) not in self._their_ids) or not self._ours:
            return max(self._ours, default=-1) + 1
        return max(self._ours)

    def _is_first(self, theirs: int, call: JSON, function: JSON) -> bool:
        """Whether a call begins here: at an index that is new, or at one where another has been (all at index 0).

        Another is one with another id or, where there are none, one that is named after the arguments were whole.
        """
        if theirs not in self._ours:
            return True
        ours = self._ours[theirs]
        before, now = self._their_ids[ours], said.call_id(call)
        if not function.get("name"):
            return False
        return now != before if now and before else not now and not before and _is_whole(self._said[ours])

    def _begin(self, theirs: int, call: JSON, function: JSON) -> None:
        ours = self._ours[theirs] = len(self._ids)
        name = said.call_id(call)
        self._their_ids.append(name)
        self._ids.append(name if name and name not in self._ids else f"call_{ours}_{said.hashed(self._seed)[:16]}")
        self._names.append(None)
        self._said.append("")

    def _function(self, function: JSON, ours: int, is_first: bool) -> JSON:
        pieces, name = function.get("arguments"), function.get("name")
        if isinstance(pieces, dict):
            pieces = said.arguments(pieces)
        if not isinstance(pieces, (str, type(None))):
            raise Garbled("the provider's tool arguments are neither a string nor an object")
        if not isinstance(name, (str, type(None))):
            raise Garbled("the provider's tool call names no function")
        self._said[ours] += pieces or ""
        right = {**function, "arguments": pieces or ""}
        if not is_first and name in (None, "", self._names[ours]):
            right.pop("name", None)
        self._names[ours] = self._names[ours] or name
        return right


def _is_whole(arguments: str) -> bool:
    try:
        return isinstance(orjson.loads(arguments), dict)
    except orjson.JSONDecodeError:
        return False


def _with_none(call: JSON) -> JSON:
    return {**call, "function": {**call["function"], "arguments": "{}"}}
