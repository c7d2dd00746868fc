"""What gunicorn refuses before the application sees it (a broken request line, two lengths), said in JSON."""

from __future__ import annotations

import uuid
from http import HTTPStatus
from typing import Any

import orjson
from gunicorn import util  # type: ignore[import-untyped]


class RefusesInJson:
    """A worker's part: gunicorn decides the status, and says it in HTML; the client gets the gateway's error shape."""

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Answer what could not be read. The words are the status's own: what was sent is not said again."""
        said = _Recorder()
        super().handle_error(req, said, addr, exc)  # type: ignore[misc]
        if said.status:
            util.write_nonblock(client, answer(said.status))


class _Recorder:
    """Stands where gunicorn expects the client's socket."""

    status = 0

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, data: bytes) -> None:
        self.status = int(data.split(b" ", 2)[1])


def answer(status: int) -> bytes:
    """A whole HTTP answer in both surfaces' shapes, since nobody knows which one was meant."""
    words = HTTPStatus(status).phrase
    kind = "invalid_request_error" if status < 500 else "server_error"
    error = {"message": words, "type": kind, "param": None, "code": words.lower().replace(" ", "_")}
    body = orjson.dumps({"detail": words, "error": error})
    head = [
        f"HTTP/1.1 {status} {words}",
        "Connection: close",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        f"X-Request-ID: {uuid.uuid4().hex}",
        "X-Gateway-Error-Source: gateway",
    ]
    return "\r\n".join((*head, "", "")).encode() + body
