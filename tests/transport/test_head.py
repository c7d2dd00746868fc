"""What the provider is sent: the request line, the host, the headers; and what nobody is sent."""

from __future__ import annotations

import socket

import pytest

from app.errors import Unreachable
from app.transport import Transport
from tests.transport.calling import OK, call, read_request, serving
from tests.upstream import Upstream


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("", "/"),
        ("/", "/"),
        ("/v1/chat?api-version=2024-10-21&x=a%20b", "/v1/chat?api-version=2024-10-21&x=a%20b"),
        ("?x=1", "/?x=1"),
        ("/v1/chat#fragment", "/v1/chat"),
        ("/models/my model/é", "/models/my%20model/%C3%A9"),
    ],
)
def test_the_target_is_the_urls_path_and_query(transport: Transport, address: str, target: str) -> None:
    with Upstream() as upstream:
        transport.send(call(upstream.url + address))
        assert upstream.requests[0].target == target


def test_the_host_has_its_port_and_no_credentials(transport: Transport) -> None:
    with Upstream() as upstream:
        transport.send(call(f"http://user:secret@127.0.0.1:{upstream.port}/"))
        assert upstream.requests[0].raw_headers[0] == ("Host", f"127.0.0.1:{upstream.port}")
        assert "secret" not in str(upstream.requests[0])


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not _has_ipv6(), reason="this machine has no IPv6")
def test_an_address_of_ipv6_is_reached_and_named_in_brackets(transport: Transport) -> None:
    heard: list[bytes] = []

    def script(sock: socket.socket) -> None:
        heard.append(read_request(sock))
        sock.sendall(OK)

    with serving(script, host="::1") as port:
        transport.send(call(f"http://[::1]:{port}/"))
    assert f"Host: [::1]:{port}\r\n".encode() in heard[0]


def test_method_headers_and_body_are_sent_as_they_are(transport: Transport) -> None:
    with Upstream() as upstream:
        transport.send(call(upstream.url, b'{"a": 1}', {"Authorization": "Bearer k", "X-Name": "café"}))
        request = upstream.requests[0]
    assert (request.method, request.body) == ("POST", b'{"a": 1}')
    assert request.raw_headers[1:] == (("Authorization", "Bearer k"), ("X-Name", "café"), ("Content-Length", "8"))


def test_the_framing_and_the_host_are_not_the_headers_to_say(transport: Transport) -> None:
    theirs = {"content-length": "1", "Transfer-Encoding": "chunked", "HOST": "elsewhere"}
    with Upstream() as upstream:
        transport.send(call(upstream.url, b"{}", theirs))
        sent = upstream.requests[0].headers
    assert sent == {"host": f"127.0.0.1:{upstream.port}", "content-length": "2"}


@pytest.mark.parametrize("name", ["X-Name", "X-Name\r\nX-Smuggled", "X-Name\nX"])
@pytest.mark.parametrize("value", ["v\r\nX-Smuggled: 1", "v\n", "v\r", "v\r\n\r\nGET / HTTP/1.1", "v\0", "€"])
def test_a_header_that_would_smuggle_is_refused_before_a_byte_is_sent(
    transport: Transport, name: str, value: str
) -> None:
    with Upstream() as upstream:
        with pytest.raises(Unreachable, match="header of the request"):
            transport.send(call(upstream.url, b"{}", {name: value}))
        assert upstream.connections == 0


def test_a_url_can_not_smuggle(transport: Transport) -> None:
    with Upstream() as upstream:
        transport.send(call(f"{upstream.url}/a HTTP/1.1\r\nX-Smuggled: 1\r\n\r\n"))
        assert "x-smuggled" not in upstream.requests[0].headers


@pytest.mark.parametrize("url", ["http://", "http://127.0.0.1:99999/", "http://127.0.0.1:port/", "http://[::1/"])
def test_what_is_no_url_is_unreachable(transport: Transport, url: str) -> None:
    with pytest.raises(Unreachable, match="address"):
        transport.send(call(url))
