"""The documentation: an interactive page, all of it served by the gateway itself, and the OpenAPI document behind."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

import orjson
from flask import Blueprint, Response, redirect, send_from_directory, url_for
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as BaseResponse

from app.api.docs import document

blueprint = Blueprint("docs", __name__)

_OURS = Path(__file__).parent / "static"
_SWAGGER_UI = Path(str(files("flask_swagger_ui"))) / "dist"

FILES = {
    "start.js": _OURS,
    "swagger-ui.css": _SWAGGER_UI,
    "swagger-ui-bundle.js": _SWAGGER_UI,
}
"""What the page loads -> the directory that it is in. Swagger UI is taken from a package that follows its releases."""

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",  # Swagger UI's style sheet draws its arrows from data: URLs
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)


@blueprint.get("/")
def root() -> BaseResponse:
    """To the documentation, with MLflow's status."""
    return redirect(url_for("docs.page"), 307)


@blueprint.get("/docs")
def page() -> Response:
    """The page. It names its files relative to itself and has no script or style of its own in it."""
    response = send_from_directory(_OURS, "index.html")
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["Referrer-Policy"] = "no-referrer"
    return _safe(response)


@blueprint.get("/docs/<name>")
def file(name: str) -> Response:
    """A file of the page."""
    if name not in FILES:
        raise NotFound
    return _safe(send_from_directory(FILES[name], name))


@blueprint.get("/favicon.ico")
def icon() -> Response:
    """The gateway's icon, as SVG."""
    return _safe(send_from_directory(_OURS, "icon.svg", mimetype="image/svg+xml"))


@blueprint.get("/openapi.json")
def openapi() -> Response:
    """The document, made at its first reading and then kept as bytes."""
    return _safe(Response(_document(), mimetype="application/json"))


@cache
def _document() -> bytes:
    return orjson.dumps(document.build())


def _safe(response: Response) -> Response:
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
