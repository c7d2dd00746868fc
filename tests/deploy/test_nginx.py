"""The gateway behind nginx with the shipped configuration: a real nginx, a real gunicorn, a socket file between."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import subprocess
import threading
from contextlib import closing
from pathlib import Path

import pytest

from tests.clients import usage_page
from tests.deploy.client import CHAT, LOCAL, REMOTE, STREAM, Client, error, event, word
from tests.deploy.running_nginx import GatewayBehind, RunningNginx
from tests.replies import error as provider_error
from tests.upstream import PATIENCE, Hang, Upstream, Wait, chat_chunks, json_reply, sse_reply

LIMIT_BYTES = 32 * 1024 * 1024


def test_nginx_finds_nothing_wrong_with_the_shipped_configuration(nginx: RunningNginx) -> None:
    said = nginx.check()

    assert "test is successful" in said
    assert not re.search(r"\[(warn|error|crit|alert|emerg)\]", said)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    ("command", "says"),
    [
        (usage_page.CURL_CHAT, '"object":"chat.completion"'),
        (usage_page.CURL_COMPLETIONS, '"object":"text_completion"'),
        (usage_page.CURL_EMBEDDINGS, '"embedding":['),
        (usage_page.CURL_STREAM, "data: [DONE]"),
    ],
)
def test_the_usage_pages_commands_work_through_nginx(gateway: GatewayBehind, command: str, says: str) -> None:
    pasted = usage_page.at(command, gateway.port)

    done = subprocess.run(["/bin/sh", "-c", pasted], capture_output=True, text=True, check=False, timeout=PATIENCE)

    assert done.returncode == 0, done.stderr
    assert says in done.stdout


@pytest.mark.parametrize("path", [REMOTE, "/endpoints/remote/invocations", "/v1/chat/completions"])
def test_a_paced_stream_arrives_event_by_event(client: Client, upstream: Upstream, path: str) -> None:
    words = ["One", " step", " at", " a", " time"]
    gates = [threading.Event() for _ in words]
    role, *deltas, finish = chat_chunks(words)
    paced = [step for gate, delta in zip(gates, deltas, strict=True) for step in (Wait(gate), delta)]
    upstream.replies = sse_reply([role, *paced, finish])
    model = {"model": "remote"} if path.startswith("/v1/") else {}

    response = client.post(path, {**STREAM, **model}, {"Accept-Encoding": "gzip"})

    assert word(response) == ""
    for gate, expected in zip(gates, words, strict=True):
        gate.set()  # only now may the provider send it, and nothing after it is on its way
        assert word(response) == expected
    assert json.loads(event(response))["choices"][0]["finish_reason"] == "stop"
    assert event(response) == "[DONE]"
    assert event(response) == ""
    assert response.headers["Content-Encoding"] is None
    assert response.headers["X-Accel-Buffering"] == "no", "for a proxy further out"


def test_a_sane_request_id_passes_and_any_other_is_replaced(client: Client, gateway: GatewayBehind) -> None:
    ids = []
    for sent in ({"X-Request-ID": "job-42.a:b"}, {}, {"X-Request-ID": "two words"}, {"X-Request-ID": "x" * 129}):
        response = client.post(LOCAL, CHAT, sent)
        response.read()
        [said] = response.headers.get_all("X-Request-ID") or []
        ids.append(said)

    assert ids[0] == "job-42.a:b"
    assert all(re.fullmatch("[0-9a-f]{32}", said) for said in ids[1:])
    assert {line["request_id"] for line in gateway.log_lines()} >= set(ids)


@pytest.mark.parametrize("path", [REMOTE, "/v1/chat/completions"])
def test_a_body_over_the_limit_is_refused_before_it_is_sent(client: Client, path: str) -> None:
    client.putrequest("POST", path)
    client.putheader("Content-Length", str(LIMIT_BYTES + 1))
    client.putheader("X-Request-ID", "large-1")
    client.endheaders()
    response = client.getresponse()
    said = error(response)

    assert response.status == 413
    assert said["error"]["type"] == "invalid_request_error"
    assert said["error"]["code"] == "request_too_large"
    assert str(LIMIT_BYTES) in said["error"]["message"]
    assert ("detail" in said) is not path.startswith("/v1/")
    assert response.headers["X-Request-ID"] == "large-1"
    assert response.headers["X-Gateway-Error-Source"] == "gateway"
    assert response.headers["Retry-After"] is None


def test_a_chunk_over_the_limit_is_refused_before_it_is_sent(client: Client) -> None:
    client.putrequest("POST", REMOTE)
    client.putheader("Transfer-Encoding", "chunked")
    client.endheaders(b"%x\r\n{" % (LIMIT_BYTES + 1))
    response = client.getresponse()

    assert response.status == 413
    assert error(response)["error"]["code"] == "request_too_large"


def test_a_large_body_within_the_limit_arrives_whole(client: Client, upstream: Upstream) -> None:
    text = "naïve " * 500_000

    response = client.post(REMOTE, {"messages": [{"role": "user", "content": text}]})

    assert response.status == 200
    assert upstream.requests[0].json["messages"][0]["content"] == text


def test_connections_to_the_gateway_are_kept(nginx: RunningNginx, client: Client) -> None:
    seen = []
    for _ in range(5):
        client.post(LOCAL, CHAT).read()
        seen.append(_connections(nginx.socket_path))

    assert seen[0]
    assert seen == seen[:1] * 5, "the same connections after every request"


def _connections(path: Path) -> set[str]:
    """The gateway's ends of the connections to a socket file, by their inodes; state 03 is 'connected'."""
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    return {line[6] for line in lines if line[-1] == str(path) and line[5] == "03"}


def test_a_client_that_leaves_takes_the_providers_call_with_it(client: Client, upstream: Upstream) -> None:
    role, first, *_ = chat_chunks(["Hello"])
    upstream.replies = sse_reply([role, first, Hang()])
    response = client.post(REMOTE, STREAM)
    assert [word(response), word(response)] == ["", "Hello"]
    assert not upstream.requests[0].client_left.is_set()

    response.close()
    client.close()

    assert upstream.requests[0].client_left.wait(PATIENCE)


def test_the_gateways_own_errors_pass_untouched(client: Client, upstream: Upstream) -> None:
    upstream.replies = json_reply(provider_error("Slow down", "rate_limit_error"), 429, {"Retry-After": "17"})

    refused = client.post(REMOTE, CHAT)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "17")
    assert refused.headers["X-Gateway-Error-Source"] == "provider"
    assert "Slow down" in error(refused)["error"]["message"]

    unknown = client.post("/gateway/nobody/invocations", CHAT)
    assert unknown.status == 404
    assert "'nobody'" in error(unknown)["detail"]


@pytest.mark.parametrize("path", ["/metrics", "/health/ready", "//metrics", "/x/../health/%72eady"])
def test_what_is_for_the_operator_is_kept_from_other_networks(gateway: GatewayBehind, path: str) -> None:
    with closing(Client(gateway.port, source="127.0.0.2")) as stranger:
        refused = stranger.get(path)
        assert refused.status == 403
        assert error(refused)["error"]["code"] == "forbidden"
        assert stranger.get("/health").status == 200


@pytest.mark.parametrize("path", ["/metrics", "/health/ready"])
def test_what_is_for_the_operator_is_there_from_this_machine(client: Client, path: str) -> None:
    assert client.get(path).status == 200


def test_headers_that_contradict_nginx_do_not_reach_the_gateway(client: Client) -> None:
    forged = {"X-Forwarded-Ssl": "on", "X-Forwarded-Protocol": "ssl", "SCRIPT_NAME": "/elsewhere", "Connection": "X-A"}

    assert client.post(LOCAL, CHAT, forged).status == 200


def test_a_redirect_leads_back_to_nginx(client: Client, gateway: GatewayBehind) -> None:
    response = client.get("/api/2.0/endpoints")

    assert response.status in (307, 308)
    assert response.headers["Location"] in ("/api/2.0/endpoints/", f"{gateway.url}/api/2.0/endpoints/")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-Large: " + b"x" * 20_000 + b"\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01 \r\n\r\n",
    ],
    ids=["no host", "two lengths", "a header too large", "trace", "not HTTP"],
)
def test_what_nginx_refuses_to_read_is_refused_in_json(client: Client, head: bytes) -> None:
    client.connect()
    client.sock.sendall(head)
    response = http.client.HTTPResponse(client.sock)
    response.begin()

    assert response.status in (400, 405, 494)
    assert error(response)["error"]["type"] == "invalid_request_error"
