"""The URLs on which endpoints and routes are invoked."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.serving import CHAT, Gateway, endpoint
from tests.upstream import Upstream


def split(*shares: tuple[str, int]) -> dict[str, Any]:
    arms = [{"name": name, "traffic_percentage": share} for name, share in shares]
    return {"name": "split", "task_type": "llm/v1/chat", "destinations": arms}


@pytest.mark.parametrize("url", ["/gateway/split/invocations", "/endpoints/split/invocations", "/v1/chat/completions"])
def test_a_route_is_invoked_as_an_endpoint_is(gateway: Gateway, upstream: Upstream, url: str) -> None:
    client = gateway(endpoint(upstream), routes=[split(("chat", 100))])
    named = {"model": "split"} if url.startswith("/v1") else {}
    assert client.post(url, json={**CHAT, **named}).status_code == 200
    assert upstream.requests[0].json["model"] == "gpt-4o-mini"


def test_a_routes_traffic_is_split_by_its_shares(gateway: Gateway, upstream: Upstream) -> None:
    arms = [endpoint(upstream.url + "/" + name, name) for name in ("a", "b", "never")]
    client = gateway(*arms, routes=[split(("a", 75), ("b", 25), ("never", 0))])
    for _ in range(400):
        client.post("/gateway/split/invocations", json=CHAT)
    counts = Counter(request.target.split("/")[1] for request in upstream.requests)
    assert set(counts) == {"a", "b"}
    assert 240 < counts["a"] < 360  # 300 expected; six standard deviations are 52


def test_a_changed_file_serves_new_requests(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(endpoint(upstream))
    live = client.application.extensions["weir"].live
    live.path.write_text(live.path.read_text().replace("name: chat", "name: renamed"))
    assert live.look()
    assert client.post("/gateway/chat/invocations", json=CHAT).status_code == 404
    assert client.post("/gateway/renamed/invocations", json=CHAT).status_code == 200
