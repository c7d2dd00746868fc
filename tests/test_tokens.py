"""OAuth tokens: one fetch for all who need the same one, again when it ends, and errors that hold no secret."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from app.errors import Garbled, GatewayError, Refused, Unreachable
from app.providers.oauth import Grant
from app.tokens import OAuthTokens
from app.transport import SocketAdapter, Transport
from tests.serving import Gateway
from tests.upstream import Reply, Request, Upstream, Wait, chat_completion, closed_port, held, json_reply

SECRET = "canary-secret-c0ffee"


def grant(upstream: Upstream) -> Grant:
    return Grant(f"{upstream.url}/oidc/v1/token", "id", SECRET, "all-apis")


def token(value: str, lasts: Any = 3600) -> Reply:
    return json_reply({"access_token": value, "token_type": "Bearer", "expires_in": lasts})


@pytest.fixture
def tokens() -> Iterator[OAuthTokens]:
    sockets = SocketAdapter()
    transport = Transport({"http": sockets, "https": sockets})
    yield OAuthTokens(transport)
    transport.close()


def test_a_token_is_asked_for_once_per_grant(tokens: OAuthTokens, upstream: Upstream) -> None:
    upstream.replies = [token("t1"), token("t2")]
    mine, other = grant(upstream), replace(grant(upstream), client_id="another")
    assert [tokens(mine), tokens(mine), tokens(grant(upstream))] == ["t1"] * 3
    assert [tokens(other), tokens(mine)] == ["t2", "t1"]
    asked = upstream.requests[0]
    assert (asked.method, asked.target) == ("POST", "/oidc/v1/token")
    assert asked.body == b"grant_type=client_credentials&scope=all-apis"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"


@pytest.mark.parametrize("lasts", [0, 59, None, "soon"])
def test_a_token_that_is_about_to_end_is_not_used_again(tokens: OAuthTokens, upstream: Upstream, lasts: Any) -> None:
    upstream.replies = [token("t1", lasts), token("t2")]
    assert [tokens(grant(upstream)) for _ in range(3)] == ["t1", "t2", "t2"]


def test_threads_that_need_the_same_token_share_one_fetch(tokens: OAuthTokens, upstream: Upstream) -> None:
    release, got = threading.Event(), []
    upstream.replies = [held(token("t1"), Wait(release)), token("t2")]
    threads = [threading.Thread(target=lambda: got.append(tokens(grant(upstream)))) for _ in range(16)]
    for thread in threads:
        thread.start()
    upstream.wait_for_requests(1)
    release.set()
    for thread in threads:
        thread.join(10)
    assert got == ["t1"] * 16
    assert len(upstream.requests) == 1


def test_a_fetch_that_hangs_keeps_nobody_from_another_token(tokens: OAuthTokens, upstream: Upstream) -> None:
    release = threading.Event()
    with Upstream(held(token("slow"), Wait(release))) as slow:
        waiting = threading.Thread(target=tokens, args=(grant(slow),))
        waiting.start()
        slow.wait_for_requests(1)
        upstream.replies = token("quick")
        assert tokens(grant(upstream)) == "quick"
        release.set()
        waiting.join(10)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (json_reply({"error": "invalid_client", "error_description": f"{SECRET} is wrong"}, 401), Refused),
        (json_reply({"error": {"message": f"no such key: sk-{SECRET}"}}, 400), Refused),
        (json_reply({"access_token": ""}), Garbled),
        (json_reply([]), Garbled),
        (Reply(200, {"Content-Length": "6"}, (b"<html>",)), Garbled),
    ],
)
def test_no_token_is_an_error_without_secrets_and_asked_for_again(
    tokens: OAuthTokens, upstream: Upstream, reply: Reply, kind: type[GatewayError]
) -> None:
    upstream.replies = [reply, token("t")]
    with pytest.raises(kind) as caught:
        tokens(grant(upstream))
    assert SECRET not in str(caught.value.error)
    assert tokens(grant(upstream)) == "t"


def test_an_authorization_server_that_is_not_there_is_unreachable(tokens: OAuthTokens) -> None:
    with pytest.raises(Unreachable) as caught:
        tokens(Grant(f"http://127.0.0.1:{closed_port()}/token", "id", SECRET, "s"))
    assert SECRET not in str(caught.value.error)


# --- through the gateway


def databricks(upstream: Upstream) -> dict[str, Any]:
    settings = {"host": upstream.url, "client_id": "id", "client_secret": SECRET}
    model = {"provider": "databricks", "name": "m", "config": settings}
    return {"name": "chat", "endpoint_type": "llm/v1/chat", "model": model}


def test_calls_carry_the_token_and_share_it(gateway: Gateway, upstream: Upstream) -> None:
    def script(request: Request) -> Reply:
        return token("t1") if request.target.endswith("/token") else json_reply(chat_completion("Hi"))

    upstream.replies = script
    client = gateway(databricks(upstream))
    for _ in range(2):
        answer = client.post("/gateway/chat/invocations", json={"messages": [{"role": "user", "content": "q"}]})
        assert answer.status_code == 200
    assert [request.target for request in upstream.requests] == [
        "/oidc/v1/token", "/serving-endpoints/chat/completions", "/serving-endpoints/chat/completions",
    ]  # fmt: skip
    assert {request.headers["authorization"] for request in upstream.requests[1:]} == {"Bearer t1"}


def test_a_refused_principal_is_told_to_be_the_gateways_own(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = json_reply({"error": "invalid_client", "error_description": "unknown"}, 401)
    answer = gateway(databricks(upstream)).post(
        "/v1/chat/completions", json={"model": "chat", "messages": [{"role": "user", "content": "q"}]}
    )
    assert answer.status_code == 401
    assert answer.json is not None
    assert answer.json["error"]["code"] == "upstream_auth"
    assert SECRET not in answer.text
