"""MLflow's `limit`: one count per endpoint, whoever asks, by whichever URL."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.errors import ConfigError
from app.limits import Limiter, SharedFile
from tests.running import free_port
from tests.serving import CHAT, STREAM, Gateway, endpoint
from tests.upstream import Upstream, chat_chunks, error, json_reply, sse_reply

ON_GATEWAY = "/gateway/chat/invocations"
ON_V1 = "/v1/chat/completions"

ROUTE = {"name": "route", "task_type": "llm/v1/chat", "destinations": [{"name": "chat", "traffic_percentage": 100}]}


def limited(upstream: Upstream, calls: int, period: str = "hour") -> dict[str, Any]:
    return endpoint(upstream, limit={"calls": calls, "renewal_period": period})


def test_one_count_holds_for_every_url_and_for_routes(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(limited(upstream, 5), routes=[ROUTE])
    ways = [
        (ON_GATEWAY, CHAT),
        ("/endpoints/chat/invocations", CHAT),
        (ON_V1, {**CHAT, "model": "chat"}),
        ("/gateway/route/invocations", CHAT),
        (ON_V1, {**CHAT, "model": "route"}),
    ]
    for left, (url, body) in zip((4, 3, 2, 1, 0), ways, strict=True):
        response = client.post(url, json=body)
        assert response.status_code == 200
        assert response.headers["X-RateLimit-Limit"] == "5"
        assert response.headers["X-RateLimit-Remaining"] == str(left)
        assert 0 < int(response.headers["X-RateLimit-Reset"]) <= 3600
    for url, body in ways:
        assert client.post(url, json=body).status_code == 429
    assert len(upstream.requests) == 5


@pytest.mark.parametrize("url", [ON_GATEWAY, ON_V1])
def test_a_used_up_limit_is_told_in_the_surfaces_shape(gateway: Gateway, upstream: Upstream, url: str) -> None:
    client = gateway(limited(upstream, 1))
    body = {**CHAT, "model": "chat"} if url == ON_V1 else CHAT
    client.post(url, json=body)
    response = client.post(url, json=body)
    assert response.status_code == 429
    assert response.headers["Retry-After"] == response.headers["X-RateLimit-Reset"]
    assert response.headers["X-RateLimit-Remaining"] == "0"
    assert response.headers["X-Gateway-Error-Source"] == "gateway"
    said = response.get_json()
    assert said["error"] == {
        "message": "Rate limit exceeded: 1 per 1 hour for endpoint 'chat'",
        "type": "rate_limit_error",
        "param": None,
        "code": "rate_limit_exceeded",
    }
    assert said.get("detail") == (None if url == ON_V1 else said["error"]["message"])


def test_streams_and_errors_count_and_tell_the_limit_too(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = [sse_reply(chat_chunks(["a"])), json_reply(error("no"), 400, {"x-ratelimit-limit": "9"})]
    client = gateway(limited(upstream, 3))
    assert client.post(ON_GATEWAY, json=STREAM).headers["X-RateLimit-Remaining"] == "2"
    refused = client.post(ON_GATEWAY, json=CHAT)
    assert refused.headers.getlist("X-RateLimit-Limit") == ["3"]
    assert refused.headers["X-RateLimit-Remaining"] == "1"


def test_what_never_could_be_sent_is_not_counted(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(limited(upstream, 1))
    assert client.post(ON_GATEWAY, json={"messages": []}).status_code == 422
    assert client.post(ON_GATEWAY, json={**CHAT, "model": "x"}).status_code == 422
    huge = b'{"messages": [{"role": "user", "content": "x"}], "user_number": 123456789012345678901234567890}'
    assert client.post(ON_GATEWAY, data=huge, content_type="application/json").status_code == 422
    assert client.post(ON_GATEWAY, json=CHAT).status_code == 200


def test_no_calls_are_no_calls(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(limited(upstream, 0))
    assert client.post(ON_GATEWAY, json=CHAT).status_code == 429
    assert not upstream.requests


def test_an_endpoint_without_a_limit_tells_none(gateway: Gateway, upstream: Upstream) -> None:
    response = gateway(endpoint(upstream)).post(ON_GATEWAY, json=CHAT)
    assert not [name for name, _ in response.headers if name.lower().startswith("x-ratelimit")]


def test_counting_begins_anew_when_the_window_is_over(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(limited(upstream, 1, "1 second"))
    assert client.post(ON_GATEWAY, json=CHAT).status_code == 200
    until = time.monotonic() + 10
    while (response := client.post(ON_GATEWAY, json=CHAT)).status_code == 429 and time.monotonic() < until:
        assert response.headers["Retry-After"] == "1"
        time.sleep(0.05)
    assert (response.status_code, response.headers["X-RateLimit-Remaining"]) == (200, "0")


def test_each_endpoint_has_a_count_of_its_own(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(limited(upstream, 1), {**limited(upstream, 1), "name": "other"})
    for name in ("chat", "other"):
        assert client.post(f"/gateway/{name}/invocations", json=CHAT).status_code == 200
        assert client.post(f"/gateway/{name}/invocations", json=CHAT).status_code == 429


def test_a_reload_forgets_no_count(gateway: Gateway, upstream: Upstream) -> None:
    client = gateway(limited(upstream, 1))
    assert client.post(ON_GATEWAY, json=CHAT).status_code == 200
    live = client.application.extensions["weir"].live
    live.path.write_text(live.path.read_text().replace("gpt-4o-mini", "gpt-4o"))
    assert live.look()
    assert client.post(ON_GATEWAY, json=CHAT).status_code == 429


# ---- the store


def test_threads_count_together(tmp_path: Path) -> None:
    store = SharedFile(f"weir-sqlite://{tmp_path}/limits.sqlite3")
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.extend(store.incr("k", 3600) for _ in range(50))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(counts) == list(range(1, 401))
    store.close()


def test_two_openings_of_the_file_count_together(tmp_path: Path) -> None:
    one, other = (SharedFile(f"weir-sqlite://{tmp_path}/limits.sqlite3") for _ in range(2))
    assert [one.incr("k", 3600), other.incr("k", 3600, 2), one.get("k")] == [1, 3, 3]
    assert one.get_expiry("k") == other.get_expiry("k") > time.time()
    one.clear("k")
    assert (other.get("k"), other.check()) == (0, True)
    one.close()
    other.close()


def test_a_store_that_fails_lets_callers_through_and_says_so(
    gateway: Gateway, upstream: Upstream, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = gateway(limited(upstream, 1))
    (tmp_path / "limits.sqlite3").unlink()
    (tmp_path / "limits.sqlite3").mkdir()  # what stands there now is no file
    before = client.get("/metrics").text
    for _ in range(3):
        response = client.post(ON_GATEWAY, json=CHAT)
        assert response.status_code == 200
        assert "X-RateLimit-Limit" not in response.headers
    assert "was not counted" in caplog.text
    assert failures(client.get("/metrics").text) == failures(before) + 3


def failures(exposition: str) -> float:
    return next(
        float(line.split()[-1]) for line in exposition.splitlines() if line.startswith("weir_limits_errors_total")
    )


@pytest.mark.parametrize("storage", ["nonsense://user:secret@host", "redis://user:secret@host:port/0"])
def test_a_store_that_cannot_be_is_an_error_of_the_configuration_without_its_password(storage: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Limiter(storage)
    assert "limits_storage" in str(raised.value)
    assert "secret" not in str(raised.value)


# ---- Redis


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[tuple[int, Callable[[], None]]]:
    """A Redis on a free port, and how to end it."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("there is no redis-server on this machine")
    pytest.importorskip("redis")
    port = free_port()
    command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        next(line for line in process.stdout if "eady to accept" in line)

        def end() -> None:
            process.kill()
            process.wait()

        try:
            yield port, end
        finally:
            end()


def test_redis_counts_for_several_gateways_and_its_loss_lets_callers_through(
    gateway: Gateway, upstream: Upstream, redis: tuple[int, Callable[[], None]], caplog: pytest.LogCaptureFixture
) -> None:
    port, end = redis
    one, other = (gateway(limited(upstream, 2), limits_storage=f"redis://127.0.0.1:{port}/0") for _ in range(2))
    assert one.post(ON_GATEWAY, json=CHAT).headers["X-RateLimit-Remaining"] == "1"
    assert other.post(ON_GATEWAY, json=CHAT).headers["X-RateLimit-Remaining"] == "0"
    response = one.post(ON_GATEWAY, json=CHAT)
    assert response.status_code == 429
    assert 0 < int(response.headers["Retry-After"]) <= 3600
    end()
    assert one.post(ON_GATEWAY, json=CHAT).status_code == 200
    assert "was not counted" in caplog.text
