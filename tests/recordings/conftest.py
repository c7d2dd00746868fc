"""The replay that all of these tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.recordings.replaying import Replay


@pytest.fixture(scope="session")
def replay() -> Iterator[Replay]:
    with Replay() as running:
        yield running
