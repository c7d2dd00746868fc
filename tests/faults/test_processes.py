"""Workers that are killed or stopped, and clients that leave, dawdle or say nothing: the gateway under gunicorn."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse, IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from tests.faults.caller import Answer, ask
from tests.faults.pair import FALLBACK_WELL, QUICK
from tests.faults.scenarios import PRIMARY_MODEL, TEXT, breaking_off, chunks
from tests.running import RunningGateway
from tests.serving import STREAM, endpoint
from tests.upstream import Close, Hang, Pause, Upstream, Wait, sse_reply

PATIENCE = 15.0
IDLE = 1.0
EVENTS = {"content-type": "text/event-stream"}


def config(primary: Upstream, fallback: Upstream) -> dict[str, Any]:
    """An endpoint with its fallback; and it again, with a short idle timeout."""
    backed = {"fallbacks": ["standby"], "retries": QUICK}
    quiet = endpoint(primary, "impatient", **backed, timeouts={"idle": IDLE})
    return {"endpoints": [endpoint(primary, **backed), quiet, endpoint(fallback, "standby")], "keep_alive": 60}


class Running:
    """A gateway of two workers, and the two providers behind it."""

    def __init__(self, gateway: RunningGateway, primary: Upstream, fallback: Upstream) -> None:
        self.gateway, self.primary, self.fallback = gateway, primary, fallback

    @contextmanager
    def stream(self, name: str = "chat", receive: int | None = None) -> Iterator[HTTPResponse]:
        """A stream, its head here; `receive`: bytes that the client's system holds for it."""
        with closing(HTTPConnection("127.0.0.1", self.gateway.port, timeout=PATIENCE)) as connection:
            if receive is not None:
                connection.sock = socket.socket()
                connection.sock.settimeout(PATIENCE)
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
                connection.sock.connect(("127.0.0.1", self.gateway.port))
            said = {"Content-Type": "application/json", "Connection": "close"}
            connection.request("POST", "/v1/chat/completions", json.dumps({**STREAM, "model": name}), said)
            with closing(connection.getresponse()) as response:
                yield response

    def ask(self, name: str, *, stream: bool = False) -> Answer:
        """One call, read to its end."""
        return ask(self.gateway.port, name, stream=stream)


@contextmanager
def gateway(directory: Path) -> Iterator[Running]:
    """One that runs, with nothing behind it that says anything yet."""
    with (
        Upstream(sse_reply([Hang()])) as primary,
        Upstream(FALLBACK_WELL) as fallback,
        RunningGateway(config(primary, fallback), directory) as under_gunicorn,
    ):
        running = Running(under_gunicorn, primary, fallback)
        until(lambda: len(under_gunicorn.workers()) == 2, "both workers")
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One gateway for all tests that do not end it."""
    with gateway(tmp_path_factory.mktemp("processes")) as running:
        yield running


@pytest.fixture
def running(shared: Running) -> Running:
    """The shared gateway, its providers as if nobody had asked them yet."""
    shared.primary.requests.clear()
    shared.fallback.requests.clear()
    return shared


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for it; AssertionError if it does not come."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def first_event(response: HTTPResponse) -> bytes:
    """The stream's first event."""
    return next(line for line in iter(response.readline, b"") if line.startswith(b"data: "))


def rest(response: HTTPResponse) -> bytes:
    """All that still comes of a stream, up to its end or its cut."""
    try:
        return response.read()
    except IncompleteRead as cut:
        return cut.partial


def test_a_worker_that_is_killed_in_mid_stream_leaves_a_cut_and_no_answer_that_looks_whole(running: Running) -> None:
    running.primary.replies = breaking_off(40, Hang())
    with running.stream() as response:
        first_event(response)
        killed = running.gateway.workers()
        for worker in killed:
            os.kill(worker, signal.SIGKILL)
        with pytest.raises(IncompleteRead) as cut:
            response.read()
    assert b"[DONE]" not in cut.value.partial and b'finish_reason":"stop' not in cut.value.partial
    assert running.primary.requests[0].client_left.wait(PATIENCE), "the provider was not hung up on"
    until(lambda: len(set(running.gateway.workers()) - set(killed)) == 2, "new workers")
    assert running.ask("standby").text == TEXT


def test_one_workers_death_ends_none_of_the_others_streams(running: Running) -> None:
    gate = threading.Event()
    running.primary.replies = sse_reply([*chunks(PRIMARY_MODEL)[:5], Wait(gate), *chunks(PRIMARY_MODEL)[5:]])
    with ExitStack() as stack:
        streams = [stack.enter_context(running.stream()) for _ in range(12)]
        begun = [first_event(response) for response in streams]
        killed = min(running.gateway.workers(), key=lambda pid: len(os.listdir(f"/proc/{pid}/fd")))  # it has fewer
        os.kill(killed, signal.SIGKILL)
        until(lambda: killed not in running.gateway.workers(), "its end")
        gate.set()
        ended = [event + rest(response) for event, response in zip(begun, streams, strict=True)]
    answers = [Answer(200, EVENTS, body, 0, 0) for body in ended if body.endswith(b"data: [DONE]\n\n")]
    assert all((answer.text, answer.error) == (TEXT, None) for answer in answers)
    cut = [body for body in ended if b"[DONE]" not in body]
    assert len(answers) + len(cut) == 12 and answers, "no stream outlived the other worker"
    until(lambda: len(running.gateway.workers()) == 2, "a new worker")


def test_sigterm_in_mid_stream_lets_it_finish_even_by_another_provider(tmp_path: Path) -> None:
    with gateway(tmp_path) as running:
        gate = threading.Event()
        running.primary.replies = breaking_off(40, Wait(gate), Close())
        with running.stream() as response:
            begun = first_event(response)
            running.gateway.process.send_signal(signal.SIGTERM)
            until(lambda: "Handling signal: term" in running.gateway.errors(), "the signal")
            gate.set()
            answer = Answer(200, EVENTS, begun + response.read(), 0, 0)
        assert (answer.text, answer.done, answer.error) == (TEXT, True, None)
        assert running.gateway.process.wait(PATIENCE) == 0


def test_a_client_that_leaves_while_tokens_flow_ends_all_work_for_it(running: Running) -> None:
    flow = [step for one in chunks(PRIMARY_MODEL) * 10 for step in (one, Pause(0.01))]
    running.primary.replies = sse_reply(flow)
    with running.stream() as response:
        first_event(response)
    request = running.primary.wait_for_requests(1)[0]
    assert request.client_left.wait(PATIENCE)
    assert len(request.sent) < 300, "the provider went on for half of its answer"
    until(lambda: running.gateway.log_lines()[-1]["error"] == "client_left", "its log line")
    assert (len(running.primary.requests), len(running.fallback.requests)) == (1, 0)


def test_a_client_that_leaves_in_a_silence_costs_no_more_than_the_idle_timeout(running: Running) -> None:
    running.primary.replies = breaking_off(10, Hang())
    with running.stream("impatient") as response:
        first_event(response)
    assert running.primary.wait_for_requests(1)[0].client_left.wait(PATIENCE)
    until(lambda: running.gateway.log_lines()[-1]["name"] == "impatient", "its log line")
    assert len(running.primary.requests) == 1


def test_a_client_that_reads_slowly_gets_all_and_holds_nobody_up(running: Running) -> None:
    words = ["x" * 10_000] * 2_000
    running.primary.replies = sse_reply(chunks(PRIMARY_MODEL, words))
    with running.stream("impatient", receive=4096) as response:
        begun = first_event(response)
        time.sleep(2 * IDLE)  # it does nothing for longer than a provider may
        assert running.ask("standby").text == TEXT
        answer = Answer(200, EVENTS, begun + response.read(), 0, 0)
    assert (len(answer.text), answer.error, answer.done) == (20_000_000, None, True)
    assert len(running.primary.requests) == 1


def test_five_hundred_clients_that_say_nothing_keep_nobody_out(running: Running) -> None:
    running.primary.replies = sse_reply(chunks(PRIMARY_MODEL))
    silent = [socket.create_connection(("127.0.0.1", running.gateway.port), PATIENCE) for _ in range(500)]
    try:
        with closing(HTTPConnection("127.0.0.1", running.gateway.port, timeout=PATIENCE)) as connection:
            connection.request("GET", "/health", headers={"Connection": "close"})
            assert connection.getresponse().status == 200
        assert running.ask("chat", stream=True).text == TEXT
    finally:
        for sock in silent:
            sock.close()
