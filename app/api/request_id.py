"""A request id in every answer: the client's, if it is sane, else one of ours."""

from __future__ import annotations

from flask import Flask, Response

from app.api.asked import ID_HEADER, asked


def register(app: Flask) -> None:
    """Have every answer of an application carry its request's id."""

    @app.after_request
    def add(response: Response) -> Response:
        response.headers[ID_HEADER] = asked().id
        return response
