"""Which endpoints and routes there are, as MLflow's 2.0, legacy and 3.0 interfaces say. Never a key or a setting."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any, TypeVar

import orjson
from flask import Blueprint, redirect, request
from marshmallow import INCLUDE, Schema
from werkzeug.wrappers import Response as BaseResponse

from app.api import body
from app.api.asked import asked
from app.config import Endpoint, TrafficRoute
from app.errors import BadRequest, NotFound, NotImplementedYet
from app.schemas import check_against
from app.schemas.fields import Exactly, ListOf, an_object

blueprint = Blueprint("endpoints", __name__, url_prefix="/api")

PAGE_SIZE = 3000
"""Endpoints per page; MLflow's MLFLOW_DEPLOYMENTS_LIST_ENDPOINTS_PAGE_SIZE."""

Item = TypeVar("Item")


@blueprint.get("/2.0/endpoints/")
def list_endpoints() -> dict[str, Any]:
    """One page of endpoints, in the order of the file."""
    page, token = _page(list(asked().snapshot.endpoints.values()))
    return {"endpoints": [_endpoint(endpoint) for endpoint in page], "next_page_token": token}


@blueprint.get("/2.0/endpoints")
@blueprint.get("/2.0/gateway/routes")
def add_slash() -> BaseResponse:
    """To the list, as MLflow does: 307. Without scheme and host: what a proxy passes on need not be the client's."""
    return redirect(request.full_path.replace("?", "/?", 1).rstrip("?"), 307)


@blueprint.get("/2.0/endpoints/<name>")
@blueprint.get("/3.0/gateway/endpoint/<name>")
def get_endpoint(name: str) -> dict[str, Any]:
    """One endpoint."""
    return _endpoint(_find(name, "endpoint"))


@blueprint.get("/2.0/gateway/routes/")
def list_routes() -> dict[str, Any]:
    """One page of endpoints in the words of MLflow's legacy gateway, which called them routes."""
    page, token = _page(list(asked().snapshot.endpoints.values()))
    return {"routes": [_legacy(endpoint) for endpoint in page], "next_page_token": token}


@blueprint.get("/2.0/gateway/routes/<name>")
def get_route(name: str) -> dict[str, Any]:
    """One endpoint in the words of MLflow's legacy gateway."""
    return _legacy(_find(name, "route"))


@blueprint.get("/3.0/gateway/route/<name>")
def get_traffic_route(name: str) -> dict[str, Any]:
    """One traffic route and its destinations."""
    route = asked().snapshot.routes.get(name)
    if route is None:
        raise _unknown(name, "route")
    return _traffic_route(route)


@blueprint.get("/2.0/endpoints/limits/<name>")
@blueprint.get("/2.0/gateway/limits/<name>")
def get_limits(name: str) -> dict[str, Any]:
    """Not available in MLflow's gateway either."""
    raise NotImplementedYet("The get_limits API is not available yet.")


class SetLimitsSchema(Schema):
    """What MLflow's set_limits takes."""

    class Meta:
        unknown = INCLUDE

    route = Exactly("a string", required=True)
    limits = ListOf(an_object, required=True)


@blueprint.post("/2.0/endpoints/limits/", strict_slashes=False)
@blueprint.post("/2.0/gateway/limits/", strict_slashes=False)
def set_limits() -> dict[str, Any]:
    """Not available in MLflow's gateway either: limits are set in the file."""
    one = asked()
    check_against(SetLimitsSchema(), body.said(one, one.snapshot.max_body).payload)
    raise NotImplementedYet("The set_limits API is not available yet.")


def _page(items: Sequence[Item]) -> tuple[Sequence[Item], str | None]:
    start = _index(request.args.get("page_token"))
    end = start + PAGE_SIZE
    return items[start:end], _token(end) if end < len(items) else None


def _index(token: str | None) -> int:
    """Where a page starts: the token is base64 of `{"index": N}`. Raises BadRequest."""
    if not token:
        return 0
    try:
        index = orjson.loads(b64decode(token, validate=True))["index"]
    except (binascii.Error, ValueError, KeyError, TypeError):
        index = None
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise BadRequest(f"'{token[:100]}' is not a page token of this server", param="page_token")
    return index


def _token(index: int) -> str:
    return b64encode(orjson.dumps({"index": index})).decode()


def _find(name: str, kind: str) -> Endpoint:
    endpoint = asked().snapshot.endpoints.get(name)
    if endpoint is None:
        raise _unknown(name, kind)
    return endpoint


def _unknown(name: str, kind: str) -> NotFound:
    words = f"The {kind} '{name}' is not present or active on the server. Please verify the {kind} name."
    return NotFound(words, code=f"{kind}_not_found")


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    limit = endpoint.limit
    return {
        "name": endpoint.name,
        "endpoint_type": endpoint.type,
        "model": {"name": endpoint.model, "provider": endpoint.provider.name},
        "endpoint_url": f"/gateway/{endpoint.name}/invocations",
        "limit": {"calls": limit.calls, "key": None, "renewal_period": limit.renewal_period} if limit else None,
    }


def _legacy(endpoint: Endpoint) -> dict[str, Any]:
    said = _endpoint(endpoint)
    return {
        "name": said["name"],
        "route_type": said["endpoint_type"],
        "model": said["model"],
        "route_url": said["endpoint_url"],
        "limit": said["limit"],
    }


def _traffic_route(route: TrafficRoute) -> dict[str, Any]:
    arms = [{"name": endpoint.name, "traffic_percentage": share} for endpoint, share in route.destinations]
    return {"name": route.name, "task_type": route.type, "destinations": arms, "routing_strategy": "TRAFFIC_SPLIT"}
