"""What is measured, and what it is asked: a server, how it is started, and how a question reaches its endpoints."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

from bench.paced import PACES
from bench.processes import BenchError, free_port, running, wait_until_up
from bench.questions import Question
from bench.upstream import ROOT, Endpoint, Upstream, nginx_command

WORKERS = 2
CHAT_PATH = "/chat/completions"


@dataclass(frozen=True)
class Request:
    """A POST of JSON."""

    url: str
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


Asks = Callable[[str, str, Question], Request]
"""(the server's own base URL, an endpoint's name, a question) -> how that is asked of it."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A server to measure: how it is started, which endpoints it has, and how they are asked."""

    name: str
    command: tuple[str, ...]
    port: int
    """0: it chooses one itself, and says its URL in its output."""
    endpoints: frozenset[str]
    asks: Asks
    env: Mapping[str, str] = field(default_factory=dict)
    health: str = "/health"
    cwd: Path = ROOT


@dataclass(frozen=True, eq=False)
class Running:
    """A subject that is up. `process` is None for one that is measured but not ours to watch: the upstream itself."""

    subject: Subject
    process: subprocess.Popen[bytes] | None
    port: int
    begun: float = 0.0
    """When its command was given, on the monotonic clock."""
    connections: dict[str, int] = field(default_factory=dict)
    """Of a closed loop, by row."""

    def request(self, endpoint: str, question: Question) -> Request:
        """How this server is asked that."""
        return self.subject.asks(f"http://127.0.0.1:{self.port}", endpoint, question)


def gateway_asks(base: str, endpoint: str, question: Question) -> Request:
    """As MLflow's gateway is asked, and so this one."""
    return Request(f"{base}/gateway/{endpoint}/invocations", json.dumps(question).encode())


def empty_view() -> Subject:
    """The floor. Its answers are the same whatever it is asked."""
    port = free_port()
    # gunicorn's own worker: the floor has nothing of ours.
    command = _gunicorn("bench.empty:app", port, "bench/empty.conf.py", "--worker-class", "gevent")
    asked = frozenset({"chat", "stream"})
    return Subject("empty view", command, port, asked, lambda base, _, question: Request(f"{base}/", _json(question)))


def weir(upstream: Upstream, directory: Path) -> Subject:
    """The gateway of this tree, as it is shipped."""
    port, config = free_port(), directory / "weir.yaml"
    models = {name: _weir_model(endpoint) for name, endpoint in upstream.endpoints.items()}
    trust = {"ca_bundle": str(upstream.ca)} if upstream.ca else {}
    write_endpoints(config, models, trust)
    command = _gunicorn("wsgi:app", port, "gunicorn.conf.py")
    return Subject("weir", command, port, frozenset(models), gateway_asks, {"GATEWAY_CONFIG": str(config)})


def _weir_model(endpoint: Endpoint) -> Mapping[str, object]:
    if endpoint.dialect == "anthropic":
        settings: dict[str, object] = {"anthropic_api_key": "bench", "api_base": endpoint.base}
        return {"provider": "anthropic", "name": "claude-sonnet-4-5", "config": settings}
    if endpoint.dialect == "bedrock":
        settings = {"aws_config": AWS_CONFIG, "api_base": endpoint.base}
        return {"provider": "bedrock", "name": BEDROCK_MODEL, "config": settings}
    return {
        "provider": "openai",
        "name": "gpt-4o-mini",
        "config": {"openai_api_key": "k", "openai_api_base": endpoint.base},
    }


BEDROCK_MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
AWS_CONFIG = {"aws_region": "us-east-1", "aws_access_key_id": "bench", "aws_secret_access_key": "bench"}


def write_endpoints(config: Path, models: Mapping[str, Mapping[str, object]], more: Mapping[str, str]) -> None:
    """An endpoints file with a chat endpoint per name. JSON is YAML."""
    endpoints = [{"name": name, "endpoint_type": "llm/v1/chat", "model": model} for name, model in models.items()]
    config.write_text(json.dumps({"endpoints": endpoints, **more}, indent=1))


def _gunicorn(app: str, port: int, settings: str, *more: str) -> tuple[str, ...]:
    options = ("--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS), *more)
    return (sys.executable, "-m", "gunicorn", "--config", settings, *options, app)


_PROXY = """
daemon off; worker_processes {workers}; pid {directory}/proxy.pid; error_log {directory}/proxy.log warn;
events {{ worker_connections 8192; }}
http {{
  access_log {directory}/access.log; keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 64m;
  client_body_buffer_size 2m; proxy_http_version 1.1; proxy_set_header Connection ''; proxy_buffering off;
  proxy_read_timeout 600s; {trust}
  client_body_temp_path {directory}/p1; proxy_temp_path {directory}/p2; fastcgi_temp_path {directory}/p3;
  uwsgi_temp_path {directory}/p4; scgi_temp_path {directory}/p5;
  {pools}
  server {{ listen 127.0.0.1:{port} backlog=4096; location = /health {{ return 200; }} {locations} }}
}}
"""


def nginx(upstream: Upstream, directory: Path) -> Subject | None:
    """The bound: nginx passes bytes on, checks nothing and counts nothing. None where it is not installed."""
    command = nginx_command()
    if command is None:
        return None
    port, config, pools, locations = free_port(), directory / "proxy.conf", [], []
    plain = {name: urlsplit(at.base) for name, at in upstream.endpoints.items() if at.dialect == "openai"}
    for name, url in plain.items():
        pools.append(f"upstream {name} {{ server {url.netloc}; keepalive 4096; keepalive_requests 1000000000; }}")
        locations.append(f"location /{name}/ {{ proxy_pass {url.scheme}://{name}{url.path}/; }}")
    trust = f"proxy_ssl_trusted_certificate {upstream.ca}; proxy_ssl_verify on; proxy_ssl_name localhost;"
    said = {"directory": directory, "port": port, "workers": WORKERS, "trust": trust if upstream.ca else ""}
    config.write_text(_PROXY.format(**said, pools="\n  ".join(pools), locations="\n  ".join(locations)))

    def asks(base: str, endpoint: str, question: Question) -> Request:
        return Request(f"{base}/{endpoint}{CHAT_PATH}", _json(question))

    return Subject("nginx", (command, "-p", str(directory), "-c", str(config)), port, frozenset(plain), asks)


def direct(upstream: Upstream) -> Running:
    """The upstream asked without a gateway: what is no gateway's fault."""
    bases = {name: at.base for name, at in upstream.endpoints.items() if name in ("chat", "stream", *PACES)}

    def asks(_: str, endpoint: str, question: Question) -> Request:
        return Request(bases[endpoint] + CHAT_PATH, _json(question))

    return Running(Subject("direct", (), 0, frozenset(bases), asks), None, 0)


def _json(question: Question) -> bytes:
    return json.dumps(question).encode()


@contextmanager
def started(subject: Subject, directory: Path) -> Iterator[Running]:
    """The subject, up."""
    log, begun = directory / f"{subject.name.replace(' ', '-')}.out", time.monotonic()
    with running(subject.command, log, subject.env, subject.cwd) as process:
        port = subject.port or _said_port(process, log)
        wait_until_up(process, port, subject.health, log)
        yield Running(subject, process, port, begun)


def _said_port(process: subprocess.Popen[bytes], log: Path) -> int:
    while process.poll() is None:
        if found := re.search(rb"listening at: http://127\.0\.0\.1:(\d+)", log.read_bytes()):
            return int(found[1])
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise BenchError(f"{process.args!r} ended before it said its port: {log.read_text(errors='replace')[-1000:]}")


def check(running: Running, request: Request, events: int) -> None:
    """One request must be answered with 200 and so many events; BenchError if it is not."""
    name = running.subject.name
    try:
        status, answer = post(request)
    except (OSError, HTTPException) as error:
        raise BenchError(f"{name} did not answer {request.url} whole: {error!r}") from error
    if status != 200 or answer.count(b"data: {") < events:
        words = answer[:500].decode(errors="replace")
        raise BenchError(f"{name} answered {request.url} with {status}: {words}")


def post(request: Request, timeout: float = 30) -> tuple[int, bytes]:
    """Status and body of the answer."""
    url = urlsplit(request.url)
    with closing(HTTPConnection(url.netloc, timeout=timeout)) as connection:
        headers = {"Content-Type": "application/json", **request.headers}
        connection.request("POST", url.path, request.body, headers)
        response = connection.getresponse()
        return response.status, response.read()
