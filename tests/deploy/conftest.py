"""nginx, the gateway behind it and a scripted provider behind both: one of each for a module's tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.deploy.client import Client
from tests.deploy.running_nginx import GatewayBehind, RunningNginx, find_nginx
from tests.upstream import Upstream, chat_completion, json_reply


@pytest.fixture(scope="module")
def nginx() -> Iterator[RunningNginx]:
    """An nginx that expects a gateway. Its directory has a short name: a socket's path holds 107 bytes."""
    with (
        tempfile.TemporaryDirectory(prefix="weir-") as directory,
        RunningNginx(_installed(), Path(directory)) as running,
    ):
        yield running


@pytest.fixture(scope="module")
def provider() -> Iterator[Upstream]:
    """The provider of the endpoint `remote`."""
    with Upstream() as listening:
        yield listening


@pytest.fixture
def upstream(provider: Upstream) -> Upstream:
    """The provider as new: nothing heard yet, and a whole answer for whoever asks."""
    provider.requests.clear()
    provider.replies = json_reply(chat_completion())
    return provider


@pytest.fixture(scope="module")
def gateway(
    nginx: RunningNginx, provider: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[GatewayBehind]:
    """The gateway that nginx expects."""
    with GatewayBehind(nginx, provider, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def client(gateway: GatewayBehind) -> Iterator[Client]:
    """A connection to nginx."""
    with closing(Client(gateway.port)) as connection:
        yield connection


def _installed() -> str:
    found = find_nginx()
    if found is None:
        pytest.skip("nginx is not installed")
    return found
