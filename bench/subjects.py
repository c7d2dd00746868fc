"""What is measured: the gateway, an empty Flask view under the same server, and MLflow's gateway."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from bench.answers import EVENTS, QUESTION
from bench.processes import BenchError, free_port, running, wait_until_up
from bench.upstream import Upstream

ROOT = Path(__file__).parent.parent
WORKERS = 2
CHAT = json.dumps(QUESTION).encode()
STREAM = json.dumps({**QUESTION, "stream": True}).encode()


@dataclass(frozen=True)
class Work:
    """One kind of request: what is sent where, and the fewest events that its answer must have."""

    path: str
    body: bytes
    events: int = 0


@dataclass(frozen=True, eq=False)
class Subject:
    """A server to measure: how it is started, and the kinds of work it is given."""

    name: str
    port: int
    command: tuple[str, ...]
    works: Mapping[str, Work]
    env: Mapping[str, str] = field(default_factory=dict)
    health: str = "/health"
    cwd: Path = ROOT

    def url(self, work: Work) -> str:
        """Where to send that work."""
        return f"http://127.0.0.1:{self.port}{work.path}"


_GATEWAY_WORKS = {
    "chat": Work("/gateway/chat/invocations", CHAT),
    # The last event, the usage, is withheld by a gateway whose client did not ask for it.
    "stream": Work("/gateway/stream/invocations", STREAM, EVENTS - 1),
}


def empty_view() -> Subject:
    """The floor."""
    port = free_port()
    command = _gunicorn("bench.empty:app", port, "bench/empty.conf.py")
    return Subject("empty view", port, command, {"request": Work("/", CHAT)}, health="/")


def weir(upstream: Upstream, directory: Path) -> Subject:
    """The gateway of this tree, as it is shipped."""
    port, config = free_port(), directory / "weir.yaml"
    endpoints = {"chat": upstream.chat, "stream": upstream.stream}
    _write(config, "openai-compatible", {name: {"api_base": base} for name, base in endpoints.items()})
    return Subject(
        "weir", port, _gunicorn("wsgi:app", port, "gunicorn.conf.py"), _GATEWAY_WORKS, {"GATEWAY_CONFIG": str(config)}
    )


def _gunicorn(app: str, port: int, settings: str) -> tuple[str, ...]:
    options = ["--bind", f"127.0.0.1:{port}", "--workers", str(WORKERS), "--worker-class", "gevent"]
    return (sys.executable, "-m", "gunicorn", "--config", settings, *options, app)


def mlflow(upstream: Upstream, directory: Path, command: Path) -> Subject:
    """MLflow's gateway, with the file that it would be given for the same two endpoints."""
    port, config = free_port(), directory / "mlflow.yaml"
    endpoints = {"chat": upstream.chat, "stream": upstream.stream}
    settings = {name: {"openai_api_key": "bench", "openai_api_base": base} for name, base in endpoints.items()}
    _write(config, "openai", settings)
    options = ["--config-path", str(config), "--host", "127.0.0.1", "--port", str(port), "--workers", str(WORKERS)]
    env = {
        "PATH": os.pathsep.join([str(command.parent), os.environ.get("PATH", "")]),
        "MLFLOW_GATEWAY_API_BASE_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    # Not from our own directory: its gunicorn would read our gunicorn.conf.py.
    return Subject("mlflow", port, (str(command), "gateway", "start", *options), _GATEWAY_WORKS, env, cwd=directory)


def mlflow_command(venv: Path | None) -> Path | None:
    """The `mlflow` of that virtual environment, or the one on the PATH, or None."""
    if venv is None:
        found = shutil.which("mlflow")
        return Path(found) if found else None
    command = venv / "bin" / "mlflow"
    if not command.exists():
        raise BenchError(f"there is no {command}")
    return command


def _write(config: Path, provider: str, settings: Mapping[str, Mapping[str, str]]) -> None:
    """An endpoints file with a chat endpoint per name. JSON is YAML."""
    endpoints: list[dict[str, Any]] = []
    for name, of in settings.items():
        model = {"provider": provider, "name": "gpt-4o-mini", "config": of}
        endpoints.append({"name": name, "endpoint_type": "llm/v1/chat", "model": model})
    config.write_text(json.dumps({"endpoints": endpoints}, indent=1))


@contextmanager
def started(subject: Subject, directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The subject's root process, up and checked: each kind of work has been answered rightly once."""
    log = directory / f"{subject.name.replace(' ', '-')}.out"
    with running(subject.command, log, subject.env, subject.cwd) as process:
        wait_until_up(process, subject.port, subject.health, log)
        for work in subject.works.values():
            _check(subject, work)
        yield process


def _check(subject: Subject, work: Work) -> None:
    """One request must be answered with 200 and all events; BenchError if it is not."""
    try:
        status, answer = _post(subject.port, work)
    except (OSError, HTTPException) as error:
        raise BenchError(f"{subject.name} did not answer {work.path} whole: {error!r}") from error
    if status != 200 or answer.count(b"data: {") < work.events:
        words = answer[:500].decode(errors="replace")
        raise BenchError(f"{subject.name} answered {work.path} with {status}: {words}")


def _post(port: int, work: Work) -> tuple[int, bytes]:
    with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", work.path, work.body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
