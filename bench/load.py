"""A closed loop, for what a request costs: wrk, or, without it, a small generator of our own."""

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
from bench.subjects import Request
from bench.upstream import ROOT

_WRK = """
local file = assert(io.open(%s, "rb"))
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
%s
wrk.body = file:read("*a")
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


def run(request: Request, connections: int, seconds: float, directory: Path) -> Load:
    """Ask over so many kept connections, each again as soon as it is answered, for so many seconds."""
    body = directory / "body.json"
    body.write_bytes(request.body)
    if kind() == "wrk":
        script = directory / "load.lua"
        headers = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in request.headers.items()]
        script.write_text(_WRK % (json.dumps(str(body)), "\n".join(headers)))
        command = ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "30s"]
        command += ["-s", str(script), request.url]
    else:
        headers = [f"{name}: {value}" for name, value in request.headers.items()]
        command = [sys.executable, "-m", "bench.load", request.url, str(body), str(connections), str(seconds), *headers]
    result = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 90, cwd=ROOT)
    if result.returncode:
        raise BenchError(f"the load failed: {result.stderr or result.stdout}")
    return Load(**json.loads(result.stdout.strip().splitlines()[-1]))


def head(url: str, length: int, headers: list[str]) -> bytes:
    """The first lines of a POST of JSON."""
    parts = urlsplit(url)
    lines = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Content-Type: application/json", *headers]
    return "\r\n".join([*lines, f"Content-Length: {length}", "", ""]).encode()


async def _one(url: str, request: bytes, until: float) -> tuple[int, int]:
    """One connection's requests and how many were wrong."""
    parts = urlsplit(url)
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


async def _all(url: str, request: bytes, connections: int, seconds: float) -> Load:
    begun = time.monotonic()
    results = await asyncio.gather(*(_one(url, request, begun + seconds) for _ in range(connections)))
    took = time.monotonic() - begun
    return Load(sum(done for done, _ in results), sum(wrong for _, wrong in results), took)


def _main(url: str, body: str, connections: str, seconds: str, *headers: str) -> None:
    content = Path(body).read_bytes()
    request = head(url, len(content), list(headers)) + content
    print(json.dumps(asyncio.run(_all(url, request, int(connections), float(seconds))).__dict__))


if __name__ == "__main__":
    _main(*sys.argv[1:])
