"""create_app(): where everything meets."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from flask import Flask

from app import api
from app.api.lean import LeanFlask
from app.api.weir import KEY, Weir
from app.config import Live
from app.failover import InFlight
from app.gateway import Gateway
from app.images import Fetcher
from app.limits import Limiter
from app.local.adapter import LocalAdapter
from app.place import config_path
from app.telemetry import metrics
from app.transport import Transport, adapter_for, proxy_chooser


def create_app(path: Path | None = None) -> Flask:
    """The WSGI application over a configuration file (None: the one that the environment names). Raises ConfigError."""
    live = Live(path or config_path())
    app = LeanFlask("weir", static_folder=None)
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False
    limiter = Limiter(_limits_storage(live))
    gateway = Gateway(_transport(live), Fetcher(live.snapshot.network.ca_bundle), limiter)
    app.extensions[KEY] = Weir(live, gateway, limiter, InFlight("the gateway has"))
    api.register(app)
    metrics.CONFIG_VALID.set(1)
    return app


def start(app: Flask) -> None:
    """Begin what a serving process does beside answering: watch the configuration. To be called after a fork."""
    live: Live = app.extensions[KEY].live

    def changed() -> None:
        metrics.CONFIG_VALID.set(not live.problems)

    live.look()  # a worker may be born long after its parent read the file
    changed()
    live.watch(changed)


def _transport(live: Live) -> Transport:
    network = live.snapshot.network
    sockets = adapter_for(
        network.transport,
        ca_bundle=network.ca_bundle,
        proxy_for=proxy_chooser(network.http_proxy, network.https_proxy, network.no_proxy),
    )
    return Transport({"http": sockets, "https": sockets, "local": LocalAdapter()})


def _limits_storage(live: Live) -> str:
    """The configured store, or a file in the directory that the workers share (WEIR_STATE_DIR, made at start)."""
    if live.snapshot.limits_storage:
        return live.snapshot.limits_storage
    directory = os.environ.get("WEIR_STATE_DIR") or tempfile.mkdtemp(prefix="weir-")
    return f"weir-sqlite://{directory}/limits.sqlite3"
