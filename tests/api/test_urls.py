"""Names, URLs, methods and request ids that are wrong or odd: each has its status, and breaks nothing."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.api.checking import ON_GATEWAY, ON_V1, check
from tests.serving import CHAT, Gateway, endpoint
from tests.upstream import Upstream

if sys.version_info >= (3, 14):
    pass
else:
    pass


def test_an_unknown_endpoint_is_named(client: Any) -> None:
    for url in ("/gateway/nope/invocations", "/endpoints/nope/invocations"):
        check(client.post(url, json=CHAT), 404, "'nope'")
    error = check(client.post(ON_V1, json={**CHAT, "model": "nope"}), 404, "'nope'")
    assert error["code"] == "model_not_found"


@pytest.mark.parametrize(
    "name", ["caf%C3%A9", "%E4%B8%96", "%00", "%ff", "a%0d%0aX: y", "..", "%2e%2e", "x" * 5000, "a%20b", "{}"]
)
def test_an_odd_name_is_only_unknown(client: Any, name: str) -> None:
    response = client.post(f"/gateway/{name}/invocations", json=CHAT)
    check(response, 404)
    assert len(response.data) < 1500


@pytest.mark.parametrize("name", ["\u00e9", "\x00", "x" * 5000, "", "../chat", "chat\r\nX: y"])
def test_an_odd_model_is_only_unknown(client: Any, name: str) -> None:
    assert len(client.post(ON_V1, json={**CHAT, "model": name}).data) < 1500
    check(client.post(ON_V1, json={**CHAT, "model": name}), 404)


@pytest.mark.parametrize("model", [None, 7, [], {}, True])
def test_a_model_that_is_no_name_is_refused(client: Any, model: Any) -> None:
    assert check(client.post(ON_V1, json={**CHAT, "model": model}), 400)["param"] == "model"
    assert check(client.post(ON_V1, json=CHAT), 400, "Field required")["param"] == "model"


@pytest.mark.parametrize("model", ["chat", None, 7])
def test_a_model_where_the_url_names_the_endpoint_is_refused_in_mlflows_words(client: Any, model: Any) -> None:
    words = (
        "The parameter 'model' is not permitted to be passed. The route being queried already defines a model instance."
    )
    for url in (ON_GATEWAY, "/endpoints/chat/invocations"):
        response = client.post(url, json={**CHAT, "model": model})
        check(response, 422)
        assert response.get_json()["detail"] == words


@pytest.mark.parametrize(
    ("url", "model", "words"),
    [
        ("/v1/chat/completions", "completions", "Endpoint 'completions' is not a chat endpoint."),
        ("/v1/completions", "chat", "Endpoint 'chat' is not a completions endpoint."),
        ("/v1/embeddings", "chat", "Endpoint 'chat' is not an embeddings endpoint."),
    ],
)
def test_an_endpoint_of_another_type_is_refused_in_mlflows_words(client: Any, url: str, model: str, words: str) -> None:
    assert check(client.post(url, json={"model": model}), 400)["message"] == words


@pytest.mark.parametrize(
    ("method", "url", "allowed"),
    [
        ("GET", ON_GATEWAY, "POST"),
        ("PUT", "/endpoints/chat/invocations", "POST"),
        ("GET", ON_V1, "POST"),
        ("DELETE", "/v1/models", "GET"),
        ("POST", "/health", "GET"),
        ("POST", "/api/2.0/endpoints/", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(client: Any, method: str, url: str, allowed: str) -> None:
    response = client.open(url, method=method, json={})
    check(response, 405)
    assert allowed in response.headers["Allow"]


@pytest.mark.parametrize(
    "url",
    [
        "/nope",
        "//gateway/chat/invocations",
        "/gateway//invocations",
        "/gateway/chat/invocations/",
        "/gateway/a/b/invocations",
        "/gateway/%2e%2e/invocations/x",
        "/v1",
        "/v1/responses",
        "/v1/nope",
        "/GATEWAY/chat/invocations",
        "/%00",
        "/version",
        "/api",
        "/api/2.0/nope",
        "/\u00e9",
    ],
)
def test_an_unknown_path_is_not_found(client: Any, url: str) -> None:
    check(client.post(url, json=CHAT), 404)


def test_head_and_options_are_answered(client: Any) -> None:
    assert client.head("/health").status_code == 200
    assert client.head("/health").data == b""
    assert client.head(ON_GATEWAY).status_code == 405
    response = client.options(ON_GATEWAY)
    assert (response.status_code, set(response.headers["Allow"].split(", "))) == (200, {"OPTIONS", "POST"})


@pytest.mark.parametrize("said", ["", "a b", "x" * 129, "é", "a\tb", "<script>", "a;b", "a,b"])
def test_a_request_id_that_is_not_sane_is_replaced(client: Any, said: str) -> None:
    given = client.get("/health", environ_overrides={"HTTP_X_REQUEST_ID": said}).headers["X-Request-ID"]
    assert given != said
    assert given.isalnum()


@pytest.mark.parametrize("said", ["7f3a", "a-b_c.d:e", "x" * 128])
def test_a_sane_request_id_comes_back_on_every_answer(client: Any, said: str) -> None:
    for response in (
        client.get("/health", headers={"X-Request-ID": said}),
        client.get("/nope", headers={"X-Request-ID": said}),
        client.post(ON_GATEWAY, json=CHAT, headers={"X-Request-ID": said}),
    ):
        assert response.headers["X-Request-ID"] == said


def test_a_fault_of_ours_is_told_without_its_words(
    gateway: Gateway, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    served = gateway(endpoint(upstream))

    @served.application.get("/fault")
    def fault() -> None:
        raise RuntimeError("inner words")

    response = served.get("/fault")
    assert check(response, 500)["code"] == "internal_error"
    assert "inner words" not in response.text
    assert "inner words" in caplog.text
