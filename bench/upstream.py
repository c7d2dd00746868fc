"""The provider behind the gateways: nginx answering from memory, or, without it, a small server of our own."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import answers
from bench.processes import free_port, running, wait_until_up

# One process, so that it reads its files as whoever started it. A file is answered to a POST by way of the 405 that
# nginx would give. SSI, with nothing to insert, makes the stream chunked, as providers' streams are.
_NGINX = """
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/nginx.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; default_type application/json; keepalive_requests 1000000000; keepalive_timeout 600s;
  tcp_nodelay on; open_file_cache max=10; ssi_types text/event-stream; output_buffers 2 128k;
  client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2; fastcgi_temp_path {directory}/t3;
  uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
  types {{ text/event-stream sse; application/json json; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024; root {directory};
    error_page 405 =200 $uri;
    location = /v1/chat/completions {{ return 200 '{completion}'; }}
    location = /stream/v1/chat/completions {{ rewrite ^ /stream.sse; }}
    location = /stream.sse {{ ssi on; error_page 405 =200 /stream.sse; }}
    location = /health {{ return 200 '{{}}'; }}
  }}
}}
"""


@dataclass(frozen=True)
class Upstream:
    """Where the whole answers are and where the streams are; both are base URLs for an OpenAI-type provider."""

    kind: str
    port: int

    @property
    def chat(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def stream(self) -> str:
        return f"http://127.0.0.1:{self.port}/stream/v1"


@contextmanager
def started(directory: Path) -> Iterator[Upstream]:
    """An upstream that runs until the end of the block, with its files in `directory`."""
    port, log, nginx = free_port(), directory / "upstream.out", _nginx()
    if nginx:
        (directory / "stream.sse").write_bytes(answers.stream())
        config = directory / "nginx.conf"
        config.write_text(_NGINX.format(directory=directory, port=port, completion=answers.completion().decode()))
        command = [nginx, "-p", str(directory), "-c", str(config)]
    else:
        command = [sys.executable, "-m", "bench.upstream", str(port)]
    with running(command, log, cwd=Path(__file__).parent.parent) as process:
        wait_until_up(process, port, "/health", log)
        yield Upstream("nginx" if nginx else "asyncio", port)


def _nginx() -> str | None:
    # Debian keeps it where a user's PATH does not look.
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


class _Server(asyncio.Protocol):
    """Just enough HTTP to answer requests that have a Content-Length, in prepared bytes."""

    def __init__(self) -> None:
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
            if len(self._buffer) < end + 4 + length:
                return
            self._buffer = self._buffer[end + 4 + length :]
            self._transport.write(_STREAM if b"/stream/" in head.partition(b"\r\n")[0] else _WHOLE)


def _whole(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


def _chunked(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)


_WHOLE = _whole(answers.completion())
_STREAM = _chunked(answers.stream())


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
