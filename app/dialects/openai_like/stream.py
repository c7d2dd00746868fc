"""Chunks of providers of OpenAI's type -> OpenAI's: the role first, one end per choice, the usage last and alone."""

from __future__ import annotations

from collections.abc import Callable

from app.dialects import JSON, ChunkStream, Unfinished
from app.dialects.openai_like import choices as said
from app.dialects.openai_like.delta import Deltas
from app.dialects.openai_like.response import text_of_chat
from app.errors import Garbled

PutRight = Callable[[JSON], "JSON | None"]
"""A choice of a chunk -> the same put right, or None where nothing is left of it. Remembers those before it."""


def chat_stream() -> ChunkStream:
    """Sent each event's data, yields its chunks; sent None at the end, the last. Raises Refused, Garbled and Cut."""
    chunks = _Chunks("chat.completion.chunk", lambda index: seen[index].end())
    seen: dict[int, Deltas] = {}

    def put_right(choice: JSON) -> JSON | None:
        index = choice["index"]
        if index not in seen:
            seen[index] = Deltas((chunks.head.get("id"), index))
        return seen[index].choice(choice, chunks.is_over(index))

    def passes(event: JSON) -> bool:
        choice = _plain_choice(event)
        if choice is None or choice["index"] not in seen or chunks.is_over(choice["index"]):
            return False
        seen[choice["index"]].heard(choice["delta"].get("content"))
        return True

    return _stream(chunks, put_right, passes)


def completion_stream() -> ChunkStream:
    """The same for text completions."""
    chunks = _Chunks("text_completion", lambda index: {"text": "", "finish_reason": "stop"})

    def put_right(choice: JSON) -> JSON | None:
        reason = said.finish(choice)
        right = said.changed(choice, {**said.ended(choice, reason), **said.text(choice)})
        return right if right["text"] or not chunks.is_over(choice["index"]) else None

    return _stream(chunks, put_right, lambda event: False)


def text_stream(chat: ChunkStream) -> ChunkStream:
    """A stream of chat as one of text, for a provider whose completions answer as chat does."""
    chunks = next(chat)
    while True:
        event = yield [text_of_chat(chunk) for chunk in chunks]
        try:
            chunks = chat.send(event)
        except StopIteration:
            return
        except Unfinished as error:
            raise Unfinished(error.message, [text_of_chat(chunk) for chunk in error.last]) from error


_PLAIN = {"id", "object", "created", "model", "choices", "system_fingerprint", "obfuscation", "usage", "service_tier"}
_PLAIN_CHOICE = {"index", "delta", "finish_reason", "logprobs"}
_PLAIN_DELTA = {"content", "reasoning_content"}


def _plain_choice(event: JSON) -> JSON | None:
    """The choice of an event that has nothing to put right, as nearly all have: some text, some thought, no more."""
    choices = event.get("choices") if _has_plain_head(event) else None
    choice = choices[0] if type(choices) is list and len(choices) == 1 else None
    if type(choice) is not dict or not choice.keys() <= _PLAIN_CHOICE or choice.get("finish_reason", "") is not None:
        return None
    delta = choice.get("delta")
    if type(delta) is not dict or type(choice.get("index")) is not int or not delta.keys() <= _PLAIN_DELTA:
        return None
    plain = choice.get("logprobs") is None and all(text is None or type(text) is str for text in delta.values())
    return choice if plain else None


def _has_plain_head(event: JSON) -> bool:
    """Whether nothing around the choices needs a change."""
    return (
        event.keys() <= _PLAIN
        and event.get("object") == "chat.completion.chunk"
        and type(event.get("id")) is str
        and type(event.get("created")) is int
        and type(event.get("model")) is str
        and event.get("usage") is None
        and event.get("service_tier") in (None, *said.TIERS)
    )


def _stream(chunks: _Chunks, put_right: PutRight, passes: Callable[[JSON], bool]) -> ChunkStream:
    """`passes`: whether an event, as far as it can be told at a glance, is a chunk that needs nothing."""
    ready: list[JSON] = []
    while (event := (yield ready)) is not None:
        ready = [event] if passes(event) else chunks.take(event, put_right)
    yield chunks.last(put_right)


class _Chunks:
    """What is known of a stream so far."""

    def __init__(self, kind: str, end: Callable[[int], JSON]) -> None:
        """`end`: the end of a choice whose provider says only [DONE]."""
        self._kind, self._end = kind, end
        self.head: JSON = {}
        self._early: JSON = {}  # what came before the first choice: Azure's prompt_filter_results
        self._over: dict[int, bool] = {}  # choice by index: whether it has ended
        self._usage: JSON | None = None

    def is_over(self, index: int) -> bool:
        """Whether a choice has ended before."""
        return self._over.get(index, False)

    def take(self, event: JSON, put_right: PutRight) -> list[JSON]:
        """The chunks that an event is: mostly one, and mostly the event itself."""
        for holder in (event, event.get("x_groq")):
            if isinstance(holder, dict) and said.is_error(holder):
                raise said.refused(holder)
        found = said.objects(event.get("choices"), "list of choices")
        self._note_usage(event)
        if not found and self._usage is None:
            return self._hold(event)
        changes = self._changes(event)
        right = self._choices(found, put_right)
        if not said.same(right, found):
            changes["choices"] = right
        if not right:
            return self._of_usage(event, changes)
        self._early = {}
        return [_without(("p",) if event.get("usage") is None else _DROPPED, said.changed(event, changes))]

    def last(self, put_right: PutRight) -> list[JSON]:
        """What is left at the end: the usage, where it came with a choice. Raises Unfinished if one has not ended."""
        unended = [{"index": index, **self._end(index)} for index, is_over in self._over.items() if not is_over]
        ends = self.take({"choices": unended}, put_right) if unended else []
        if self._usage is not None:
            ends.append({**self._early, **self.head, "object": self._kind, "choices": [], "usage": self._usage})
        if unended or not self._over:
            raise Unfinished("the provider broke off the stream before it was whole", ends if self._over else [])
        return ends

    def _hold(self, event: JSON) -> list[JSON]:
        """Nothing yet: what an event without choices says (Portkey's `hook_results`) goes into the next chunk."""
        if not event:
            raise Garbled("the provider sent an event that is no chunk")
        known = ("id", "object", "model", "created", "choices", "usage")
        self._early |= {key: value for key, value in event.items() if key not in known}
        self._changes(event)
        return []

    def _note_usage(self, event: JSON) -> None:
        places = (event, event.get("x_groq"), *(event.get("choices") or ()))  # in choices: Moonshot
        usage = next((place["usage"] for place in places if isinstance(place, dict) and place.get("usage")), None)
        if usage:
            self._usage = said.usage(usage) or self._usage

    def _of_usage(self, event: JSON, changes: JSON) -> list[JSON]:
        """A chunk without choices: the usage, if it is the last one."""
        if self._usage is None or not self._over or not all(self._over.values()):
            return []
        if self._usage is not event.get("usage"):
            changes["usage"] = self._usage
        if not isinstance(event.get("choices"), list):
            changes["choices"] = []
        self._usage = None
        return [said.changed(event, changes)]

    def _changes(self, event: JSON) -> JSON:
        """What is different around the choices. The first chunk that says who it is from says so for all."""
        changes: JSON = {**said.created(event), **said.service_tier(event), **self._early}
        for key, kind in _HEAD.items():
            value = changes.get(key, event.get(key))
            if value and isinstance(value, kind):
                self.head.setdefault(key, value)
            elif key in self.head:
                changes[key] = self.head[key]
        if "id" not in self.head:
            changes["id"] = self.head["id"] = f"chatcmpl-{said.hashed(event)}"
        if event.get("object") != self._kind:
            changes["object"] = self._kind
        return changes

    def _choices(self, found: list[JSON], put_right: PutRight) -> list[JSON]:
        right = []
        for position, choice in enumerate(found):
            if not isinstance(choice.get("index"), int):
                choice = {**choice, "index": position}
            if (made := put_right(choice)) is not None:
                right.append(made)
            self._over[choice["index"]] = self.is_over(choice["index"]) or bool(made and made.get("finish_reason"))
        return right


_HEAD = {"id": str, "model": str, "created": int}
"""What every chunk says alike."""

_DROPPED = ("usage", "p")
"""Not in a chunk that has choices: the usage, which comes last; padding, against those who count bytes (Mistral)."""


def _without(keys: tuple[str, ...], chunk: JSON) -> JSON:
    if not any(key in chunk for key in keys):
        return chunk
    return {key: value for key, value in chunk.items() if key not in keys}
