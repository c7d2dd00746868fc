"""What every test of a wrong request looks at: the URLs, a gateway that must serve on, and what each error has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.serving import CHAT, Gateway, three
from tests.upstream import Upstream

ON_GATEWAY = "/gateway/chat/invocations"
ON_V1 = "/v1/chat/completions"
JSON = "application/json"


@pytest.fixture
def client(gateway: Gateway, upstream: Upstream) -> Iterator[Any]:
    served = gateway(*three(upstream), max_body=100_000)
    yield served
    assert served.post(ON_GATEWAY, json=CHAT).status_code == 200, "it serves on"


def check(response: TestResponse, status: int, words: str = "") -> dict[str, Any]:
    """The error object, after a look at all that every error has."""
    assert response.status_code == status, response.data
    assert response.content_type == JSON
    assert response.headers["X-Request-ID"]
    assert response.headers["X-Gateway-Error-Source"] == "gateway"
    body = response.get_json()
    assert set(body) == ({"error"} if response.request.path.startswith("/v1/") else {"detail", "error"})
    error: dict[str, Any] = body["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert words in error["message"], error
    return error
