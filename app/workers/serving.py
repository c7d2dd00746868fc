"""Plain requests of a connection, answered one after the other. gunicorn has the connection once one is not plain."""

from __future__ import annotations

import io
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from ipaddress import ip_address, ip_network
from typing import Any

from gunicorn.http.message import MAX_REQUEST_LINE  # type: ignore[import-untyped]
from gunicorn.http.wsgi import base_environ  # type: ignore[import-untyped]

from app.workers import refusing
from app.workers.answer import Answer
from app.workers.plain import READ_BYTES, Rest, read_head

log = logging.getLogger("gunicorn.error")

_GUNICORNS = (
    "accesslog", "certfile", "http2_cleartext", "logconfig", "logconfig_dict", "logconfig_json", "logger_class",
    "post_request", "pre_request", "protocol", "proxy_protocol", "statsd_host", "syslog",
)  # fmt: skip
"""Settings that gunicorn alone heeds: where one is not as it comes, it reads every request."""


def serves_plain(cfg: Any) -> bool:
    """Whether gunicorn's settings leave plain requests to us."""
    known = [cfg.settings[name] for name in _GUNICORNS if name in cfg.settings]
    return bool(cfg.keepalive) and "SCRIPT_NAME" not in os.environ and all(one.get() == one.default for one in known)


class Serving:
    """How a worker answers plain requests."""

    def __init__(self, worker: Any) -> None:
        """`worker` is gunicorn's, with its application."""
        self._worker, cfg = worker, worker.cfg
        self._longest = min(
            cfg.limit_request_line or MAX_REQUEST_LINE, cfg.limit_request_field_size or MAX_REQUEST_LINE
        )
        self._most = cfg.limit_request_fields
        self._environ = {
            **base_environ(cfg),
            "wsgi.multithread": True,
            "wsgi.url_scheme": "http",
            "SCRIPT_NAME": "",
            "SERVER_PROTOCOL": "HTTP/1.1",
        }
        self._secure = {f"HTTP_{name.replace('-', '_')}": value for name, value in cfg.secure_scheme_headers.items()}

    def serve(self, sock: Any, server: Any, client: Any, waiting: Callable[[], AbstractContextManager[Any]]) -> bytes:
        """Answer until the connection is over (b""), or a request is not plain: what was read of it.

        `server` and `client` are the addresses of both ends; `waiting` is entered while the client is to speak.
        Raises OSError where it has left.
        """
        environ = {**self._environ, **_addresses(server, client)}
        secure = self._secure if _trusts(self._worker.cfg.forwarded_allow_ips, client) else {}
        data = b""
        while True:
            if not data:
                with waiting():
                    data = sock.recv(READ_BYTES)
            head = read_head(data, self._longest, self._most)
            scheme = head and _scheme(head.environ, secure)
            if head is None or scheme is None:
                return data
            body, data = data[head.size : head.size + head.length], data[head.size + head.length :]
            rest = Rest(sock, body, head.length) if len(body) < head.length else None
            said = io.BufferedReader(rest, READ_BYTES) if rest else io.BytesIO(body)
            told = {**environ, **head.environ, "wsgi.input": said, "wsgi.url_scheme": scheme}
            if not self._answer(sock, told, keeps=head.keeps) or (rest and not _drained(rest, waiting)):
                return b""

    def _answer(self, sock: Any, environ: dict[str, Any], *, keeps: bool) -> bool:
        """Answer one request; whether there may be another."""
        worker = self._worker
        worker.nr += 1
        if worker.nr >= worker.max_requests and worker.alive:
            worker.log.info("Autorestarting worker after current request.")
            worker.alive = False
        answer = Answer(sock, keeps=keeps and worker.alive)
        try:
            _written(worker.wsgi(environ, answer.start), answer)
        except OSError:
            raise
        except Exception:
            log.exception("Error handling request")
            if not answer.begun:
                sock.sendall(refusing.answer(500))
            return False
        return answer.keeps


class _Untold:
    """Of a body that does not say whether its end is here."""

    is_over = False


def _written(pieces: Iterable[bytes], answer: Answer) -> None:
    body = getattr(pieces, "body", None)  # ours says when what is to come is here already: see app/api/lean.py
    told: Any = body if hasattr(body, "is_over") else _Untold
    try:
        for piece in pieces:
            answer.write(piece, told.is_over)
        answer.end()
    finally:
        if hasattr(pieces, "close"):
            pieces.close()


def _drained(rest: Rest, waiting: Callable[[], AbstractContextManager[Any]]) -> bool:
    """Whether what is left of a body could be passed over, so that a next request may follow."""
    with waiting():
        while rest.left and rest.read(READ_BYTES):
            pass
    return not rest.left


def _addresses(server: Any, client: Any) -> Mapping[str, str]:
    """Of a socket's both ends; one of the file system has no names for them."""
    told = {"REMOTE_ADDR": "", "SERVER_NAME": "localhost", "SERVER_PORT": "80"}
    if isinstance(server, tuple):
        told |= {"SERVER_NAME": server[0], "SERVER_PORT": str(server[1])}
    if isinstance(client, tuple):
        told |= {"REMOTE_ADDR": client[0], "REMOTE_PORT": str(client[1])}
    return told


def _trusts(allowed: Iterable[str], client: Any) -> bool:
    """Whether this client may say by which scheme it was asked: as gunicorn decides it."""
    if not isinstance(client, tuple) or "*" in allowed:
        return True
    address = ip_address(client[0])
    return any(address in ip_network(network) for network in allowed)


def _scheme(environ: Mapping[str, Any], secure: Mapping[str, str]) -> str | None:
    """By which scheme a trusted proxy was asked; None where its headers contradict each other."""
    if secure.keys().isdisjoint(environ):
        return "http"
    said = {"https" if environ[name] == value else "http" for name, value in secure.items() if name in environ}
    return said.pop() if len(said) == 1 else None
