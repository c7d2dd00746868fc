"""Which endpoints there are, as MLflow's gateway tells it, to the letter."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from app.api import endpoints as listing
from tests.serving import KEY, Gateway, endpoint
from tests.upstream import Upstream

NONE: list[Any] = []


@pytest.fixture
def client(gateway: Gateway, upstream: Upstream) -> Any:
    limited = endpoint(upstream, "limited", limit={"calls": 2, "renewal_period": "minute"})
    split = {
        "name": "split",
        "task_type": "llm/v1/chat",
        "destinations": [{"name": "chat", "traffic_percentage": 80}, {"name": "limited", "traffic_percentage": 20}],
    }
    return gateway(endpoint(upstream), limited, endpoint(upstream, "embed", "embeddings"), routes=[split])


MODEL = {"name": "gpt-4o-mini", "provider": "openai-compatible"}
CHAT = {
    "name": "chat",
    "endpoint_type": "llm/v1/chat",
    "model": MODEL,
    "endpoint_url": "/gateway/chat/invocations",
    "limit": None,
}
LIMITED = {
    **CHAT,
    "name": "limited",
    "endpoint_url": "/gateway/limited/invocations",
    "limit": {"calls": 2, "key": None, "renewal_period": "minute"},
}
EMBED = {**CHAT, "name": "embed", "endpoint_type": "llm/v1/embeddings", "endpoint_url": "/gateway/embed/invocations"}


def legacy(said: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": said["name"],
        "route_type": said["endpoint_type"],
        "model": said["model"],
        "route_url": said["endpoint_url"],
        "limit": said["limit"],
    }


def test_the_list_is_in_the_order_of_the_file_and_without_traffic_routes(client: Any) -> None:
    response = client.get("/api/2.0/endpoints/")
    assert response.get_json() == {"endpoints": [CHAT, LIMITED, EMBED], "next_page_token": None}
    assert response.content_type == "application/json"


def test_the_legacy_list_calls_them_routes(client: Any) -> None:
    expected = {"routes": [legacy(CHAT), legacy(LIMITED), legacy(EMBED)], "next_page_token": None}
    assert client.get("/api/2.0/gateway/routes/").get_json() == expected


@pytest.mark.parametrize("url", ["/api/2.0/endpoints/", "/api/3.0/gateway/endpoint/"])
def test_one_endpoint_is_told_alone(client: Any, url: str) -> None:
    assert client.get(url + "limited").get_json() == LIMITED
    response = client.get(url + "nope")
    assert response.status_code == 404
    words = "The endpoint 'nope' is not present or active on the server. Please verify the endpoint name."
    assert response.get_json()["detail"] == response.get_json()["error"]["message"] == words
    assert client.get(url + "split").status_code == 404


def test_one_legacy_route_is_told_alone(client: Any) -> None:
    assert client.get("/api/2.0/gateway/routes/chat").get_json() == legacy(CHAT)
    words = "The route 'nope' is not present or active on the server. Please verify the route name."
    assert client.get("/api/2.0/gateway/routes/nope").get_json()["detail"] == words


def test_a_traffic_route_is_told_by_the_3_0_interface(client: Any) -> None:
    assert client.get("/api/3.0/gateway/route/split").get_json() == {
        "name": "split",
        "task_type": "llm/v1/chat",
        "routing_strategy": "TRAFFIC_SPLIT",
        "destinations": [{"name": "chat", "traffic_percentage": 80}, {"name": "limited", "traffic_percentage": 20}],
    }
    assert client.get("/api/3.0/gateway/route/chat").status_code == 404


@pytest.mark.parametrize("url", ["/api/2.0/endpoints", "/api/2.0/gateway/routes"])
def test_a_list_without_its_slash_is_a_307_that_names_no_host(client: Any, url: str) -> None:
    response = client.get(f"{url}?page_token=x", headers={"Host": "evil.example"})
    assert (response.status_code, response.headers["Location"]) == (307, f"{url}/?page_token=x")


@pytest.mark.parametrize("url", ["/api/2.0/endpoints/limits/chat", "/api/2.0/gateway/limits/chat"])
def test_limits_cannot_be_had(client: Any, url: str) -> None:
    response = client.get(url)
    assert (response.status_code, response.get_json()["detail"]) == (501, "The get_limits API is not available yet.")


@pytest.mark.parametrize("url", ["/api/2.0/endpoints/limits/", "/api/2.0/gateway/limits/"])
def test_limits_cannot_be_set(client: Any, url: str) -> None:
    response = client.post(url, json={"route": "chat", "limits": [{"calls": 1, "renewal_period": "minute"}]})
    assert (response.status_code, response.get_json()["detail"]) == (501, "The set_limits API is not available yet.")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"route": "chat"},
        {"route": 1, "limits": []},
        {"route": "chat", "limits": "x"},
        [],
        None,
        {"route": "chat", "limits": [1]},
    ],
)
def test_a_limit_that_is_none_is_refused(client: Any, body: Any) -> None:
    response = client.post("/api/2.0/endpoints/limits/", json=body)
    assert response.status_code == 422
    assert response.get_json()["detail"]


# ---- pages


def token(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_pages_follow_each_other_by_token(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_SIZE", 2)
    first = client.get("/api/2.0/endpoints/").get_json()
    assert first == {"endpoints": [CHAT, LIMITED], "next_page_token": "eyJpbmRleCI6Mn0="}
    second = client.get("/api/2.0/endpoints/", query_string={"page_token": first["next_page_token"]}).get_json()
    assert second == {"endpoints": [EMBED], "next_page_token": None}


def test_mlflows_own_tokens_are_read(client: Any) -> None:
    response = client.get("/api/2.0/endpoints/?page_token=eyJpbmRleCI6IDExfQ==")
    assert response.get_json() == {"endpoints": [], "next_page_token": None}
    page = client.get("/api/2.0/gateway/routes/", query_string={"page_token": token('{"index": 2}')}).get_json()
    assert page["routes"] == [legacy(EMBED)]


@pytest.mark.parametrize(
    "bad",
    [
        "x",
        "é",
        "====",
        token("{}"),
        token("[1]"),
        token('{"index": -1}'),
        token('{"index": "1"}'),
        token("7"),
        token('{"index": 1.5}'),
        token('{"index": true}'),
        token('{"index": null}'),
        "x" * 5000,
    ],
)
def test_a_bad_token_is_a_bad_request(client: Any, bad: str) -> None:
    for url in ("/api/2.0/endpoints/", "/api/2.0/gateway/routes/"):
        response = client.get(url, query_string={"page_token": bad})
        assert (response.status_code, response.get_json()["error"]["param"]) == (400, "page_token")
        assert len(response.data) < 1000


def test_an_index_far_beyond_the_end_is_an_empty_page(client: Any) -> None:
    response = client.get("/api/2.0/endpoints/", query_string={"page_token": token('{"index": 18446744073709551615}')})
    assert response.get_json() == {"endpoints": NONE, "next_page_token": None}


# ---- OpenAI's list


def test_models_are_endpoints_and_routes(client: Any) -> None:
    listed = client.get("/v1/models").get_json()
    assert listed["object"] == "list"
    assert [model["id"] for model in listed["data"]] == ["chat", "limited", "embed", "split"]
    assert {tuple(model) for model in listed["data"]} == {("id", "object", "created", "owned_by")}
    assert client.get("/v1/models/split").get_json() == listed["data"][-1]


def test_an_unknown_model_is_not_found_in_openais_words(client: Any) -> None:
    response = client.get("/v1/models/nope")
    assert response.status_code == 404
    assert response.get_json() == {
        "error": {
            "message": "The model 'nope' does not exist",
            "type": "invalid_request_error",
            "param": "model",
            "code": "model_not_found",
        }
    }


def test_no_list_tells_a_key_or_an_address(client: Any, upstream: Upstream) -> None:
    for url in (
        "/api/2.0/endpoints/",
        "/api/2.0/gateway/routes/",
        "/v1/models",
        "/health/ready",
        "/metrics",
        "/openapi.json",
        "/api/3.0/gateway/route/split",
    ):
        text = client.get(url).text
        assert KEY not in text
        assert str(upstream.port) not in text
