"""A recorded request, put in OpenAI's words, leaves the gateway in the provider's words as it was recorded."""

from __future__ import annotations

import re

import pytest

from tests.recordings.differing import differences, plain
from tests.recordings.recorded import DATA, Recording
from tests.recordings.replaying import Replay, replayed

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the recordings are not beside the project")

OTHER_WORDS = ("anthropic", "bedrock", "cohere", "gemini", "mistral", "vertex")
"""Providers whose requests are not OpenAI's."""

_TRANSLATED = [known for known in replayed() if known.provider in OTHER_WORDS and known.request]

_HOISTED = r"body\.(messages|system)"

DIFFERENT = (
    ("anthropic", r"body\.temperature", "1, the only one allowed beside a budget of thought, is left out"),
    ("anthropic", _HOISTED, "a system message in the midst is hoisted: only some models take it there"),
    ("gemini", r"body\.systemInstruction\.role", "it has no meaning there"),
    ("gemini", r"body\.requests\[\d+\]\.content\.role", "as Google's SDK says it"),
    ("gemini", r"body\.requests\[\d+\]\.(content\.parts|taskType)", "OpenAI's embeddings have words for neither"),
    ("mistral", r"body\.messages\[\d+\]\.content\[\d+\]\.image_url", "an object, as OpenAI has it; Mistral takes both"),
    ("mistral", r"body\.messages\[\d+\]\.content\[\d+\]\.thinking", "one piece of thought for several"),
    ("mistral", r"body\.encoding_format", "asked for in this test"),
)
"""(provider, place, why ours may differ there)."""


def _is_known(recording: Recording, place: str) -> bool:
    in_the_midst = any(message["role"] == "system" for message in recording.request.get("messages") or ())
    return any(
        recording.provider == provider and re.fullmatch(known, place) and (known != _HOISTED or in_the_midst)
        for provider, known, _ in DIFFERENT
    )


@pytest.mark.parametrize("recording", _TRANSLATED, ids=lambda recording: recording.name)
def test_a_recorded_request_is_sent_as_it_was_recorded(replay: Replay, recording: Recording) -> None:
    found = differences(plain(recording.request), plain(replay.sent(recording).json), "body")
    assert [what for what in found if not _is_known(recording, what[0])] == []
