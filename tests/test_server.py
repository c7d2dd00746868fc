"""The gateway under gunicorn, with either kind of worker: what only processes and sockets can show."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest

from tests.running import RunningGateway
from tests.served import CHUNKS, PATIENCE, URL, WORDS, Served, config, until
from tests.serving import CHAT, endpoint, events, text
from tests.telemetry.test_metrics import metric
from tests.upstream import Pause, Request, Upstream, Wait, chat_completion, json_reply, sse_reply

pytestmark = pytest.mark.timeout(120)

# ---- streams


def test_each_event_is_read_before_the_next_is_sent(served: Served) -> None:
    gates = [threading.Event() for _ in CHUNKS]
    served.upstream.replies = sse_reply(
        [step for chunk, gate in zip(CHUNKS, gates, strict=True) for step in (chunk, Wait(gate))]
    )
    with served.stream() as response:
        assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert response.headers["Transfer-Encoding"] == "chunked"
        for chunk, gate in zip(CHUNKS, gates, strict=True):
            line = next(line for line in iter(response.readline, b"") if line.startswith(b"data: "))
            assert json.loads(line[6:])["choices"] == chunk["choices"]
            gate.set()
        assert response.read().replace(b": keep-alive\n\n", b"").strip() == b"data: [DONE]"


def test_many_streams_at_once_are_all_whole(served: Served) -> None:
    count = 200 if served.worker_class == "gevent" else 40
    all_here = threading.Barrier(count)
    go = threading.Event()

    def reply(request: Request) -> Any:
        threading.Thread(target=lambda: all_here.wait(PATIENCE) == 0 and go.set()).start()
        return sse_reply([*CHUNKS[:2], Wait(go), *CHUNKS[2:]])

    served.upstream.replies = reply

    def read(_: int) -> bytes:
        with served.stream() as response:
            return response.read().replace(b": keep-alive\n\n", b"")

    with ThreadPoolExecutor(count) as pool:
        bodies = list(pool.map(read, range(count)))
    assert {text(events(body)) for body in bodies} == {"".join(WORDS)}
    assert all(body.endswith(b"data: [DONE]\n\n") for body in bodies)


def test_a_client_that_hangs_up_while_tokens_flow_ends_the_providers_work(served: Served) -> None:
    served.upstream.replies = sse_reply([step for _ in range(400) for step in (CHUNKS[1], Pause(0.01))])
    before = len(served.upstream.requests)
    with served.stream() as response:
        response.readline()
    request = served.upstream.wait_for_requests(before + 1)[before]
    assert request.client_left.wait(PATIENCE)
    assert len(request.sent) < 200, "the provider went on for half of its answer"
    until(lambda: served.gateway.log_lines()[-1]["error"] == "client_left", "its log line")


def test_a_client_that_hangs_up_in_a_silence_is_noticed(served: Served) -> None:
    served.upstream.replies = sse_reply([CHUNKS[0], Wait(threading.Event())])
    before = len(served.upstream.requests)
    with served.stream() as response:
        response.readline()
    request = served.upstream.wait_for_requests(before + 1)[before]
    assert request.client_left.wait(PATIENCE)
    until(lambda: served.gateway.log_lines()[-1]["error"] == "client_left", "its log line")


def test_connections_of_clients_are_kept(served: Served) -> None:
    with closing(served.connect()) as connection:
        connection.connect()
        ours = connection.sock
        for _ in range(3):
            connection.request("POST", URL, json.dumps(CHAT), {"Content-Type": "application/json"})
            assert connection.getresponse().read()
            assert connection.sock is ours


# ---- one gateway of several processes


def statuses(served: Served, url: str, count: int) -> list[int]:
    def one(_: int) -> int:
        try:
            return served.call(url, CHAT)[0]
        except (OSError, EOFError, HTTPException):
            return 0  # its worker was killed, maybe between the head of an answer and its body

    with ThreadPoolExecutor(10) as pool:
        return list(pool.map(one, range(count)))


def replace_workers(served: Served, count: int) -> None:
    """Kill that many workers without a warning, and wait until there are new ones."""
    before = served.gateway.workers()
    for pid in before[:count]:
        os.kill(pid, signal.SIGKILL)
    until(lambda: len(set(served.gateway.workers()) - set(before)) == count, "new workers")


def test_one_limit_holds_over_all_workers(served: Served) -> None:
    found = statuses(served, "/gateway/contested/invocations", 60)
    assert (found.count(200), found.count(429)) == (25, 35)


def test_a_count_outlives_the_workers_that_made_it(running: Served) -> None:
    running.upstream.replies = json_reply(chat_completion())
    assert [running.call("/gateway/few/invocations", CHAT)[0] for _ in range(2)] == [200, 200]
    replace_workers(running, 2)
    assert [running.call("/endpoints/few/invocations", CHAT)[0] for _ in range(3)] == [200, 200, 429]


def test_a_worker_killed_while_it_counts_spoils_no_count(running: Served) -> None:
    running.upstream.replies = json_reply(chat_completion())
    before = len(running.upstream.requests)
    with ThreadPoolExecutor(1) as pool:
        load = pool.submit(statuses, running, "/gateway/killed/invocations", 60)
        running.upstream.wait_for_requests(before + 5)
        replace_workers(running, 1)
        load.result()
    assert running.call("/gateway/killed/invocations", CHAT)[0] == 429
    assert len(running.upstream.requests) - before <= 30


def test_metrics_are_right_over_all_workers_and_after_one_is_killed(running: Served) -> None:
    running.upstream.replies = json_reply(chat_completion())
    statuses(running, "/gateway/metered/invocations", 30)
    replace_workers(running, 1)
    statuses(running, "/gateway/metered/invocations", 10)
    said = running.get("/metrics").decode()
    assert metric(said, "weir_requests_total", endpoint="metered", status="200") == 40
    assert metric(said, "gen_ai_client_token_usage_sum", endpoint="metered", gen_ai_token_type="output") == 40 * 12
    assert metric(said, "weir_config_valid") == 1


def test_a_reload_touches_no_stream_and_no_count(served: Served) -> None:
    gate = threading.Event()
    served.upstream.replies = sse_reply([*CHUNKS[:2], Wait(gate), *CHUNKS[2:]])
    fresh = config(served.upstream)
    fresh["endpoints"].append(endpoint(served.upstream, "fresh"))
    with served.stream() as response:
        begun = response.readline()
        served.gateway.write_config(fresh)
        seen = {True: 0}

        def everywhere() -> bool:
            seen[True] = seen[True] + 1 if b'"fresh"' in served.get("/v1/models") else 0
            return seen[True] >= 20

        until(everywhere, "the new endpoint in every worker")
        gate.set()
        body = (begun + response.read()).replace(b": keep-alive\n\n", b"")
    assert text(events(body)) == "".join(WORDS)
    assert events(body)[-1] == "[DONE]"
    assert served.call("/gateway/few/invocations", CHAT)[0] == 429
    served.upstream.replies = json_reply(chat_completion())
    assert served.call("/gateway/fresh/invocations", CHAT)[0] == 200


def test_sighup_changes_the_workers_and_keeps_what_they_share(running: Served) -> None:
    before = set(running.gateway.workers())
    running.gateway.process.send_signal(signal.SIGHUP)
    until(
        lambda: len(set(running.gateway.workers()) - before) == 2 and not before & set(running.gateway.workers()),
        "them",
    )
    assert running.call("/gateway/few/invocations", CHAT)[0] == 429
    assert metric(running.get("/metrics").decode(), "weir_requests_total", endpoint="metered", status="200") == 40


def test_a_broken_file_shows_and_breaks_nothing(served: Served) -> None:
    served.gateway.write_config("endpoints: [")
    until(lambda: metric(served.get("/metrics").decode(), "weir_config_valid") == 0, "the metric")
    assert "goes on serving" in served.gateway.errors()
    assert served.call(URL, CHAT)[0] == 200
    served.gateway.write_config(config(served.upstream))
    until(lambda: metric(served.get("/metrics").decode(), "weir_config_valid") == 1, "the metric")


@pytest.mark.parametrize("worker_class", ["gevent", "gthread"])
def test_sigterm_lets_what_is_in_flight_finish(tmp_path: Path, worker_class: str) -> None:
    stream_gate, whole_gate = threading.Event(), threading.Event()

    def reply(request: Request) -> Any:
        if request.json.get("stream"):
            return sse_reply([*CHUNKS[:2], Wait(stream_gate), *CHUNKS[2:]])
        whole_gate.wait(PATIENCE)
        return json_reply(chat_completion())

    with Upstream(reply) as provider, RunningGateway(config(provider), tmp_path, worker_class=worker_class) as gateway:
        served = Served(gateway, provider, worker_class)
        with ThreadPoolExecutor(1) as pool, served.stream() as response:
            begun = response.readline()
            whole = pool.submit(served.call, URL, CHAT)
            provider.wait_for_requests(2)
            gateway.process.send_signal(signal.SIGTERM)
            until(lambda: "Handling signal: term" in gateway.errors(), "the signal")
            stream_gate.set()
            whole_gate.set()
            body = (begun + response.read()).replace(b": keep-alive\n\n", b"")
            assert whole.result()[0] == 200
        assert events(body)[-1] == "[DONE]"
        assert text(events(body)) == "".join(WORDS)
        assert gateway.process.wait(PATIENCE) == 0
        assert not re.search("Traceback|ERROR", gateway.errors())
        assert len(gateway.log_lines()) == 2
