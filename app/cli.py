"""The command: `weir start` serves, `weir check` reads a configuration and says what is wrong with it."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from flask import Flask

from app.api.weir import KEY, Weir
from app.config import Snapshot, config_path, load
from app.errors import ConfigError
from app.version import __version__

_EXAMPLES = {
    "llm/v1/chat": '{"messages": [{"role": "user", "content": "Hello, how are you?"}]}',
    "llm/v1/completions": '{"prompt": "The future of AI is", "max_tokens": 100}',
    "llm/v1/embeddings": '{"input": "Text to embed"}',
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status: 0, or 2 for a configuration or an argument that is wrong."""
    options = _parser().parse_args(arguments)
    run: int = options.run(options)
    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="weir", description="A synchronous AI gateway.")
    parser.add_argument("--version", action="version", version=f"weir {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    start = commands.add_parser("start", help="serve the endpoints of a configuration file")
    start.add_argument("--config-path", metavar="FILE", help="default: $GATEWAY_CONFIG, $MLFLOW_GATEWAY_CONFIG, endpoints.yaml")
    start.add_argument("--host", default="127.0.0.1", help="default: %(default)s")
    start.add_argument("--port", default=5000, type=int, help="default: %(default)s")
    start.add_argument("--bind", metavar="ADDRESS", help="in place of host and port: host:port or unix:PATH")
    start.add_argument("--workers", default=2, type=int, help="processes; default: %(default)s")
    start.add_argument("--worker-class", default="gevent", choices=("gevent", "gthread"), help="default: %(default)s")
    start.set_defaults(run=_start)
    check = commands.add_parser("check", help="read a configuration file, say what is wrong with it, and do no more")
    check.add_argument("file", nargs="?", type=Path, metavar="FILE", help="default: as for start")
    check.set_defaults(run=_check)
    return parser


def _start(options: argparse.Namespace) -> int:
    """Become gunicorn: its signals, its exit status."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    os.environ["WEIR_BIND"] = options.bind or f"{host}:{options.port}"
    os.environ["WEIR_WORKERS"] = str(options.workers)
    os.environ["WEIR_WORKER_CLASS"] = options.worker_class
    if options.config_path:
        os.environ["GATEWAY_CONFIG"] = options.config_path
    elif not config_path().exists() and "GATEWAY_CONFIG" not in os.environ:
        os.environ["GATEWAY_CONFIG"] = str(_shipped("endpoints.yaml"))
    command = [sys.executable, "-m", "gunicorn", "--config", str(_shipped("gunicorn.conf.py")), "wsgi:app"]
    os.execv(sys.executable, command)  # noqa: S606


def _check(options: argparse.Namespace) -> int:
    path = options.file or config_path()
    try:
        snapshot = load(path)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    for warning in snapshot.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{path}: {len(snapshot.endpoints)} endpoints, {len(snapshot.routes)} routes, no problems")
    return 0


def _shipped(name: str) -> Path:
    """A file that comes with the gateway: beside the package in a checkout, else where the installation put it."""
    beside = Path(__file__).resolve().parent.parent / name
    return beside if beside.exists() else Path(sys.prefix, "share", "weir", name)


def banner(app: Flask, addresses: list[str]) -> str:
    """What a start prints: the addresses, the endpoints, and a call to paste."""
    held: Weir = app.extensions[KEY]
    now = held.live.snapshot
    lines = [f"Weir {__version__} serves {held.live.path} at {', '.join(addresses)}", ""]
    lines += [f"  {e.name:<20} {e.type:<20} {e.provider.name} {e.model or ''}".rstrip() for e in now.endpoints.values()]
    lines += [f"  {r.name:<20} {r.type:<20} route over {', '.join(e.name for e, _ in r.destinations)}" for r in now.routes.values()]
    lines += ["", *_paste(now, addresses[0])]
    lines += [f"warning: {warning}" for warning in now.warnings]
    return "\n".join(lines) + "\n"


def _paste(now: Snapshot, address: str) -> list[str]:
    endpoint = next(iter(now.endpoints.values()), None)
    if endpoint is None:
        return ["There are no endpoints yet."]
    socket = f"--unix-socket {address.removeprefix('unix:')} " if address.startswith("unix:") else ""
    base = "http://localhost" if socket else address
    return [
        "Try it:",
        "",
        f"  curl {socket}{base}/gateway/{endpoint.name}/invocations -H 'Content-Type: application/json' \\",
        f"    -d '{_EXAMPLES[endpoint.type]}'",
        "",
        f"Documentation: {base}/docs" if not socket else "",
    ]
