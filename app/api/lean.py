"""Flask without what no request of a gateway needs: sessions, virtual hosts, and a second look at answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import Map, MapAdapter, Rule

from app.api.asked import Asked

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class NoSessions(SessionInterface):
    """Nobody has one. Flask's own looks for a cookie's."""

    _null = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._null


class _Map(Map):
    """URL rules, and which of them the last paths had."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.found: dict[tuple[str, str], tuple[Rule, Mapping[str, Any]]] = {}
        """By method and path: the rule, and the values that it finds in the path."""


class LeanFlask(Flask):
    """URLs are the same whatever the host, and views are plain functions."""

    request_class, url_map_class = Asked, _Map
    session_interface = NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Flask's own asks each view, at each request, whether it is a coroutine."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """What finds a request's rule. Flask's own works out the host first, which takes as long as the finding."""
        if request is None:
            return super().create_url_adapter(request)
        environ = request.environ
        return _Finder(
            self.url_map,
            server_name=environ.get("HTTP_HOST", ""),
            script_name=request.root_path or "/",
            subdomain="",
            url_scheme=request.scheme,
            path_info=request.path,
            default_method=request.method,
            query_args=environ.get("QUERY_STRING", ""),
        )


class _Finder(MapAdapter):
    """Finds a request's rule, and remembers it: most requests have one of a few paths."""

    _MOST, _LONGEST = 1024, 200
    map: _Map

    def match(self, *args: Any, **options: Any) -> Any:
        """See MapAdapter. What is remembered is bounded, in number and size: clients choose the paths."""
        if args or options != {"return_rule": True} or len(self.path_info) > self._LONGEST:
            return super().match(*args, **options)
        known, key = self.map.found, (self.default_method, self.path_info)
        found = known.get(key)
        if found is None:
            if len(known) >= self._MOST:
                known.clear()
            found = known[key] = super().match(return_rule=True)
        rule, values = found
        return rule, dict(values)


class LeanResponse(Response):
    """A 200 with a body in pieces. Werkzeug's own copies its headers, and looks at each of them twice."""

    def __init__(self, pieces: Iterable[bytes], content_type: str) -> None:
        super().__init__(pieces, content_type=content_type)
        self._told: dict[str, tuple[str, str]] = {}

    def tell(self, headers: Mapping[str, str]) -> None:
        """Set headers beside those in `headers`, in the place of what was told before under the same names."""
        self._told.update({name.lower(): (name, value) for name, value in headers.items()})

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """WSGI."""
        start_response(self.status, [*self.headers, *self._told.values()])
        return _Pieces(self)


class _Pieces:
    """A body's, and what is to be done when nobody wants more of them."""

    def __init__(self, response: LeanResponse) -> None:
        self.close, self.body = response.close, response.response
        """`body`: where it has an `is_over`, that says whether the pieces still to come may go out together."""

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)  # type: ignore[arg-type]  # bytes: nothing of ours is text
