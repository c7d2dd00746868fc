"""The gateway as its users run it: gunicorn over a configuration file, in processes of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import orjson
import yaml

ROOT = Path(__file__).resolve().parent.parent

PATIENCE_SECONDS = 20.0


def free_port() -> int:
    """A port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RunningGateway:
    """Context manager: a gateway under gunicorn at `url`, with its access log (`log_lines`) and the rest (`errors`)."""

    def __init__(
        self,
        config: dict[str, Any] | str,
        directory: Path,
        *,
        worker_class: str = "gevent",
        workers: int = 2,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config_path = directory / "endpoints.yaml"
        self.write_config(config)
        self._out, self._err = directory / "stdout", directory / "stderr"
        self._environment = {
            **os.environ,
            "GATEWAY_CONFIG": str(self.config_path),
            "WEIR_BIND": f"127.0.0.1:{self.port}",
            "WEIR_WORKERS": str(workers),
            "WEIR_WORKER_CLASS": worker_class,
            **(environment or {}),
        }
        self._environment.pop("PROMETHEUS_MULTIPROC_DIR", None)
        self._environment.pop("WEIR_STATE_DIR", None)

    def write_config(self, config: dict[str, Any] | str) -> None:
        """Put a configuration in place at once, as an editor or Kubernetes does."""
        text = config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False)
        fresh = self.config_path.with_suffix(".new")
        fresh.write_text(text)
        fresh.replace(self.config_path)

    def __enter__(self) -> RunningGateway:
        command = [sys.executable, "-m", "gunicorn", "--config", str(ROOT / "gunicorn.conf.py"), "wsgi:app"]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        try:
            self._await_health()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def workers(self) -> list[int]:
        """The process ids of its workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def log_lines(self) -> list[dict[str, Any]]:
        """The access log so far."""
        return [orjson.loads(line) for line in self._out.read_bytes().splitlines() if line.startswith(b"{")]

    def errors(self) -> str:
        """What it has written to standard error."""
        return self._err.read_text()

    def _await_health(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the gateway ended with status {self.process.returncode}:\n{self.errors()}")
            try:
                with urlopen(f"{self.url}/health", timeout=1):
                    return
            except (URLError, OSError):
                time.sleep(0.05)
        raise RuntimeError(f"the gateway did not answer:\n{self.errors()}")

    def _stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                for pid in [*self.workers(), self.process.pid]:
                    os.kill(pid, signal.SIGKILL)
                self.process.wait()
