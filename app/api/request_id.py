"""A request id in every answer: the client's, if it is sane, else one of ours."""

from __future__ import annotations

import os
import re

from flask import Flask, Response, g, request

HEADER = "X-Request-ID"

_SANE = re.compile(r"[A-Za-z0-9._:\-]{1,128}")


def request_id() -> str:
    """The current request's id."""
    found: str | None = g.get("request_id")
    if found is None:
        said = request.headers.get(HEADER, "")
        found = g.request_id = said if _SANE.fullmatch(said) else os.urandom(16).hex()
    return found


def register(app: Flask) -> None:
    """Have every answer of an application carry its request's id."""

    @app.after_request
    def add(response: Response) -> Response:
        response.headers[HEADER] = request_id()
        return response
