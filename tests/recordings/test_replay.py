"""Recorded answers of real providers, replayed through the gateway: OpenAI's SDK reads what the vendor's SDK reads."""

from __future__ import annotations

import pytest

from tests.recordings import known
from tests.recordings.comparison import compare
from tests.recordings.recorded import DATA, Recording
from tests.recordings.replaying import Replay, replayed

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the recordings are not beside the project")

EACH = pytest.mark.parametrize("recording", replayed(), ids=lambda recording: recording.name)


@EACH
def test_openais_sdk_reads_what_the_vendors_sdk_reads(replay: Replay, recording: Recording) -> None:
    for aspect, (ours, theirs) in compare(recording, replay(recording)).items():
        if (recording.name, aspect) in known.DIFFERENCES:
            assert ours != theirs, "listed as different, and is not"
        else:
            assert ours == theirs, aspect


@EACH
def test_openais_sdk_accepts_the_answer_in_strict_mode(replay: Replay, recording: Recording) -> None:
    refused = replay(recording).strict
    assert (refused is not None) is (recording.name in known.NOT_STRICT), refused
