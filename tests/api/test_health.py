"""Whether the gateway says how it is."""

from __future__ import annotations

import logging

import pytest

from tests.serving import CHAT, KEY, Gateway, endpoint
from tests.upstream import Upstream


@pytest.mark.parametrize("url", ["/health", "/health/live"])
def test_health_is_mlflows(gateway: Gateway, upstream: Upstream, url: str) -> None:
    response = gateway(endpoint(upstream)).get(url)
    assert (response.status_code, response.get_json()) == (200, {"status": "OK"})


def test_a_broken_file_leaves_the_old_one_serving_and_shows(
    gateway: Gateway, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    client = gateway(endpoint(upstream))
    live = client.application.extensions["weir"].live
    assert client.get("/health/ready").get_json() == {
        "status": "OK",
        "config": {"valid": True, "problems": 0, "endpoints": 1},
    }
    good = live.path.read_text()
    live.path.write_text(good.replace("api_base:", "api_bass:"))
    with caplog.at_level(logging.ERROR):
        assert live.look()
    ready = client.get("/health/ready")
    assert (ready.status_code, ready.get_json()["config"]["valid"]) == (200, False)
    assert "api_bass" in caplog.text
    assert KEY not in caplog.text
    assert client.post("/gateway/chat/invocations", json=CHAT).status_code == 200
    live.path.write_text(good)
    assert live.look()
    assert client.get("/health/ready").get_json()["config"]["valid"] is True


def test_metrics_are_in_prometheus_format(gateway: Gateway, upstream: Upstream) -> None:
    response = gateway(endpoint(upstream)).get("/metrics")
    assert response.content_type.startswith("text/plain; version=0.0.4")
    assert "# TYPE gen_ai_client_operation_duration_seconds histogram" in response.text
