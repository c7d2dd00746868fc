"""nginx over deploy/nginx.conf in a directory of its own, only addresses and paths changed; and a gateway behind it."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml

from tests.running import PATIENCE_SECONDS, ROOT, RunningGateway, free_port
from tests.upstream import Upstream

SHIPPED = ROOT / "deploy" / "nginx.conf"


def find_nginx() -> str | None:
    """The path of nginx; Debian keeps it where only root looks."""
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def placed(text: str, directory: Path, port: int) -> str:
    """The shipped configuration's text with its address and paths moved to `port` and `directory`."""
    for system in ("/run/", "/var/log/", "/var/lib/"):
        text = text.replace(f" {system}", f" {directory}/").replace(f"unix:{system}", f"unix:{directory}/")
    text, listens = re.subn(r"^( *)listen 80 ", rf"\1listen 127.0.0.1:{port} ", text, flags=re.MULTILINE)
    assert listens == 1, "the configuration listens on port 80, once"
    return re.sub(r"^user .*;$", _user(), text, flags=re.MULTILINE)


def _user() -> str:
    """Workers as who runs the tests: no other may enter the directory. Without privileges there is no choice."""
    if os.geteuid() != 0:
        return ""
    return f"user {pwd.getpwuid(0).pw_name} {grp.getgrgid(os.getegid()).gr_name};"


class RunningNginx:
    """Context manager: nginx in front of `socket_path`, where a gateway may or may not be. `url` is its base."""

    def __init__(self, nginx: str, directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.socket_path = directory / "weir" / "weir.sock"
        for name in ("weir", "nginx"):
            (directory / name).mkdir()
        config = directory / "nginx.conf"
        config.write_text(placed(SHIPPED.read_text(), directory, self.port))
        self._errors = directory / "stderr"
        self._command = [nginx, "-e", "stderr", "-p", str(directory), "-c", str(config)]

    def check(self) -> str:
        """What `nginx -t` says of the configuration."""
        done = subprocess.run([*self._command, "-t"], capture_output=True, text=True, check=False)
        return done.stderr

    def __enter__(self) -> RunningNginx:
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [*self._command, "-g", "daemon off;"], stdin=subprocess.DEVNULL, stdout=errors, stderr=errors
            )
        try:
            self._await_connection()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop()

    def _await_connection(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"nginx ended with status {self._process.returncode}:\n{self._errors.read_text()}")
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise RuntimeError(f"nginx did not answer:\n{self._errors.read_text()}")

    def _stop(self) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(PATIENCE_SECONDS)


class GatewayBehind(RunningGateway):
    """A gateway on the socket file where an nginx expects it; `url` is the nginx's: it is up when nginx reaches it."""

    def __init__(self, nginx: RunningNginx, upstream: Upstream, directory: Path, worker_class: str = "gevent") -> None:
        bind = {"WEIR_BIND": f"unix:{nginx.socket_path}"}
        super().__init__(_config(upstream), directory, worker_class=worker_class, environment=bind)
        self.url, self.port = nginx.url, nginx.port


def _config(upstream: Upstream) -> dict[str, Any]:
    """The shipped endpoints, and one whose provider is scripted.

    A silence is broken each second: that shows who has left, and is too little to push a held-back event out of nginx.
    """
    config: dict[str, Any] = yaml.safe_load((ROOT / "endpoints.yaml").read_text())
    model = {"provider": "openai-compatible", "name": "scripted", "config": {"api_base": upstream.api_base}}
    config["endpoints"].append({"name": "remote", "endpoint_type": "llm/v1/chat", "model": model})
    return {**config, "keep_alive": 1}
