"""The load: wrk, or, without it, a small generator of our own; both count the answers and the wrong ones."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bench.processes import BenchError

CONNECTIONS = 32

_WRK = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = %s
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('\\n{"requests": %%d, "wrong": %%d, "seconds": %%f}\\n',
    summary.requests, e.connect + e.read + e.write + e.status + e.timeout, summary.duration / 1e6))
end
"""


@dataclass(frozen=True)
class Load:
    """What a load did."""

    requests: int
    wrong: int
    """Answers that were not 2xx, and connections that failed."""
    seconds: float


def kind() -> str:
    """The name of the generator that this machine has."""
    return "wrk" if shutil.which("wrk") else "asyncio"


def run(url: str, body: bytes, seconds: float, directory: Path) -> Load:
    """POST the body to the URL over 32 kept connections for so many seconds."""
    if kind() == "wrk":
        script = directory / "load.lua"
        script.write_text(_WRK % json.dumps(body.decode()))
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
        command += ["-s", str(script), url]
    else:
        command = [sys.executable, "-m", "bench.load", url, body.decode(), str(seconds)]
    cwd = Path(__file__).parent.parent
    result = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, cwd=cwd)
    if result.returncode:
        raise BenchError(f"the load failed: {result.stderr or result.stdout}")
    return Load(**json.loads(result.stdout.strip().splitlines()[-1]))


async def _one(url: str, body: bytes, until: float) -> tuple[int, int]:
    """One connection's requests and how many were wrong."""
    parts = urlsplit(url)
    head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: application/json\r\n"
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    done = wrong = 0
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
    while time.monotonic() < until:
        writer.write(request)
        status, closes = await _answer(reader)
        done, wrong = done + 1, wrong + (not 200 <= status < 300)
        if closes:
            writer.close()
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=1 << 20)
    writer.close()
    return done, wrong


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bool]:
    """Read one answer: its status and whether the connection ends with it."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" in head:
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)
    else:
        await reader.readexactly(int(head.partition(b"content-length:")[2].partition(b"\r\n")[0]))
    return int(head[9:12]), b"connection: close" in head


async def _all(url: str, body: bytes, seconds: float) -> Load:
    begun = time.monotonic()
    results = await asyncio.gather(*(_one(url, body, begun + seconds) for _ in range(CONNECTIONS)))
    took = time.monotonic() - begun
    return Load(sum(done for done, _ in results), sum(wrong for _, wrong in results), took)


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_all(sys.argv[1], sys.argv[2].encode(), float(sys.argv[3]))).__dict__))
