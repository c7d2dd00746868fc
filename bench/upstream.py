"""The provider behind the gateways: nginx answering from memory, beside it a process of ours that streams slowly."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import answers
from bench.paced import PACES
from bench.processes import free_port, running, wait_until_up

ROOT = Path(__file__).parent.parent

# One process, so that it reads its files as whoever started it. A file is answered to a POST by way of the 405 that
# nginx would give. SSI, with nothing to insert, makes a stream chunked, as providers' streams are.
_NGINX = """
daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/nginx.log warn;
events {{ worker_connections 8192; }}
http {{
  access_log off; default_type application/json; keepalive_requests 1000000000; keepalive_timeout 600s;
  tcp_nodelay on; open_file_cache max=10; output_buffers 2 128k; client_max_body_size 64m;
  ssi_types text/event-stream application/vnd.amazon.eventstream;
  client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2; fastcgi_temp_path {directory}/t3;
  uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
  types {{ text/event-stream sse; application/vnd.amazon.eventstream frames; application/json json; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096; {tls} root {directory};
    location = /v1/chat/completions {{ return 200 '{completion}'; }}
    location = /stream/v1/chat/completions {{ rewrite ^ /stream.sse; }}
    location = /stream.sse {{ ssi on; error_page 405 =200 /stream.sse; }}
    location = /anthropic/v1/messages {{ rewrite ^ /anthropic.sse; }}
    location = /anthropic.sse {{ ssi on; error_page 405 =200 /anthropic.sse; }}
    location /bedrock/model/ {{ rewrite ^ /bedrock.frames; }}
    location = /bedrock.frames {{ ssi on; error_page 405 =200 /bedrock.frames; }}
    location = /health {{ return 200 '{{}}'; }}
  }}
}}
"""


@dataclass(frozen=True)
class Endpoint:
    """One thing that a gateway is to stand before: a dialect and its base URL."""

    dialect: str
    """openai, anthropic or bedrock."""
    base: str


@dataclass(frozen=True)
class Upstream:
    """What a provider offers, by name; `ca` is the file that says whom to trust over TLS."""

    kind: str
    endpoints: Mapping[str, Endpoint]
    ca: Path | None = None


@contextmanager
def started(directory: Path) -> Iterator[Upstream]:
    """An upstream that runs until the end of the block, with its files in `directory`."""
    with ExitStack() as stack:
        paced = free_port()
        command = [sys.executable, "-m", "bench.paced", str(paced)]
        _run(stack, command, paced, directory / "paced.out")
        endpoints = {name: Endpoint("openai", f"http://127.0.0.1:{paced}/{name}/v1") for name in PACES}
        if nginx := nginx_command():
            yield _nginx(stack, nginx, directory, endpoints)
        else:
            port = free_port()
            _run(stack, [sys.executable, "-m", "bench.upstream", str(port)], port, directory / "upstream.out")
            yield Upstream("asyncio", {**_plain(port), **endpoints})


def _nginx(stack: ExitStack, nginx: str, directory: Path, endpoints: dict[str, Endpoint]) -> Upstream:
    (directory / "stream.sse").write_bytes(answers.stream())
    (directory / "anthropic.sse").write_bytes(answers.anthropic_stream())
    (directory / "bedrock.frames").write_bytes(answers.bedrock_stream())
    port, tls_port, ca, tls = free_port(), free_port(), certificates(directory), ""
    endpoints = {**_plain(port), **endpoints}
    endpoints["anthropic"] = Endpoint("anthropic", f"http://127.0.0.1:{port}/anthropic/v1")
    endpoints["bedrock"] = Endpoint("bedrock", f"http://127.0.0.1:{port}/bedrock")
    if ca:
        files = f"ssl_certificate {directory}/server.pem; ssl_certificate_key {directory}/server.pem;"
        tls = f"listen 127.0.0.1:{tls_port} ssl backlog=4096; {files}"
        endpoints["tls"] = Endpoint("openai", f"https://127.0.0.1:{tls_port}/v1")
    config = directory / "nginx.conf"
    completion = answers.completion().decode()
    config.write_text(_NGINX.format(directory=directory, port=port, tls=tls, completion=completion))
    _run(stack, [nginx, "-p", str(directory), "-c", str(config)], port, directory / "upstream.out")
    return Upstream("nginx", endpoints, ca)


def _plain(port: int) -> dict[str, Endpoint]:
    base = f"http://127.0.0.1:{port}"
    return {"chat": Endpoint("openai", f"{base}/v1"), "stream": Endpoint("openai", f"{base}/stream/v1")}


def _run(stack: ExitStack, command: list[str], port: int, log: Path) -> None:
    process = stack.enter_context(running(command, log, cwd=ROOT))
    wait_until_up(process, port, "/health", log)


def certificates(directory: Path) -> Path | None:
    """A certificate for 127.0.0.1, and the file of the authority that signed it; None where trustme is missing."""
    try:
        import trustme
    except ImportError:
        return None
    authority, ca = trustme.CA(), directory / "ca.pem"
    authority.cert_pem.write_to_path(str(ca))
    issued = authority.issue_cert("127.0.0.1", "localhost")
    issued.private_key_and_cert_chain_pem.write_to_path(str(directory / "server.pem"))
    return ca


def nginx_command() -> str | None:
    """The `nginx` of this machine."""
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
