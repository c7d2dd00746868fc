"""Images that clients name by URL: fetched where the endpoint allows it, from public addresses only, or refused."""

from __future__ import annotations

import copy
import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask.testing import FlaskClient

from app import images
from app.api.weir import KEY as WEIR
from app.application import create_app
from app.errors import ConfigError, InvalidPayload
from app.gateway import Gateway as Calls
from app.images import Fetcher, NotFetched, fetched, is_public
from app.transport import SocketAdapter, Transport
from tests.serving import Gateway, endpoint
from tests.upstream import Hang, Reply, Upstream, closed_port, json_reply

PNG = b"\x89PNG\r\n\x1a\n" + b"pixels"
DATA_URL = f"data:image/png;base64,{b64encode(PNG).decode()}"
MOST = 1000

SAMPLES = {
    "image/png": PNG,
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/gif": b"GIF89a\x01\x00",
    "image/webp": b"RIFF\x1a\x00\x00\x00WEBPVP8 ",
    "image/heic": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00",
    "image/heif": b"\x00\x00\x00\x18ftypmif1\x00\x00\x00\x00",
}


def picture(data: bytes = PNG, status: int = 200, **headers: str) -> Reply:
    return Reply(status, {"Content-Length": str(len(data)), **headers}, (data,))


def image(url: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def chat(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hi"}, {"role": "user", "content": list(parts)}]}


def soon(seconds: float = 10.0) -> float:
    return time.monotonic() + seconds


@pytest.fixture
def server() -> Iterator[Upstream]:
    with Upstream(picture()) as server:
        yield server


@pytest.fixture
def fetch() -> Fetcher:
    """One that may call this machine."""
    return Fetcher(allow=lambda address: address.is_loopback)


# --- a payload


def test_each_url_is_replaced_in_a_copy_and_fetched_once() -> None:
    asked: list[str] = []

    def fetch(url: str, until: float, most: int) -> bytes:
        asked.append(url)
        return PNG

    detailed = {"type": "image_url", "image_url": {"url": "https://a/1", "detail": "low"}, "cache_control": {}}
    payload = chat({"type": "text", "text": "https://a/0"}, detailed, image("data:,x"), image("https://a/1"))
    payload["messages"][1]["content"].append({"type": "image_url", "image_url": "http://a/2"})
    before = copy.deepcopy(payload)
    made = fetched(payload, fetch)
    assert payload == before
    assert made["messages"][0] == before["messages"][0]
    text, first, data, second, bare = made["messages"][1]["content"]
    assert (text, data) == ({"type": "text", "text": "https://a/0"}, image("data:,x"))
    assert first == {**detailed, "image_url": {"url": DATA_URL, "detail": "low"}}
    assert second == bare == image(DATA_URL)
    assert asked == ["https://a/1", "http://a/2"]


@pytest.mark.parametrize(("kind", "data"), SAMPLES.items())
def test_the_type_is_what_the_bytes_say(kind: str, data: bytes) -> None:
    made = fetched(chat(image("http://a/x.txt")), lambda *_: data)
    assert made["messages"][1]["content"][0]["image_url"]["url"].startswith(f"data:{kind};base64,")


@pytest.mark.parametrize("data", [b"", b"<svg/>", b'{"AccessKeyId": "A"}', b"RIFF....WAVE", b"....ftypavif", b"GIF"])
def test_what_is_no_image_is_refused_with_its_place_and_not_passed_on(data: bytes) -> None:
    with pytest.raises(InvalidPayload) as refusal:
        fetched(chat({"type": "text", "text": "x"}, image("http://a/1")), lambda *_: data)
    assert refusal.value.param == "messages[1].content[1].image_url.url"
    assert "is no image" in refusal.value.message
    assert "AccessKeyId" not in refusal.value.message


def test_too_many_images_are_refused_before_any_is_fetched() -> None:
    asked: list[str] = []
    most = [image(f"http://a/{number}") for number in range(images.MAX_IMAGES)]

    def fetch(url: str, until: float, most: int) -> bytes:
        asked.append(url)
        return PNG

    with pytest.raises(InvalidPayload) as refusal:
        fetched(chat(*most, image("http://a/x")), fetch)
    assert refusal.value.param == f"messages[1].content[{images.MAX_IMAGES}].image_url.url"
    assert asked == []
    fetched(chat(*most), fetch)
    assert len(asked) == images.MAX_IMAGES


def test_all_images_of_a_request_share_its_time_and_its_room() -> None:
    given: list[tuple[float, int]] = []

    def fetch(url: str, until: float, most: int) -> bytes:
        given.append((until, most))
        return PNG + bytes(most - len(PNG))

    fetched(chat(*(image(f"http://a/{number}") for number in range(4))), fetch)
    assert len({until for until, _ in given}) == 1
    rest = images.MAX_BYTES_TOGETHER - 3 * images.MAX_BYTES
    assert [most for _, most in given] == [images.MAX_BYTES] * 3 + [rest]


# --- addresses

PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]
NOT_PUBLIC = [
    "127.0.0.1", "127.9.9.9", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
    "100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "192.88.99.1", "198.18.0.1", "224.0.0.1",
    "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fec0::1",
    "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "3fff::1", "100::1", "4000::1",
    "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1",
    "64:ff9b::127.0.0.1", "64:ff9b::169.254.169.254", "64:ff9b::a00:1", "64:ff9b:1::808:808",
    "2002:7f00:1::1", "2002:808:808::1", "2001:0:a00:1::1", "2001:0:4136:e378:8000:63bf:f5ff:fffe",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_other_address_is_public_in_whatever_form(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "localhost", "[::ffff:127.0.0.1]"])
def test_this_machine_is_not_called_under_any_of_its_names(server: Upstream, host: str) -> None:
    with pytest.raises(NotFetched) as failure:
        Fetcher()(f"http://{host}:{server.port}/x.png", soon(), MOST)
    assert str(failure.value) == "could not be fetched"
    assert server.connections == 0


def test_what_is_called_is_an_address_that_was_checked(server: Upstream) -> None:
    seen: list[str] = []

    def allow(address: Any) -> bool:
        seen.append(str(address))
        return True

    assert Fetcher(allow=allow)(f"http://127.1:{server.port}/x", soon(), MOST) == PNG
    assert seen == ["127.0.0.1"]
    assert server.requests[0].headers["host"] == f"127.1:{server.port}"


def test_a_name_is_not_called_unless_all_of_its_addresses_may_be(server: Upstream) -> None:
    if len({entry[4][0] for entry in socket.getaddrinfo("localhost", server.port, type=socket.SOCK_STREAM)}) < 2:
        pytest.skip("localhost has one address here")
    with pytest.raises(NotFetched):
        Fetcher(allow=lambda address: address.version == 4)(f"http://localhost:{server.port}/", soon(), MOST)
    assert server.connections == 0


def test_failures_to_connect_have_the_same_words_whatever_stands_there(fetch: Fetcher) -> None:
    urls = [
        f"http://127.0.0.1:{closed_port()}/", "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/", "http://no-such-name.invalid/", "http://[::1/", "http:///x",
        "http://127.0.0.1:99999/", "http://a\0b/", "http://ü..de/", "http://127.0.0.1\r\nX-Injected: 1/",
    ]  # fmt: skip
    words = set()
    for url in urls:
        with pytest.raises(NotFetched) as failure:
            fetch(url, soon(), MOST)
        words.add(str(failure.value))
    assert words == {"could not be fetched"}


# --- what comes back


def test_a_request_for_an_image_brings_no_credentials(fetch: Fetcher, server: Upstream) -> None:
    assert fetch(f"http://user:word@127.0.0.1:{server.port}/a.png?b=c#d", soon(), MOST) == PNG
    request = server.requests[0]
    assert (request.method, request.target) == ("GET", "/a.png?b=c")
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert not {"authorization", "cookie", "referer"} & set(request.headers)


def test_no_connection_is_kept(fetch: Fetcher, server: Upstream) -> None:
    for _ in range(2):
        fetch(server.url, soon(), MOST)
    server.wait_for_open(0)
    assert server.connections == 2


def test_https_is_verified_by_the_name_in_the_url() -> None:
    with Upstream(picture(), tls=True) as server:
        trusting = Fetcher(str(server.ca_file), allow=lambda address: True)
        assert trusting(f"https://localhost:{server.port}/", soon(), MOST) == PNG
        for fetch, host in ((trusting, "127.1"), (Fetcher(allow=lambda address: True), "localhost")):
            with pytest.raises(NotFetched):
                fetch(f"https://{host}:{server.port}/", soon(), MOST)
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [201, 204, 301, 302, 307, 404, 500])
def test_only_a_200_is_an_image_and_redirects_are_not_followed(fetch: Fetcher, status: int) -> None:
    with Upstream() as elsewhere, Upstream(picture(b"", status, Location=elsewhere.url)) as server:
        with pytest.raises(NotFetched, match=f"answered {status}"):
            fetch(server.url, soon(), MOST)
        assert elsewhere.connections == 0


def test_an_image_may_be_as_large_as_the_cap_and_is_not_read_beyond_it(fetch: Fetcher) -> None:
    whole = PNG + bytes(MOST - len(PNG))
    with Upstream([picture(whole), Reply(200, {}, (whole + b"\0", Hang()))]) as server:
        assert fetch(server.url, soon(), MOST) == whole
        with pytest.raises(NotFetched, match="too large"):
            fetch(server.url, soon(), MOST)
        assert server.requests[1].client_left.wait(10)


@pytest.mark.parametrize("steps", [(), (PNG,)], ids=["before the head", "within the body"])
def test_a_server_that_takes_too_long_is_left(fetch: Fetcher, steps: tuple[bytes, ...]) -> None:
    reply = Reply(200, {}, (*steps, Hang())) if steps else Reply(None, {}, (Hang(),))
    with Upstream(reply) as server:
        with pytest.raises(NotFetched, match="in time"):
            fetch(server.url, soon(0.3), MOST)
        assert server.requests[0].client_left.wait(10)


def test_a_url_without_end_is_not_asked_for(fetch: Fetcher, server: Upstream) -> None:
    with pytest.raises(NotFetched, match="longer than"):
        fetch(f"{server.url}/{'x' * images.MAX_URL}", soon(), MOST)
    assert server.connections == 0


# --- the gateway

CONVERSE = {
    "output": {"message": {"role": "assistant", "content": [{"text": "A cat."}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
}
GENERATED = {"candidates": [{"content": {"role": "model", "parts": [{"text": "A cat."}]}, "finishReason": "STOP"}]}


def bedrock(provider: Upstream, **more: Any) -> dict[str, Any]:
    keys = {"aws_region": "us-east-1", "aws_bearer_token": "t"}
    model = {"provider": "bedrock", "name": "m", "config": {"api_base": provider.url, "aws_config": keys}}
    return {"name": "chat", "endpoint_type": "llm/v1/chat", "model": model, **more}


def gemini(provider: Upstream, **more: Any) -> dict[str, Any]:
    settings = {"api_base": provider.url, "gemini_api_key": "k"}
    model = {"provider": "gemini", "name": "gemini-2.5-flash", "config": settings}
    return {"name": "chat", "endpoint_type": "llm/v1/chat", "model": model, **more}


def ask(client: FlaskClient, url: str, path: str = "/gateway/chat/invocations", **more: Any) -> Any:
    return client.post(path, json={**chat({"type": "text", "text": "What is this?"}, image(url)), **more})


def near(client: FlaskClient) -> FlaskClient:
    """The client of a gateway that may fetch from this machine."""
    sockets = SocketAdapter()
    held = client.application.extensions[WEIR]
    calls = Calls(Transport({"http": sockets, "https": sockets}), Fetcher(allow=lambda address: True), held.limiter)
    client.application.extensions[WEIR] = replace(held, gateway=calls)
    return client


def test_bedrock_gets_the_bytes(gateway: Gateway, upstream: Upstream, server: Upstream) -> None:
    pytest.importorskip("botocore")
    upstream.replies = json_reply(CONVERSE)
    answer = ask(near(gateway(bedrock(upstream, fetch_images=True))), f"{server.url}/cat")
    assert answer.status_code == 200, answer.text
    assert answer.json["choices"][0]["message"]["content"] == "A cat."
    sent = upstream.requests[0].json["messages"][-1]["content"][-1]
    assert sent == {"image": {"format": "png", "source": {"bytes": b64encode(PNG).decode()}}}


@pytest.mark.parametrize("allowed", [True, False])
def test_gemini_gets_the_bytes_only_where_the_endpoint_allows_it(
    gateway: Gateway, upstream: Upstream, server: Upstream, allowed: bool
) -> None:
    upstream.replies = json_reply(GENERATED)
    answer = ask(near(gateway(gemini(upstream, fetch_images=allowed))), f"{server.url}/cat.png")
    assert answer.status_code == 200, answer.text
    sent = upstream.requests[0].json["contents"][-1]["parts"][-1]
    bytes_, address = {"mimeType": "image/png", "data": b64encode(PNG).decode()}, f"{server.url}/cat.png"
    assert sent == ({"inlineData": bytes_} if allowed else {"fileData": {"mimeType": "image/png", "fileUri": address}})
    assert len(server.requests) == int(allowed)


def test_where_nothing_is_allowed_bedrock_refuses_and_nothing_is_called(
    gateway: Gateway, upstream: Upstream, server: Upstream
) -> None:
    pytest.importorskip("botocore")
    answer = ask(near(gateway(bedrock(upstream))), server.url)
    assert answer.status_code == 422
    assert server.connections == upstream.connections == 0


@pytest.mark.parametrize("stream", [False, True])
def test_the_running_gateway_fetches_nothing_from_its_own_network(
    gateway: Gateway, upstream: Upstream, server: Upstream, stream: bool
) -> None:
    answer = ask(gateway(gemini(upstream, fetch_images=True)), f"{server.url}/secret", stream=stream)
    assert answer.status_code == 422
    place = ["body", "messages", 1, "content", 1, "image_url", "url"]
    assert answer.json["detail"] == [{"type": "value_error", "loc": place, "msg": "could not be fetched"}]
    assert "127.0.0.1" not in answer.text
    assert server.connections == upstream.connections == 0


def test_fetching_counts_against_the_limit_and_stops_with_it(
    gateway: Gateway, upstream: Upstream, server: Upstream
) -> None:
    limit = {"calls": 1, "renewal_period": "year"}
    server.replies = picture(b"no image")
    client = near(gateway(gemini(upstream, fetch_images=True, limit=limit)))
    first, second = (ask(client, server.url) for _ in range(2))
    assert (first.status_code, second.status_code) == (422, 429)
    assert first.headers["X-RateLimit-Remaining"] == "0"
    assert len(server.requests) == 1


def test_a_provider_that_takes_urls_keeps_them(gateway: Gateway, upstream: Upstream, server: Upstream) -> None:
    assert ask(near(gateway(endpoint(upstream, fetch_images=True))), server.url).status_code == 200
    assert upstream.requests[0].json["messages"][1]["content"][1] == image(server.url)
    assert server.connections == 0


def test_the_setting_is_true_or_false(tmp_path: Path) -> None:
    path = tmp_path / "endpoints.yaml"
    with Upstream() as provider:
        path.write_text(yaml.safe_dump({"endpoints": [gemini(provider, fetch_images="yes")]}))
        with pytest.raises(ConfigError, match="fetch_images"):
            create_app(path)
