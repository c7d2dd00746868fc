"""The gateway behind Debian's nginx with the shipped configuration: a real nginx, a real gunicorn, a socket file between."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clients import usage_page
from tests.deploy.running_nginx import RunningNginx, find_nginx
from tests.running import ROOT, RunningGateway
from tests.upstream import PATIENCE, Hang, Upstream, Wait, chat_chunks, chat_completion, error, json_reply, sse_reply

NGINX = find_nginx()
CURL = shutil.which("curl")

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

CHAT = {"messages": [{"role": "user", "content": "Hello"}]}
STREAM = {**CHAT, "stream": True}
REMOTE = "/gateway/remote/invocations"


class GatewayBehind(RunningGateway):
    """A gateway on the socket file that an nginx expects it at; `url` is the nginx's."""

    def __init__(self, nginx: RunningNginx, upstream: Upstream, directory: Path) -> None:
        environment = {"WEIR_BIND": f"unix:{nginx.socket_path}"}
        super().__init__(_config(upstream), directory, environment=environment)
        self.url, self.port = nginx.url, nginx.port


def _config(upstream: Upstream) -> dict[str, Any]:
    """The shipped endpoints, and one whose provider is scripted. Silence is broken often: nobody waits for a test."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "endpoints.yaml").read_text())
    model = {"provider": "openai-compatible", "name": "scripted", "config": {"api_base": upstream.api_base}}
    config["endpoints"].append({"name": "remote", "endpoint_type": "llm/v1/chat", "model": model})
    return {**config, "keep_alive": 0.05}


@pytest.fixture(scope="module")
def provider() -> Iterator[Upstream]:
    """The provider of the endpoint `remote`; each test sets its replies."""
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
def upstream(provider: Upstream) -> Upstream:
    """The provider with nothing heard yet."""
    provider.requests.clear()
    provider.replies = json_reply(chat_completion())
    return provider


@pytest.fixture(scope="module")
def nginx(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNginx]:
    """An nginx."""
    assert NGINX
    with RunningNginx(NGINX, tmp_path_factory.mktemp("nginx")) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(nginx: RunningNginx, provider: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    """The gateway behind it."""
    with GatewayBehind(nginx, provider, tmp_path_factory.mktemp("gateway")) as running:
        yield running


@pytest.fixture
def client(gateway: RunningGateway) -> Iterator[http.client.HTTPConnection]:
    """A connection to nginx."""
    with closing(_connect(gateway.port)) as connection:
        yield connection


def _connect(port: int, source: str = "127.0.0.1") -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE, source_address=(source, 0))


def _post(
    client: http.client.HTTPConnection, path: str, payload: Any, headers: dict[str, str] | None = None
) -> http.client.HTTPResponse:
    client.request("POST", path, json.dumps(payload), {"Content-Type": "application/json", **(headers or {})})
    return client.getresponse()


def _event(response: http.client.HTTPResponse) -> str:
    """The next event of a stream; comments are passed over. Empty at its end."""
    while line := response.readline().decode():
        if line.startswith("data: "):
            return line.removeprefix("data: ").strip()
    return ""


def _content(event: str) -> str:
    content: str = json.loads(event)["choices"][0]["delta"].get("content", "")
    return content


def test_nginx_finds_nothing_wrong_with_the_shipped_configuration(tmp_path: Path) -> None:
    assert NGINX
    said = RunningNginx(NGINX, tmp_path).check()

    assert "test is successful" in said
    assert "[" not in said.replace("[notice]", ""), "neither a warning nor an error"


@pytest.mark.skipif(CURL is None, reason="curl is not installed")
@pytest.mark.parametrize(
    ("command", "says"),
    [
        (usage_page.CURL_CHAT, '"object":"chat.completion"'),
        (usage_page.CURL_COMPLETIONS, '"object":"text_completion"'),
        (usage_page.CURL_EMBEDDINGS, '"embedding":['),
        (usage_page.CURL_STREAM, "data: [DONE]"),
    ],
)
def test_the_usage_pages_commands_work_through_nginx(gateway: RunningGateway, command: str, says: str) -> None:
    pasted = usage_page.at(command, gateway.port)

    done = subprocess.run(["/bin/sh", "-c", pasted], capture_output=True, text=True, check=False, timeout=PATIENCE)

    assert done.returncode == 0, done.stderr
    assert says in done.stdout.replace('": ', '":')


@pytest.mark.parametrize("path", [REMOTE, "/endpoints/remote/invocations", "/v1/chat/completions"])
def test_a_paced_stream_arrives_event_by_event(client: http.client.HTTPConnection, upstream: Upstream, path: str) -> None:
    words = ["One", " step", " at", " a", " time"]
    gates = [threading.Event() for _ in words]
    role, *deltas, finish = chat_chunks(words)
    paced = [step for gate, delta in zip(gates, deltas, strict=True) for step in (Wait(gate), delta)]
    upstream.replies = sse_reply([role, *paced, finish])
    model = {"model": "remote"} if path.startswith("/v1") else {}

    response = _post(client, path, {**STREAM, **model}, {"Accept-Encoding": "gzip"})

    assert _content(_event(response)) == ""
    for gate, word in zip(gates, words, strict=True):
        gate.set()  # only now may the provider send it, and nothing after it is on its way
        assert _content(_event(response)) == word
    assert json.loads(_event(response))["choices"][0]["finish_reason"] == "stop"
    assert _event(response) == "[DONE]"
    assert response.read() == b""
    assert response.headers["Content-Encoding"] is None
    assert response.headers["X-Accel-Buffering"] == "no", "for a proxy further out"


def test_a_sane_request_id_passes_and_every_other_is_made(
    client: http.client.HTTPConnection, gateway: RunningGateway
) -> None:
    path = "/gateway/chat/invocations"
    ids = []
    for sent in ({"X-Request-ID": "job-42.a:b"}, {}, {"X-Request-ID": "two words"}, {"X-Request-ID": "x" * 129}):
        response = _post(client, path, CHAT, sent)
        response.read()
        ids.append(response.headers.get_all("X-Request-ID"))

    assert ids[0] == ["job-42.a:b"]
    assert all(len(said) == 1 and re.fullmatch("[0-9a-f]{32}", said[0]) for said in ids[1:])
    assert {line["request_id"] for line in gateway.log_lines()} >= {said[0] for said in ids}


def test_a_body_over_the_limit_is_refused_before_it_is_sent(client: http.client.HTTPConnection) -> None:
    for path, has_detail in ((REMOTE, True), ("/v1/chat/completions", False)):
        client.putrequest("POST", path)
        client.putheader("Content-Type", "application/json")
        client.putheader("Content-Length", str(32 * 1024 * 1024 + 1))
        client.putheader("X-Request-ID", "large-1")
        client.endheaders()
        response = client.getresponse()
        said = _error(response)
        client.close()

        assert response.status == 413
        assert said["error"]["code"] == "request_too_large"
        assert ("detail" in said) is has_detail
        assert response.headers["X-Request-ID"] == "large-1"


def test_a_chunked_body_over_the_limit_is_refused(client: http.client.HTTPConnection) -> None:
    client.putrequest("POST", REMOTE)
    client.putheader("Transfer-Encoding", "chunked")
    client.endheaders(b"%x\r\n" % (32 * 1024 * 1024 + 1))
    response = client.getresponse()

    assert response.status == 413
    assert _error(response)["error"]["code"] == "request_too_large"


def test_a_large_body_within_the_limit_arrives_whole(client: http.client.HTTPConnection, upstream: Upstream) -> None:
    text = "naïve " * 500_000

    assert _post(client, REMOTE, {"messages": [{"role": "user", "content": text}]}).status == 200
    assert upstream.requests[0].json["messages"][0]["content"] == text


def test_connections_to_the_gateway_are_kept(nginx: RunningNginx, client: http.client.HTTPConnection) -> None:
    kept = []
    for _ in range(5):
        response = _post(client, "/gateway/chat/invocations", CHAT)
        response.read()
        kept.append(_open_connections(nginx.socket_path))

    assert kept[0]
    assert kept == kept[:1] * 5, "the same connections after each request"


def _open_connections(path: Path) -> set[str]:
    """The gateway's ends of the connections to a socket file, by their inodes; 03 is 'connected'."""
    lines = [line.split() for line in Path("/proc/net/unix").read_text().splitlines()]
    return {line[6] for line in lines if line[-1] == str(path) and line[5] == "03"}


def test_a_client_that_leaves_takes_the_providers_call_with_it(gateway: RunningGateway, upstream: Upstream) -> None:
    role, word, *_ = chat_chunks(["Hello"])
    upstream.replies = sse_reply([role, word, Hang()])
    client = _connect(gateway.port)
    response = _post(client, REMOTE, STREAM)
    assert _content(_event(response)) == ""
    assert not upstream.requests[0].client_left.is_set()

    response.close()
    client.close()

    assert upstream.requests[0].client_left.wait(PATIENCE)


def test_the_gateways_own_errors_pass_untouched(client: http.client.HTTPConnection, upstream: Upstream) -> None:
    upstream.replies = json_reply(error("Slow down", "rate_limit_error"), 429, {"Retry-After": "17"})

    refused = _post(client, REMOTE, CHAT)
    said = _error(refused)
    assert (refused.status, refused.headers["Retry-After"]) == (429, "17")
    assert "Slow down" in said["error"]["message"]
    assert refused.headers["X-Gateway-Error-Source"] == "provider"

    unknown = _post(client, "/gateway/nobody/invocations", CHAT)
    assert unknown.status == 404
    assert "'nobody'" in _error(unknown)["detail"]


@pytest.mark.parametrize("path", ["/metrics", "/health/ready", "//metrics", "/x/../health/%72eady"])
def test_what_is_for_the_operator_is_not_for_other_networks(gateway: RunningGateway, path: str) -> None:
    with closing(_connect(gateway.port, "127.0.0.2")) as stranger:
        stranger.request("GET", path)
        response = stranger.getresponse()
        assert response.status == 403
        assert _error(response)["error"]["code"] == "forbidden"
        stranger.request("GET", "/health")
        assert stranger.getresponse().status == 200


@pytest.mark.parametrize("path", ["/metrics", "/health/ready"])
def test_what_is_for_the_operator_is_there_from_this_machine(client: http.client.HTTPConnection, path: str) -> None:
    client.request("GET", path)

    assert client.getresponse().status == 200


def test_headers_that_contradict_nginx_do_not_reach_the_gateway(client: http.client.HTTPConnection) -> None:
    forged = {"X-Forwarded-Ssl": "on", "X-Forwarded-Protocol": "ssl", "SCRIPT_NAME": "/elsewhere", "Connection": "X-A, close"}

    assert _post(client, "/gateway/chat/invocations", CHAT, forged).status == 200


def test_a_redirect_leads_back_to_nginx(client: http.client.HTTPConnection, gateway: RunningGateway) -> None:
    client.request("GET", "/api/2.0/endpoints")
    response = client.getresponse()

    assert response.status in (307, 308)
    assert response.headers["Location"] in ("/api/2.0/endpoints/", f"{gateway.url}/api/2.0/endpoints/")


def test_what_nginx_cannot_read_is_answered_in_json(gateway: RunningGateway) -> None:
    for head in ("GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"):
        with closing(_connect(gateway.port)) as client:
            client.connect()
            client.sock.sendall(head.encode())
            response = http.client.HTTPResponse(client.sock)
            response.begin()

            assert response.status == 400
            assert _error(response)["error"]["type"] == "invalid_request_error"


@pytest.fixture
def own_gateway(nginx: RunningNginx, upstream: Upstream, tmp_path: Path) -> Iterator[GatewayBehind]:
    """A gateway that the test may end."""
    assert not nginx.socket_path.exists(), "the other gateway has stopped"
    with GatewayBehind(nginx, upstream, tmp_path) as running:
        yield running


class TestAnEnd:
    """What happens when the gateway goes, with an nginx whose gateway no other test needs."""

    @pytest.fixture(scope="class")
    def nginx(self, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNginx]:
        """An nginx with nothing behind it."""
        assert NGINX
        with RunningNginx(NGINX, tmp_path_factory.mktemp("bare")) as running:
            yield running

    def test_without_a_gateway_the_answer_is_a_502_in_its_shape(self, nginx: RunningNginx) -> None:
        for path in (REMOTE, "/v1/chat/completions"):
            with closing(_connect(nginx.port)) as client:
                response = _post(client, path, CHAT)
                said = _error(response)

            assert response.status == 502
            assert response.headers["Retry-After"] == "1"
            assert set(said["error"]) == {"message", "type", "param", "code"}
            assert said["error"]["code"] == "gateway_unreachable"
            assert said.get("detail", said["error"]["message"]) == said["error"]["message"]
            assert ("detail" in said) is not path.startswith("/v1/")

    def test_a_stream_that_runs_when_the_gateway_is_told_to_end_is_finished(
        self, own_gateway: GatewayBehind, upstream: Upstream
    ) -> None:
        gate = threading.Event()
        role, word, finish = chat_chunks(["Hello"])
        upstream.replies = sse_reply([role, Wait(gate), word, finish])
        with closing(_connect(own_gateway.port)) as client, closing(_connect(own_gateway.port)) as late:
            response = _post(client, REMOTE, STREAM)
            assert _content(_event(response)) == ""

            own_gateway.process.send_signal(signal.SIGTERM)
            while _post(late, REMOTE, CHAT).read() and late.getresponse is None:
                pass
            gate.set()

            assert [_event(response) for _ in range(3)][0] != ""
        assert own_gateway.process.wait(PATIENCE) == 0


def _error(response: http.client.HTTPResponse) -> Any:
    """An error's body, which is JSON whoever made it."""
    assert response.headers["Content-Type"] == "application/json"
    return json.loads(response.read())
