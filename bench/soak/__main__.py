"""python -m bench.soak: load, faults, kills and reloads for long; prints figures; exits 1 if there was a violation."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.processes import BenchError, free_port, running, wait_until_up
from bench.soak.configuration import File
from bench.soak.run import Options, Soak
from bench.soak.workers import Workers
from bench.upstream import ROOT


def main(arguments: Sequence[str] | None = None) -> int:
    """0: no violation. 1: there are. 2: the soak could not be begun."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    options = _options(arguments)
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="weir-soak-")))
        try:
            soak = _started(stack, directory, options)
            violations = asyncio.run(soak.run())
        except BenchError as error:
            print(f"soak: {error}", file=sys.stderr)
            return 2
        if options.log:
            lines = (directory / "gateway.out").read_bytes().splitlines(keepends=True)
            options.log.write_bytes(b"".join(line for line in lines if not line.startswith(b"{")))
    return 1 if violations else 0


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="length of the load (20)")
    parser.add_argument("--quiet-minutes", type=float, help="of these, the last without kills (two fifths)")
    parser.add_argument("--rate", type=float, default=60.0, help="calls a second (60)")
    parser.add_argument("--faults", type=float, default=0.1, help="share of the provider's answers (0.1)")
    parser.add_argument("--kill-every", type=float, default=20.0, help="seconds between kills, on average (20)")
    parser.add_argument("--reload-every", type=float, default=5.0, help="seconds between changes of the file (5)")
    parser.add_argument("--worker-class", choices=("gevent", "gthread"), default="gevent")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=Path, metavar="FILE", help="keep the gateway's log there, without its access log")
    said = vars(parser.parse_args(arguments))
    quiet = said.pop("quiet_minutes")
    return Options(**said, quiet_minutes=said["minutes"] * 0.4 if quiet is None else quiet)


def _started(stack: ExitStack, directory: Path, options: Options) -> Soak:
    """A provider and a gateway, as users start it."""
    provider, port = free_port(), free_port()
    command = [sys.executable, "-m", "bench.soak.provider", str(provider), str(options.faults)]
    process = stack.enter_context(running(command, directory / "provider.out", cwd=ROOT))
    wait_until_up(process, provider, "/state", directory / "provider.out")
    file = File(directory / "endpoints.yaml", provider)
    weir = "import sys; from app.cli import main; sys.exit(main())"  # the command, whatever the PATH
    command = [sys.executable, "-c", weir, "start", "--config-path", str(file.path), "--port", str(port)]
    command += ["--workers", str(options.workers), "--worker-class", options.worker_class]
    process = stack.enter_context(running(command, directory / "gateway.out", cwd=ROOT))
    wait_until_up(process, port, "/health", directory / "gateway.out")
    return Soak(options, provider, file, Workers(process.pid, port, provider))


if __name__ == "__main__":
    sys.exit(main())
