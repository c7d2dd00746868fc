"""Other gateways to measure beside: where each is found, what it is told, and how one that is missing is installed."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench.processes import free_port
from bench.questions import Question
from bench.subjects import (
    AWS_CONFIG,
    BEDROCK_MODEL,
    CHAT_PATH,
    WORKERS,
    Request,
    Subject,
    gateway_asks,
    write_endpoints,
)
from bench.upstream import Endpoint, Upstream

DIRECTORY = Path(os.environ.get("WEIR_BENCH_PEERS", Path.home() / ".cache" / "weir-bench"))
"""Where peers are looked for: a virtual environment (or npm's directory) each, under its name."""


@dataclass(frozen=True)
class Peer:
    """Another gateway."""

    name: str
    program: str
    """What its directory must hold."""
    package: str
    """Whose version it is: the name of a distribution, or the path of a package.json."""
    install: str
    """Shell commands; {at} is its directory."""
    subject: Callable[[Path, Upstream, Path], Subject]
    """(its directory, the upstream, a directory for its files) -> how it is run."""

    def found(self, directory: Path) -> Path | None:
        """Its directory, if it is installed there."""
        return directory if (directory / self.program).exists() else None

    def version(self, at: Path) -> str:
        """What is installed there."""
        if self.package.endswith(".json"):
            return str(json.loads((at / self.package).read_text())["version"])
        found = next(at.glob(f"lib/*/*/{self.package}-*.dist-info"), None)
        return found.stem.rpartition("-")[2] if found else "unknown"


def mlflow_on_path() -> Path | None:
    """The environment whose `mlflow` is on the PATH."""
    command = shutil.which("mlflow")
    return Path(command).parent.parent if command else None


def _trust(upstream: Upstream) -> dict[str, str]:
    """The upstream's authority, in every word for it that a peer may read; and who we are to AWS."""
    names = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS") if upstream.ca else ()
    bedrock = upstream.endpoints.get("bedrock")
    aws = {key.upper(): value for key, value in AWS_CONFIG.items()}
    where = {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock.base} if bedrock else {}
    return {**{name: str(upstream.ca) for name in names}, **aws, **where}


# --- MLflow


def _mlflow(at: Path, upstream: Upstream, directory: Path) -> Subject:
    """With the file that it would be given for the same endpoints."""
    port, config = free_port(), directory / "mlflow.yaml"
    models = {name: _mlflow_model(endpoint) for name, endpoint in upstream.endpoints.items()}
    write_endpoints(config, models, {})
    options = ["--config-path", str(config), "--host", "127.0.0.1", "--port", str(port), "--workers", str(WORKERS)]
    env = {
        "PATH": os.pathsep.join([str(at / "bin"), os.environ.get("PATH", "")]),
        "MLFLOW_GATEWAY_API_BASE_ALLOWED_SCHEMES": "http,https",
        "MLFLOW_GATEWAY_API_BASE_ALLOW_PRIVATE_IPS": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        **_trust(upstream),
    }
    # Not from our own directory: its gunicorn would read our gunicorn.conf.py.
    command = (str(at / "bin" / "mlflow"), "gateway", "start", *options)
    return Subject("mlflow", command, port, frozenset(models), gateway_asks, env, cwd=directory)


def _mlflow_model(endpoint: Endpoint) -> Mapping[str, object]:
    if endpoint.dialect == "anthropic":
        settings: dict[str, object] = {"anthropic_api_key": "bench", "anthropic_api_base": endpoint.base}
        return {"provider": "anthropic", "name": "claude-sonnet-4-5", "config": settings}
    if endpoint.dialect == "bedrock":
        return {"provider": "bedrock", "name": BEDROCK_MODEL, "config": {"aws_config": AWS_CONFIG}}
    settings = {"openai_api_key": "bench", "openai_api_base": endpoint.base}
    return {"provider": "openai", "name": "gpt-4o-mini", "config": settings}


# --- LiteLLM

_LITELLM_KEY = "sk-bench"


def _litellm(at: Path, upstream: Upstream, directory: Path) -> Subject:
    """As its page for production says: a master key, errors alone in the log, no debugging; `rust` where it can."""
    port, config = free_port(), directory / "litellm.yaml"
    models = [
        {"model_name": name, "litellm_params": {**_litellm_model(endpoint), "rust": True}}
        for name, endpoint in upstream.endpoints.items()
    ]
    settings = {"request_timeout": 600, "set_verbose": False, "telemetry": False}
    general = {"master_key": _LITELLM_KEY}
    config.write_text(json.dumps({"model_list": models, "general_settings": general, "litellm_settings": settings}))
    options = ["--config", str(config), "--host", "127.0.0.1", "--port", str(port), "--num_workers", str(WORKERS)]
    options += ["--timeout_worker_healthcheck", "60"]  # else a busy worker is taken for dead, and started anew
    env = {
        "LITELLM_LOG": "ERROR",
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        **_trust(upstream),
    }
    command, names = (str(at / "bin" / "litellm"), *options), frozenset(upstream.endpoints)
    return Subject("litellm", command, port, names, _litellm_asks, env, "/health/liveliness", directory)


def _litellm_asks(base: str, endpoint: str, question: Question) -> Request:
    return _openai_asks(base + "/v1", endpoint, question, {"Authorization": f"Bearer {_LITELLM_KEY}"})


def _litellm_model(endpoint: Endpoint) -> Mapping[str, object]:
    if endpoint.dialect == "anthropic":
        # It adds the version itself.
        base = endpoint.base.removesuffix("/v1")
        return {"model": "anthropic/claude-sonnet-4-5", "api_key": "bench", "api_base": base}
    if endpoint.dialect == "bedrock":
        return {"model": f"bedrock/{BEDROCK_MODEL}", "aws_bedrock_runtime_endpoint": endpoint.base, **_AWS_PARAMS}
    return {"model": "openai/gpt-4o-mini", "api_key": "bench", "api_base": endpoint.base}


_AWS_PARAMS = {**AWS_CONFIG, "aws_region_name": AWS_CONFIG["aws_region"]}


# --- Portkey


def _portkey(at: Path, upstream: Upstream, directory: Path) -> Subject:
    """One process: it has no workers. What it is to call comes with each request, in headers."""
    port = free_port()
    plain = {name: point for name, point in upstream.endpoints.items() if point.dialect != "bedrock"}
    command = ("node", str(at / _PORTKEY), "--headless", f"--port={port}")
    env = {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1", "NODE_ENV": "production", **_trust(upstream)}

    def asks(base: str, endpoint: str, question: Question) -> Request:
        point = plain[endpoint]
        where = {"x-portkey-provider": point.dialect, "x-portkey-custom-host": point.base}
        headers = {**where, "Authorization": "Bearer bench"}
        return _openai_asks(f"{base}/v1", _MODELS[point.dialect], question, headers)

    return Subject("portkey", command, port, frozenset(plain), asks, env, "/", directory)


_PORTKEY = "node_modules/@portkey-ai/gateway/build/start-server.js"
_MODELS = {"openai": "gpt-4o-mini", "anthropic": "claude-sonnet-4-5"}


# --- TensorZero


def _tensorzero(at: Path, upstream: Upstream, directory: Path) -> Subject:
    """The gateway in its Python package, which is the same one: it listens by itself, and Python only waits."""
    config = directory / "tensorzero.toml"
    settings = "[gateway]\nobservability.enabled = false\ndisable_pseudonymous_usage_analytics = true\n"
    settings += '[object_storage]\ntype = "disabled"\n'  # else it refuses images
    models = [_tensorzero_model(name, endpoint) for name, endpoint in upstream.endpoints.items()]
    config.write_text("\n".join([settings, *models]))
    command = (str(at / "bin" / "python"), str(Path(__file__).with_name("tensorzero_gateway.py")), str(config))

    def asks(base: str, endpoint: str, question: Question) -> Request:
        return _openai_asks(f"{base}/openai/v1", f"tensorzero::model_name::{endpoint}", question, {})

    env, names = {"ANTHROPIC_API_KEY": "bench", **_trust(upstream)}, frozenset(upstream.endpoints)
    return Subject("tensorzero", command, 0, names, asks, env, cwd=directory)


def _tensorzero_model(name: str, endpoint: Endpoint) -> str:
    settings = {
        "openai": {"type": "openai", "model_name": "gpt-4o-mini", "api_key_location": "none"},
        "anthropic": {"type": "anthropic", "model_name": "claude-sonnet-4-5"},
        "bedrock": {"type": "aws_bedrock", "model_id": BEDROCK_MODEL, "region": AWS_CONFIG["aws_region"]},
    }[endpoint.dialect]
    address = "endpoint_url" if endpoint.dialect == "bedrock" else "api_base"
    lines = [f'{key} = "{value}"' for key, value in {**settings, address: endpoint.base}.items()]
    return "\n".join([f"[models.{name}]", 'routing = ["one"]', f"[models.{name}.providers.one]", *lines, ""])


def _openai_asks(base: str, model: str, question: Question, headers: Mapping[str, str]) -> Request:
    return Request(base + CHAT_PATH, json.dumps({**question, "model": model}).encode(), headers)


def _venv(requirement: str) -> str:
    return f"python3 -m venv {{at}} && {{at}}/bin/pip install {requirement}"


_NPM = """mkdir -p {at} && cd {at} && echo '{{"dependencies": {{"@portkey-ai/gateway": "1.15.2"}}, \
"overrides": {{"@hono/node-server": "1.13.5", "hono": "4.9.7"}}}}' > package.json && npm install"""

PEERS = (
    Peer("mlflow", "bin/mlflow", "mlflow", _venv("'mlflow[gateway]==3.17.*'"), _mlflow),
    Peer("tensorzero", "bin/python", "tensorzero", _venv("tensorzero"), _tensorzero),
    Peer("litellm", "bin/litellm", "litellm", _venv("'litellm[proxy]'"), _litellm),
    Peer("portkey", _PORTKEY, "node_modules/@portkey-ai/gateway/package.json", _NPM, _portkey),
)
