"""Where the gateway's answer, read by OpenAI's SDK, and the provider's, read by its vendor's, tell the same."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest

from tests.recordings import expected
from tests.recordings.reading import Choice, Reading
from tests.recordings.recorded import Recording

ASPECTS = ("text", "tools", "reasoning", "finish", "usage", "vectors", "errors")


class Pair(NamedTuple):
    """What there is, and what there should be."""

    ours: Any
    theirs: Any


def compare(recording: Recording, ours: Reading) -> dict[str, Pair]:
    """What can be compared, by aspect: of an error only that."""
    if "error" in recording.reading and not expected.is_the_sdks(recording):
        return {"errors": _error(recording, ours)}
    if reason := expected.failure(recording):
        status = 200 if recording.streams and ours.status == 200 else expected.FAILURES[reason]
        return {"errors": Pair((ours.status, bool(ours.error)), (status, True))}
    if ours.error is not None:
        return {"errors": Pair((ours.status, ours.error), (None, None))}
    if recording.kind == "embeddings":
        return _embeddings(recording, ours)
    return _said(recording, ours)


def _error(recording: Recording, ours: Reading) -> Pair:
    said = recording.reading["error"]
    if recording.status == 200:  # the error came in the midst of a stream, and the SDK saw its words
        return Pair((ours.status, ours.error), (200, said["message"]))
    return Pair((ours.status, shown(ours.error or "", expected.words(recording))), (recording.status, True))


def shown(ours: str, words: str) -> bool:
    """Whether our words hold the provider's, but for what was taken out of them as a key."""
    if words in ours:
        return True
    told = ours.partition("': ")[2]  # after: ... the gateway's credentials for endpoint 'name':
    kept = [re.escape(piece.strip()) for piece in told.split("[redacted]")]
    return len(kept) > 1 and re.fullmatch(".*".join(kept), words, re.DOTALL) is not None


def _embeddings(recording: Recording, ours: Reading) -> dict[str, Pair]:
    result = recording.reading["result"]
    known = expected.vectors(recording)
    wanted = [pytest.approx(vector, rel=1e-5, abs=1e-7) for vector in known]
    starts = [
        [vector[: len(start)] for vector, start in zip(read, known, strict=False)]
        for read in (ours.vectors, ours.packed)
    ]
    count = (len(ours.vectors), len(ours.packed))
    found = {"vectors": Pair((count, *starts), ((result["n"],) * 2, wanted, wanted))}
    if result.get("usage"):
        prompt = int(result["usage"].get("prompt_tokens") or 0)
        found["usage"] = Pair((ours.usage or {}).get("prompt_tokens"), prompt)
    return found


def _said(recording: Recording, ours: Reading) -> dict[str, Pair]:
    theirs = expected.choices(recording)
    mine = [ours.choices.get(choice.get("index", 0), Choice(finish="there is no such choice")) for choice in theirs]
    both = list(zip(mine, theirs, strict=True))
    found = {
        "text": Pair([_text(ours, his) for ours, his in both], [_their_text(his) for his in theirs]),
        "finish": Pair([choice.finish for choice in mine], [expected.finish(recording, his) for his in theirs]),
    }
    if any(his.get("reasoning") for his in theirs) or any(choice.reasoning for choice in mine):
        found["reasoning"] = Pair([choice.reasoning for choice in mine], [his.get("reasoning") or "" for his in theirs])
    if any(his.get("tool_calls") for his in theirs) or any(choice.calls for choice in mine):
        found["tools"] = _tools(recording, mine, theirs)
    counted = expected.usage(recording)
    if counted is not None:
        found["usage"] = Pair(ours.usage and expected.openai(ours.usage), counted)
    return found


def _text(ours: Choice, his: dict[str, Any]) -> tuple[str, str, str]:
    return ours.text, ours.refusal if "refusal" in his else "", ours.native.get("tool_plan") or ""


def _their_text(his: dict[str, Any]) -> tuple[str, str, str]:
    return his["text"] or "", his.get("refusal") or "", his.get("tool_plan") or ""


def _tools(recording: Recording, mine: list[Choice], theirs: list[dict[str, Any]]) -> Pair:
    """Ids are compared where the provider gave them; where not, ours are told apart by being all different."""
    wanted = [expected.tools(recording, his) for his in theirs]
    have = [choice.tools() for choice in mine]
    ids = [id_ for calls in have for id_, _, _ in calls]
    assert len(set(ids)) == len(ids)
    ours = [
        [(call[0] if k >= len(known) or known[k][0] else None, *call[1:]) for k, call in enumerate(calls)]
        for calls, known in zip(have, wanted, strict=True)
    ]
    return Pair(ours, wanted)
