"""Gemini's stream -> OpenAI's chunks: each event is a whole answer that goes on where the one before it ended."""

from __future__ import annotations

from collections.abc import Iterator

from app.dialects import JSON, ChunkStream, shapes
from app.dialects import refusal as refusals
from app.dialects.gemini import grounding, partial_args
from app.dialects.gemini.contents import NAME
from app.dialects.gemini.refusal import of
from app.dialects.gemini.response import (
    Names,
    about,
    answer_id,
    finish_reason,
    joined,
    kept_parts,
    logprobs,
    metadata,
    parts_of,
    refusal,
    tool_call,
    usage,
    why_blocked,
)
from app.errors import Cut, Refused


@shapes.pieces(NAME)
def stream() -> ChunkStream:
    """Sent each event's data, yields the chunks that it is; sent None, those of the end. Raises UpstreamError."""
    answer = _Answer()
    chunks: list[JSON] = []
    while (event := (yield chunks)) is not None:
        chunks = list(answer.go_on(event))
    yield list(answer.end())


class _Choice:
    """One candidate as far as it has come."""

    def __init__(self, index: int, names: Names) -> None:
        self.index = index
        self.ended: JSON | None = None
        """The candidate's metadata in the event, or events, that ended it: older models say STOP in every one."""
        self.blocked: str | None = None
        """Why there is no more, if the prompt was blocked."""
        self.grounding: JSON = {}
        self._names = names
        self._parts: list[JSON] = []
        self._open: JSON | None = None
        self._calls = 0

    def deltas(self, parts: list[JSON]) -> Iterator[JSON]:
        """The deltas that an event's parts are."""
        for part in parts:
            if part.get("functionCall") is not None:
                yield from self._function(part, part["functionCall"])
                continue
            self._keep(part)
            if said := shapes.text(part.get("text")):
                yield {"reasoning_content" if part.get("thought") else "content": said}

    def last_delta(self) -> tuple[JSON, str]:
        """What remains to be said at the end, and the finish_reason."""
        delta: JSON = {"tool_calls": calls} if (calls := list(self._close())) else {}
        ended = self.ended or {}
        reason = "content_filter" if self.blocked else finish_reason(ended, self._calls > 0)
        if reason == "content_filter" and not joined(self._parts, thought=False):
            delta["refusal"] = self.blocked or refusal(ended)
        return {**delta, **grounding.citations(self.grounding, self._parts), **kept_parts(self._parts)}, reason

    def _keep(self, part: JSON) -> None:
        """Remember a part for the second turn. Texts in a row become one; a part with a signature stands alone."""
        before = self._parts[-1] if self._parts else {}
        plain = part.keys() <= {"text", "thought"} and before.keys() <= {"text", "thought"}
        if before and plain and part.get("thought") == before.get("thought"):
            self._parts[-1] = {**before, "text": before.get("text", "") + part.get("text", "")}
        else:
            self._parts.append(part)

    def _function(self, part: JSON, call: JSON) -> Iterator[JSON]:
        """A call comes whole, or opens with its name, `willContinue`, and goes on in parts without a name."""
        if call.get("name") or self._open is None:
            if calls := list(self._close()):
                yield {"tool_calls": calls}
            if not call:  # closes what is closed already
                return
            self._open = {**part, "functionCall": {**call, "args": call.get("args") or {}}}
        partial_args.put(self._open["functionCall"]["args"], call.get("partialArgs") or ())
        if not call.get("willContinue"):
            yield {"tool_calls": list(self._close())}

    def _close(self) -> Iterator[JSON]:
        """The call that was open, as one whole tool call."""
        if self._open is None:
            return
        call = {
            key: value
            for key, value in self._open["functionCall"].items()
            if key not in ("partialArgs", "willContinue")
        }
        self._parts.append({**self._open, "functionCall": call})
        self._open = None
        yield {"index": self._calls, **tool_call(self._parts[-1], self._names)}
        self._calls += 1


class _Answer:
    """All candidates as far as they have come, and what is counted so far."""

    def __init__(self) -> None:
        self._head: JSON = {}
        self._choices: dict[int, _Choice] = {}
        self._counted: JSON = {}
        self._said: JSON = {}

    def go_on(self, event: JSON) -> Iterator[JSON]:
        """The chunks of one event."""
        if event.get("error"):
            raise _refused(event)
        if not self._head:
            self._head = {
                "id": answer_id(event),
                "object": "chat.completion.chunk",
                "model": shapes.text(event.get("modelVersion")) or None,
            }
            self._names = Names(self._head["id"])
        if "totalTokenCount" in (counted := shapes.mapping(event.get("usageMetadata"))):
            self._counted = counted  # cumulative: the last counts, and what it leaves out is 0
        news = {key: value for key, value in event.items() if self._said.get(key) != value}
        self._said |= news
        for candidate in shapes.mappings(event.get("candidates")):
            yield from self._candidate(candidate, news)
        if not event.get("candidates") and (why := why_blocked(event)):
            yield from self._block(why, news)

    def end(self) -> Iterator[JSON]:
        """The finish of each choice, then the usage. Raises Cut where one did not end."""
        if not self._choices or any(choice.ended is None for choice in self._choices.values()):
            raise Cut("Gemini broke off the stream before it was whole")
        for choice in self._choices.values():
            delta, reason = choice.last_delta()
            yield self._chunk(choice.index, delta, reason, about({}, [choice.ended or {}]))
        if counted := usage(self._counted):
            yield {**self._head, "choices": [], "usage": counted}

    def _candidate(self, candidate: JSON, news: JSON) -> Iterator[JSON]:
        index = shapes.count(candidate.get("index"))
        choice = self._choices.get(index)
        if choice is None:
            choice, first = self._begin(index)
            yield first
        deltas = list(choice.deltas(parts_of(candidate)))
        choice.grounding |= shapes.mapping(candidate.get("groundingMetadata"))
        more, likely = about(news, [self._metadata(choice, candidate)]), logprobs(candidate.get("logprobsResult"))
        if not deltas and (more or likely):
            deltas = [{}]
        for delta in deltas:
            chunk = self._chunk(choice.index, delta, None, more)
            chunk["choices"][0]["logprobs"] = likely
            more, likely = {}, None  # once
            yield chunk

    def _begin(self, index: int) -> tuple[_Choice, JSON]:
        self._choices[index] = _Choice(index, self._names)
        return self._choices[index], self._chunk(index, {"role": "assistant", "content": ""})

    @staticmethod
    def _metadata(choice: _Choice, candidate: JSON) -> JSON:
        """What is said beside the content; how it ended is kept for the finish, as a later event may end otherwise."""
        said = metadata(candidate)
        if not said.get("finishReason"):
            return said
        finish_reason(said, calls=False)  # raises what is no answer now, not at the end
        choice.ended = {**(choice.ended or {}), **said}
        return {}

    def _block(self, why: str, news: JSON) -> Iterator[JSON]:
        """The prompt was blocked: before an answer, or in the middle of one."""
        if not self._choices:
            yield self._begin(0)[1]
        for choice in self._choices.values():
            choice.blocked, choice.ended = why, choice.ended or {}
        if more := about(news, []):
            yield self._chunk(0, {}, None, more)

    def _chunk(self, index: int, delta: JSON, finish: str | None = None, more: JSON | None = None) -> JSON:
        return {
            **self._head,
            "choices": [{"index": index, "delta": delta, "finish_reason": finish, "logprobs": None}],
            **(more or {}),
        }


def _refused(event: JSON) -> Refused:
    said = of(event)
    told = {"Retry-After": said.retry_after} if said.retry_after else {}
    return Refused(
        refusals.status_of(event), said.message, type=said.type, code=said.code, extra=said.extra, headers=told
    )
