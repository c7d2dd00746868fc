"""Flask without what no request of a gateway needs: sessions, virtual hosts, and a second look at answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter

from app.api.asked import Asked

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class NoSessions(SessionInterface):
    """Nobody has one. Flask's own looks for a cookie's."""

    _null = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._null


class LeanFlask(Flask):
    """URLs are the same whatever the host, and views are plain functions."""

    request_class = Asked
    session_interface = NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Flask's own asks each view, at each request, whether it is a coroutine."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """What finds a request's rule. Flask's own works out the host first, which takes as long as the finding."""
        if request is None:
            return super().create_url_adapter(request)
        environ = request.environ
        return MapAdapter(
            self.url_map,
            server_name=environ.get("HTTP_HOST", ""),
            script_name=request.root_path or "/",
            subdomain="",
            url_scheme=request.scheme,
            path_info=request.path,
            default_method=request.method,
            query_args=environ["QUERY_STRING"],
        )


class LeanResponse(Response):
    """A 200 with a body, whose headers are as they shall be: Werkzeug's own copies them, and checks them once more."""

    is_over: Callable[[], bool] | None = None
    """Whether the pieces of its body that are still to come are here already: they may go out together."""

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """WSGI."""
        start_response(self.status, self.headers.to_wsgi_list())
        return _Pieces(self)


class _Pieces:
    """A body's, and what is to be done when nobody wants more of them."""

    def __init__(self, response: LeanResponse) -> None:
        self._response = response
        self.close, self.is_over = response.close, response.is_over

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._response.response)  # type: ignore[arg-type]  # bytes: nothing of ours is text
