"""The command: `weir start` serves, `weir check` reads a configuration and says what is wrong with it."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

from app.place import config_path
from app.version import __version__

_DEFAULT_FILE = "default: $GATEWAY_CONFIG, $MLFLOW_GATEWAY_CONFIG, endpoints.yaml"


def main(arguments: list[str] | None = None) -> int:
    """Run the command; its exit status: 0, or 2 for a configuration or an argument that is wrong."""
    options = _parser().parse_args(arguments)
    run: int = options.run(options)
    return run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="weir", description="A synchronous AI gateway.")
    parser.add_argument("--version", action="version", version=f"weir {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_start(commands.add_parser("start", help="serve the endpoints of a configuration file"))
    check = commands.add_parser("check", help="read a configuration file, say what is wrong with it, and do no more")
    check.add_argument("file", nargs="?", type=Path, metavar="FILE", help=_DEFAULT_FILE)
    check.set_defaults(run=_check)
    return parser


def _add_start(start: argparse.ArgumentParser) -> None:
    start.add_argument("--config-path", metavar="FILE", help=_DEFAULT_FILE)
    start.add_argument("--host", help="default: 127.0.0.1")
    start.add_argument("--port", type=_whole(0, 65_535), help="default: 5000")
    start.add_argument(
        "--bind", metavar="ADDRESS", help="in place of host and port: host:port or unix:PATH ($WEIR_BIND)"
    )
    start.add_argument("--workers", type=_whole(1, 1_000), metavar="N", help="processes; default: 2 ($WEIR_WORKERS)")
    classes = ("gevent", "gthread")
    start.add_argument("--worker-class", choices=classes, help="default: gevent ($WEIR_WORKER_CLASS)")
    start.set_defaults(run=_start)


def _whole(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"should be a whole number from {least} to {most}, not '{text}'")
        return int(text)

    return number


def _start(options: argparse.Namespace) -> int:
    """Become gunicorn: its signals, its exit status."""
    os.environ.update(_environment(options))
    command = [sys.executable, "-m", "gunicorn", "--config", str(_shipped("gunicorn.conf.py")), "wsgi:app"]
    os.execv(sys.executable, command)  # noqa: S606


def _environment(options: argparse.Namespace) -> dict[str, str]:
    """What gunicorn.conf.py and the application are told; what is not said keeps its value, or the default."""
    host, port = options.host or "127.0.0.1", 5000 if options.port is None else options.port
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    named = os.environ.get("GATEWAY_CONFIG") or os.environ.get("MLFLOW_GATEWAY_CONFIG")
    shipped = None if named or config_path().exists() else str(_shipped("endpoints.yaml"))
    said = {
        "WEIR_HOME": Path(__file__).resolve().parent.parent,
        "WEIR_BIND": options.bind or (address if options.host or options.port is not None else None),
        "WEIR_WORKERS": options.workers,
        "WEIR_WORKER_CLASS": options.worker_class,
        "GATEWAY_CONFIG": options.config_path or shipped,
    }
    return {name: str(value) for name, value in said.items() if value is not None}


def _check(options: argparse.Namespace) -> int:
    from app.checking import check  # here: a start needs none of what it reads with

    return check(options.file or config_path())


def _shipped(name: str) -> Path:
    """A file that comes with the gateway: beside the package in a checkout, else where the installation put it."""
    beside = Path(__file__).resolve().parent.parent / name
    return beside if beside.exists() else Path(sys.prefix, "share", "weir", name)
