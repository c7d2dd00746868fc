"""Fixtures of the tests of faults."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.pair import DOWN, FALLBACK_WELL, Gateways, Pair
from tests.upstream import Upstream


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """The two providers, and the gateways that a module's tests have made before them so far."""
    with (
        pytest.MonkeyPatch.context() as environment,
        Upstream() as primary,
        Upstream() as fallback,
        Gateways(tmp_path_factory.mktemp("pair")) as gateways,
    ):
        environment.setenv("WEIR_STATE_DIR", str(tmp_path_factory.mktemp("state")))
        yield Pair(primary, fallback, gateways)


@pytest.fixture
def pair(kept: Pair) -> Iterator[Pair]:
    """A primary that is down until the test says otherwise, and a fallback that is well; nobody was asked before."""
    kept.primary.replies, kept.fallback.replies = DOWN, FALLBACK_WELL
    for upstream in (kept.primary, kept.fallback):
        upstream.requests.clear()
    yield kept
    kept.gateways.forget()
