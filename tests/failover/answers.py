"""Answers, and streams that say them: the same answer is cut into chunks anew each time, as providers do."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any

import orjson
from hypothesis import strategies as st

JSON = dict[str, Any]
Place = tuple[Any, ...]
Choice = tuple[tuple[Place, str], ...]
"""What it says, in order: (place, text)."""

USAGE = {"prompt_tokens": 3, "completion_tokens": 9, "total_tokens": 12}


@dataclass(frozen=True)
class Answer:
    """A whole answer."""

    choices: tuple[Choice, ...]
    is_counted: bool = True

    def stream(self, random: Random, id: str) -> list[bytes]:
        """Chunks that say it; ids and places of the cuts are this stream's own."""
        queues = [_choice(number, choice, random, id) for number, choice in enumerate(self.choices)]
        chunks: list[JSON] = []
        while any(queues):
            ready = [queue for queue in queues if queue]
            taken = [queue.pop(0) for queue in (ready if random.random() < 0.2 else [random.choice(ready)])]
            chunks.append({"id": id, "created": len(id), "model": id, "choices": taken})
        if self.is_counted:
            chunks.append({"id": id, "created": len(id), "model": id, "choices": [], "usage": USAGE})
        return [orjson.dumps(chunk) for chunk in chunks]


def _choice(index: int, said: Choice, random: Random, id: str) -> list[JSON]:
    if any(place == ("text",) for place, _ in said):
        pieces = [{"index": index, **_at(place, part)} for place, text in said for part in _split(text, place, random)]
    else:
        parts = [_at(place, part) for place, text in said for part in _split(text, place, random)]
        begin = {"delta": {"role": "assistant", "content": ""}}
        pieces = [{"index": index, **part} for part in (begin, *parts)]
        _identify(pieces, id)
    return _joined(pieces, random)


def _split(text: str, place: Place, random: Random) -> list[str]:
    if place[-1] in ("finish_reason", "name"):
        return [text]
    cuts = sorted(random.sample(range(1, len(text)), random.randint(0, len(text) - 1))) if len(text) > 1 else []
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


def _at(place: Place, text: str) -> JSON:
    if place[0] == "tool_calls":
        return {"delta": {"tool_calls": [{"index": place[1], place[2]: {place[3]: text}}]}}
    return {place[0]: text} if place[0] in ("text", "finish_reason") else {"delta": {place[0]: text}}


def _identify(pieces: list[JSON], id: str) -> None:
    """The first piece of each call has its id and its type."""
    known = set()
    for piece in pieces:
        for call in piece.get("delta", {}).get("tool_calls", ()):
            if call["index"] not in known:
                known.add(call["index"])
                call |= {"id": f"{id}-{call['index']}", "type": next(k for k in call if k != "index")}


def _joined(pieces: list[JSON], random: Random) -> list[JSON]:
    """Some neighbours as one: a role with the first words, the last words with their end."""
    made = [pieces[0]]
    for piece in pieces[1:]:
        before, delta = made[-1], piece.get("delta", {})
        clash = [key for key in delta if before.get("delta", {}).get(key)] or ("text" in piece and "text" in before)
        if random.random() < 0.3 and not clash and not before.get("finish_reason"):
            both = {**before, **piece}
            made[-1] = {**both, "delta": {**before.get("delta", {}), **delta}} if "delta" in both else both
        else:
            made.append(piece)
    return [{"finish_reason": None, **({} if "text" in piece else {"delta": {}}), **piece} for piece in made]


@dataclass
class Heard:
    """What a client has after some chunks, as it adds them up."""

    texts: dict[tuple[int, Place], str] = field(default_factory=lambda: defaultdict(str))
    ids: dict[tuple[int, int], list[str]] = field(default_factory=lambda: defaultdict(list))
    roles: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    finishes: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    usages: int = 0
    heads: set[tuple[str, int]] = field(default_factory=set)


def heard(chunks: list[bytes]) -> Heard:
    made = Heard()
    for chunk in map(orjson.loads, chunks):
        made.heads.add((chunk["id"], chunk["created"]))
        made.usages += bool(chunk.get("usage"))
        for choice in chunk["choices"]:
            _hear(made, choice["index"], choice)
    return made


def _hear(made: Heard, index: int, choice: JSON) -> None:
    delta = choice.get("delta", {})
    made.roles[index] += "role" in delta
    made.finishes[index] += bool(choice.get("finish_reason"))
    said = {**{(name,): value for name, value in delta.items() if name not in ("role", "tool_calls")}}
    said |= {("text",): choice.get("text"), ("finish_reason",): choice.get("finish_reason")}
    for call in delta.get("tool_calls", ()):
        if "id" in call:
            made.ids[index, call["index"]].append(call["id"])
        for kind in ("function", "custom"):
            said |= {("tool_calls", call["index"], kind, key): text for key, text in call.get(kind, {}).items()}
    for place, text in said.items():
        if text:
            made.texts[index, place] += text


def whole(answer: Answer) -> dict[tuple[int, Place], str]:
    """Every text of an answer."""
    return {(index, place): text for index, choice in enumerate(answer.choices) for place, text in choice if text}


words = st.text('ab ü\n\r"{}\\😀', min_size=1, max_size=8)


@st.composite
def chats(draw: st.DrawFn) -> Choice:
    """A choice of a chat: thoughts, words, calls, an end."""
    names = [name for name in ("reasoning_content", "reasoning", "content", "refusal") if draw(st.booleans())]
    said: list[tuple[Place, str]] = [((name,), draw(words)) for name in names]
    for number in range(draw(st.integers(0, 2))):
        kind, text = draw(st.sampled_from([("function", "arguments"), ("custom", "input")]))
        said += [(("tool_calls", number, kind, "name"), draw(words)), (("tool_calls", number, kind, text), draw(words))]
    return (*said, (("finish_reason",), draw(st.sampled_from(["stop", "length", "tool_calls"]))))


texts = words.map(lambda text: ((("text",), text), (("finish_reason",), "stop")))
"""A choice of a text completion."""
answers = st.builds(
    Answer, st.lists(chats(), min_size=1, max_size=3).map(tuple) | st.lists(texts, min_size=1, max_size=2).map(tuple),
    st.booleans(),
)  # fmt: skip

scalars = st.sampled_from([None, True, 0, 1, -1, 1.5, "", "a", "ab", [], {}, [1], ["a"], [None], [[]], {"a": 1}])
calls = st.fixed_dictionaries({}, optional=dict.fromkeys(("index", "id", "type"), scalars) | {
    kind: scalars | st.dictionaries(st.sampled_from(["name", "arguments"]), scalars) for kind in ("function", "custom")
})  # fmt: skip
deltas = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("role", "content", "reasoning", "text", "finish_reason", "audio", "annotations"), scalars)
    | {"tool_calls": scalars | calls | st.lists(calls | scalars, max_size=3)},
)
odd_choices = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("index", "text", "finish_reason", "logprobs"), scalars) | {"delta": scalars | deltas},
)
odd_chunks = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(("id", "created", "usage"), scalars)
    | {"choices": scalars | odd_choices | st.lists(odd_choices | scalars, max_size=3)},
).map(orjson.dumps)
"""Chunks of any shape."""
