"""What the gateway leaves out of Flask, and that nobody notices: rules remembered, headers said once, no sessions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask, request, session
from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder, run_wsgi_app

from app.api.asked import asked
from app.api.lean import LeanFlask, LeanResponse
from tests.api.checking import JSON, ON_GATEWAY, check
from tests.serving import CHAT, Gateway, endpoint
from tests.upstream import Reply, Upstream, chat_chunks, chat_completion, json_reply, sse_reply

LIMITS = "/api/2.0/endpoints/limits"
"""Without its slash: where it stands is told."""
PATHS_REMEMBERED = 1024


def with_views(app: Flask) -> Flask:
    """One view of each sort."""
    app.url_map.merge_slashes = False
    app.add_url_rule("/", "root", lambda: "root")
    app.add_url_rule("/plain", "plain", lambda: "plain", methods=["GET"])
    app.add_url_rule("/plain", "put", lambda: "put", methods=["PUT"])
    app.add_url_rule("/things/<name>", "thing", lambda name: f"thing {name}")
    app.add_url_rule("/numbers/<int:number>", "number", lambda number: f"number {number + 1}")
    app.add_url_rule("/deep/<path:rest>", "deep", lambda rest: f"deep {rest}")
    app.add_url_rule("/slashed/", "slashed", lambda: request.query_string, methods=["GET", "POST"])
    app.add_url_rule("/with/default", "default", lambda name: f"default {name}", defaults={"name": "x"})
    return app


@pytest.fixture
def lean() -> LeanFlask:
    app = LeanFlask("lean", static_folder=None)
    with_views(app)
    return app


def said(app: Flask, method: str, url: str, **more: Any) -> tuple[int, list[tuple[str, str]], bytes]:
    answer = app.test_client().open(url, method=method, **more)
    return answer.status_code, sorted(answer.headers), answer.data


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "POST", "TRACE", "ODD"])
@pytest.mark.parametrize(
    "url",
    [
        "/",
        "/plain",
        "/plain/",
        "/things/a",
        "/things/a%20b%c3%a9",
        "/things/%ff",
        "/things/",
        "/numbers/7",
        "/numbers/x",
        "/deep/a//b",
        "/slashed",
        "/slashed?a=b%20c&a=%c3%a9",
        "/slashed/?a=b",
        "/with/default",
        "/nope",
        "/PLAIN",
    ],
)
def test_what_flask_answers_is_answered_at_first_and_when_it_is_remembered(
    lean: LeanFlask, method: str, url: str
) -> None:
    expected = said(with_views(Flask("full", static_folder=None)), method, url)
    assert [said(lean, method, url) for _ in range(3)] == [expected] * 3


@pytest.mark.parametrize("prefix", ["/weir", "/a/b"])
def test_below_a_proxys_prefix_a_redirect_keeps_it(lean: LeanFlask, prefix: str) -> None:
    below = {"environ_overrides": {"SCRIPT_NAME": prefix}}
    expected = said(with_views(Flask("full", static_folder=None)), "GET", "/slashed", **below)
    assert expected[0] == 308
    assert [said(lean, "GET", "/slashed", **below) for _ in range(2)] == [expected] * 2


def test_what_one_method_has_remembered_is_not_anothers(lean: LeanFlask) -> None:
    methods = ["GET", "PUT", "DELETE", "GET", "PUT", "HEAD"]
    answers = [said(lean, method, "/plain") for method in methods]
    assert [status for status, _, _ in answers] == [200, 200, 405, 200, 200, 200]
    assert [body for _, _, body in answers if b"html" not in body] == [b"plain", b"put", b"plain", b"put", b""]


def test_what_one_path_has_remembered_is_not_anothers(lean: LeanFlask) -> None:
    names = ["a", "b", "a", "A", "b"]
    assert [said(lean, "GET", f"/things/{name}")[2].decode() for name in names] == [f"thing {name}" for name in names]


def test_what_a_view_does_to_its_arguments_is_not_the_next_ones(lean: LeanFlask) -> None:
    @lean.get("/changed/<name>")
    def changed(name: str) -> str:
        assert request.view_args is not None
        request.view_args["name"] = "another"
        request.view_args["more"] = "of them"
        return name

    assert [said(lean, "GET", "/changed/first")[2] for _ in range(4)] == [b"first"] * 4


def test_clients_cannot_have_more_than_some_paths_remembered(lean: LeanFlask) -> None:
    client, known = lean.test_client(), lean.url_map.found  # type: ignore[attr-defined]
    most = 0
    for number in range(PATHS_REMEMBERED + 100):
        assert client.get(f"/numbers/{number}").text == f"number {number + 1}"
        most = max(most, len(known))
    assert most == PATHS_REMEMBERED
    assert client.get("/numbers/0").text == "number 1"
    assert ("GET", "/numbers/0") in {(method, f"/{path.lstrip('/')}") for method, path in known}


@pytest.mark.parametrize(("length", "count"), [(150, 1), (250, 0), (5000, 0)])
def test_a_long_path_is_answered_and_not_remembered(lean: LeanFlask, length: int, count: int) -> None:
    name = "x" * length
    for _ in range(2):
        assert lean.test_client().get(f"/things/{name}").text == f"thing {name}"
    assert len(lean.url_map.found) == count  # type: ignore[attr-defined]


@pytest.mark.parametrize(("method", "path"), [("GET", "/nope"), ("POST", "/plain"), ("GET", "/slashed")])
def test_what_has_no_rule_is_not_remembered(lean: LeanFlask, method: str, path: str) -> None:
    said(lean, method, path)
    assert not lean.url_map.found  # type: ignore[attr-defined]


def test_the_limits_are_there_without_their_slash_too(client: Any) -> None:
    for host in ("weir.test", "[::1]:5000", "weir.test"):
        answers = [client.post(path, json={}, headers={"Host": host}) for path in (LIMITS, f"{LIMITS}/")]
        assert [answer.status_code for answer in answers] == [422, 422]
        assert answers[0].json == answers[1].json


ODD_HOSTS = [
    "",
    "weir.test:8080",
    "[::1]:5000",
    "a b",
    "\xff",
    "<script>",
    "a/b",
    "[",
    "[::1",
    "a:b:c",
    "a..b",
    "x" * 300,
]


@pytest.mark.parametrize("host", ODD_HOSTS)
def test_a_hosts_name_changes_no_answer(client: Any, host: str) -> None:
    for method, path in [
        ("GET", "/"),
        ("GET", "/health"),
        ("GET", "/docs"),
        ("GET", "/openapi.json"),
        ("GET", "/v1/models"),
        ("GET", "/api/2.0/endpoints"),
        ("GET", "/api/2.0/endpoints/"),
        ("GET", "/api/2.0/endpoints/chat"),
        ("POST", "/health"),
        ("GET", "/nope"),
    ]:
        usual = client.open(path, method=method)
        answer = client.open(path, method=method, environ_overrides={"HTTP_HOST": host})
        assert (answer.status_code, answer.headers.get("Location")) == (
            usual.status_code,
            usual.headers.get("Location"),
        )
    assert client.post(ON_GATEWAY, json=CHAT, environ_overrides={"HTTP_HOST": host}).status_code == 200


@pytest.mark.parametrize("host", ["", "[", "[::1", "a:b:c", "a..b", "x" * 300])
def test_an_odd_host_breaks_nothing_and_is_not_redirected_to(client: Any, host: str) -> None:
    assert client.post(LIMITS, json={}, environ_overrides={"HTTP_HOST": host}).status_code == 422
    answer = client.get("/api/2.0/endpoints", environ_overrides={"HTTP_HOST": host})
    assert (answer.status_code, answer.headers["Location"]) == (307, "/api/2.0/endpoints/")


@pytest.mark.parametrize(
    "missing",
    ["HTTP_HOST", "QUERY_STRING"],
)
def test_what_wsgi_lets_a_server_leave_out_is_not_needed(client: Any, missing: str) -> None:
    environ = EnvironBuilder(path="/v1/models").get_environ()
    environ.pop(missing, None)
    assert run_wsgi_app(client.application, environ, buffered=True)[1] == "200 OK"


def test_a_cookie_changes_nothing_and_none_is_set() -> None:
    apps = [Flask("full"), LeanFlask("lean")]
    for app in apps:
        app.secret_key = "the same"
        app.add_url_rule("/who", "who", lambda: session.get("who", "nobody"))
    with apps[0].test_client() as full:
        with full.session_transaction() as known:
            known["who"] = "somebody"
        answer = full.get("/who")
        assert answer.text == "somebody"
        cookie = answer.request.headers["Cookie"]
    for headers in ({"Cookie": cookie}, {"Cookie": "session=\xff;;=;"}, {}):
        lean = apps[1].test_client().get("/who", headers=headers)
        assert (lean.status_code, lean.text) == (200, "nobody")
        assert not {"Set-Cookie", "Vary"} & set(lean.headers.keys())


def test_a_client_with_a_cookie_is_answered_like_any_other(client: FlaskClient) -> None:
    for cookie in ("session=.eJx; a=b", "\xff", "session=", "x" * 4000):
        for answer in (client.get("/v1/models", headers={"Cookie": cookie}), client.post(ON_GATEWAY, json=CHAT)):
            assert answer.status_code == 200
            assert "Set-Cookie" not in answer.headers


def test_a_request_has_one_id_and_the_next_one_another(gateway: Gateway, upstream: Upstream) -> None:
    served = gateway(endpoint(upstream))
    served.application.add_url_rule("/id", "id", lambda: f"{asked().id} {asked().id}")
    ids = set()
    for sent in ("", "a b", "<script>"):
        answer = served.get("/id", headers={"X-Request-ID": sent})
        one = answer.headers["X-Request-ID"]
        assert answer.text == f"{one} {one}"
        assert one.isalnum()
        ids.add(one)
    assert len(ids) == 3
    for _ in range(2):
        assert served.get("/id", headers={"X-Request-ID": "sane.1"}).text == "sane.1 sane.1"


Started = Callable[[LeanResponse], tuple[Any, str, list[tuple[str, str]]]]


@pytest.fixture
def started() -> Started:
    """A function: an answer -> its body as WSGI has it, its status and headers."""

    def start(response: LeanResponse) -> tuple[Any, str, list[tuple[str, str]]]:
        told: list[Any] = []
        body = response(EnvironBuilder().get_environ(), lambda *what: told.extend(what))  # type: ignore[arg-type]
        return body, told[0], told[1]

    return start


def test_a_header_that_is_told_again_is_told_once_as_it_was_told_last(started: Started) -> None:
    response = LeanResponse([b"a"], "text/x")
    response.tell({"X-Kind": "first", "X-Other": "1"})
    response.tell({"x-kind": "later"})
    response.tell({"X-KIND": "last", "X-More": "2"})
    _, status, headers = started(response)
    assert status == "200 OK"
    assert sorted(headers) == [("Content-Type", "text/x"), ("X-KIND", "last"), ("X-More", "2"), ("X-Other", "1")]


def test_the_gateways_own_limit_is_told_in_the_place_of_the_providers(gateway: Gateway, upstream: Upstream) -> None:
    upstream.replies = json_reply(chat_completion(), headers={"x-ratelimit-limit": "999", "x-ratelimit-more": "1"})
    served = gateway(endpoint(upstream, limit={"calls": 7, "renewal_period": "hour"}))
    headers = served.post(ON_GATEWAY, json=CHAT).headers
    assert headers.getlist("X-RateLimit-Limit") == ["7"]
    assert headers.getlist("X-RateLimit-More") == ["1"]
    names = [name.lower() for name, _ in headers]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("reply", [json_reply(chat_completion()), sse_reply(chat_chunks(["a", "b"]))])
def test_an_invocations_headers_are_each_there_once(gateway: Gateway, upstream: Upstream, reply: Reply) -> None:
    upstream.replies = reply
    body = {**CHAT, "stream": reply.headers["Content-Type"] != JSON}
    headers = gateway(endpoint(upstream)).post(ON_GATEWAY, json=body, headers={"X-Request-ID": "sane"}).headers
    names = [name.lower() for name, _ in headers]
    assert len(names) == len(set(names))
    assert {"content-type", "x-request-id", "server-timing", "x-gateway-endpoint"} <= set(names)
    assert headers["X-Request-ID"] == "sane"


def test_what_is_to_be_done_at_the_end_is_done_once_and_not_before(started: Started) -> None:
    ended: list[str] = []

    def pieces() -> Iterator[bytes]:
        try:
            yield b"a"
            yield b"b"
        finally:
            ended.append("body")

    response = LeanResponse(pieces(), "text/x")
    response.call_on_close(lambda: ended.append("first"))
    response.call_on_close(lambda: ended.append("second"))
    body, _, _ = started(response)
    assert next(iter(body)) == b"a"
    assert ended == []
    body.close()
    assert sorted(ended) == ["body", "first", "second"]


def test_a_body_that_nobody_began_to_read_is_closed_too(started: Started) -> None:
    ended: list[str] = []
    response = LeanResponse([b"a"], "text/x")
    response.call_on_close(lambda: ended.append("now"))
    started(response)[0].close()
    assert ended == ["now"]


def test_a_body_that_knows_whether_its_end_is_here_can_be_asked(started: Started) -> None:
    class Told(list[bytes]):
        is_over = False

    told = Told([b"a", b"b"])
    body, _, _ = started(LeanResponse(told, "text/x"))
    assert body.body is told
    assert list(body) == [b"a", b"b"]


def test_the_limits_themselves_are_answered_the_same_twice(client: Any) -> None:
    for _ in range(2):
        check(client.post(f"{LIMITS}/", json={"route": "chat", "limits": []}), 501)
        check(client.post(f"{LIMITS}/", json={}), 422)
