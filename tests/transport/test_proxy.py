"""Proxies: which one leads where, and what they are told."""

from __future__ import annotations

import socket
import threading
from contextlib import closing, suppress
from urllib.parse import urlsplit

import pytest

from app.errors import TimedOut, Unreachable
from app.transport import proxy_chooser
from tests.transport.calling import Making, Script, call, read_request, serving, until_the_client_leaves
from tests.upstream import Upstream, json_reply


def tunnelling(heard: list[bytes], answer: bytes = b"HTTP/1.1 200 Connection established\r\n\r\n") -> Script:
    """A proxy that opens a tunnel to the authority that it is asked for."""

    def script(client: socket.socket) -> None:
        heard.append(read_request(client))
        host, port = heard[-1].split(b" ")[1].decode().rsplit(":", 1)
        with socket.create_connection((host.strip("[]"), int(port)), 10) as origin:
            client.sendall(answer)
            back = threading.Thread(target=_pump, args=(origin, client), daemon=True)
            back.start()
            _pump(client, origin)
            back.join(10)

    return script


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def test_http_goes_through_the_proxy_with_the_whole_url(making: Making) -> None:
    with Upstream() as proxy:
        chooser = proxy_chooser(f"http://user:p%40ss@127.0.0.1:{proxy.port}", None, None)
        with closing(making(proxy_for=chooser)) as transport:
            for _ in range(2):
                transport.send(call("http://provider.example:8080/v1/chat?x=1"))
        assert proxy.connections == 1
        request = proxy.requests[1]
    assert request.target == "http://provider.example:8080/v1/chat?x=1"
    assert request.headers["host"] == "provider.example:8080"
    assert request.headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"


def test_https_goes_through_a_tunnel_that_is_kept(making: Making) -> None:
    heard: list[bytes] = []
    with Upstream(tls=True) as upstream, serving(tunnelling(heard)) as port:
        chooser = proxy_chooser(None, f"user:secret@127.0.0.1:{port}", None)
        with closing(making(proxy_for=chooser, ca_bundle=str(upstream.ca_file))) as transport:
            for _ in range(2):
                assert transport.send(call(upstream.url, b"{}", {"Authorization": "Bearer k"})).status == 200
        assert "proxy-authorization" not in upstream.requests[0].headers
    lines = heard[0].split(b"\r\n")
    authority = f"127.0.0.1:{upstream.port}".encode()
    versions = [b"HTTP/1.1"] if making.args == ("sockets",) else [b"HTTP/1.0", b"HTTP/1.1"]  # urllib3 goes with Python
    assert lines[0] in [b"CONNECT " + authority + b" " + version for version in versions]
    assert lines[0].endswith(b"1.0") or b"Host: " + authority in lines
    assert b"Proxy-Authorization: Basic dXNlcjpzZWNyZXQ=" in lines
    assert (len(heard), b"Bearer" in heard[0]) == (1, False)


def test_a_direct_connection_does_not_serve_who_must_go_through_a_proxy(making: Making) -> None:
    with Upstream(json_reply({"from": "origin"})) as origin, Upstream(json_reply({"from": "proxy"})) as proxy:
        chosen = iter([None, f"http://127.0.0.1:{proxy.port}"])
        with closing(making(proxy_for=lambda url: next(chosen))) as transport:
            answers = [transport.send(call(f"{origin.url}/{number}")).body for number in range(2)]
    assert answers == [b'{"from":"origin"}', b'{"from":"proxy"}']


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", "(refused: HTTP/1.1|failed:) 407 Proxy Auth"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "the proxy refused: SSH|not HTTP"),
        (b"HTTP/1.1 200 OK\r\n", "not HTTP|no TLS connection"),
        (b"x" * 20_000, "not HTTP"),
    ],
)
def test_a_proxy_that_refuses_is_unreachable(making: Making, answer: bytes, words: str) -> None:
    def script(sock: socket.socket) -> None:
        read_request(sock)
        sock.sendall(answer)

    with serving(script) as port:
        chooser = proxy_chooser(None, f"http://127.0.0.1:{port}", None)
        with closing(making(proxy_for=chooser)) as transport, pytest.raises(Unreachable, match=words):
            transport.send(call("https://provider.example/"))


def test_a_silent_proxy_is_not_waited_for(making: Making) -> None:
    with serving(until_the_client_leaves) as port:
        chooser = proxy_chooser(None, f"http://127.0.0.1:{port}", None)
        with closing(making(proxy_for=chooser)) as transport, pytest.raises(TimedOut):
            transport.send(call("https://provider.example/", connect=0.05))


def test_a_certificate_is_checked_through_a_tunnel_too(making: Making) -> None:
    with Upstream(tls=True) as upstream, serving(tunnelling([])) as port:
        chooser = proxy_chooser(None, f"http://127.0.0.1:{port}", None)
        with closing(making(proxy_for=chooser)) as transport, pytest.raises(Unreachable, match="certificate"):
            transport.send(call(upstream.url))


@pytest.mark.parametrize(
    ("url", "no_proxy", "expected"),
    [
        ("http://a.example/", "", "http://one:1"),
        ("https://a.example/", "", "http://two:2"),
        ("https://a.example/", "a.example", None),
        ("https://A.Example./", "a.example", None),
        ("https://api.a.example/", "b.example, a.example", None),
        ("https://api.a.example/", ".a.example", None),
        ("https://api.a.example/", "*.a.example", None),
        ("https://ba.example/", "a.example", "http://two:2"),
        ("https://a.example/", "a.example:443", None),
        ("https://a.example:8443/", "a.example:443", "http://two:2"),
        ("https://a.example/", "*", None),
        ("http://10.1.2.3:8000/", "10.0.0.0/8", None),
        ("http://11.1.2.3:8000/", "10.0.0.0/8", "http://one:1"),
        ("http://127.0.0.1/", "127.0.0.1", None),
        ("http://[::1]:8000/", "::1", None),
        ("http://[::1]:8000/", "[::1]", None),
        ("local://echo/", "", None),
    ],
)
def test_the_scheme_and_no_proxy_choose(url: str, no_proxy: str, expected: str | None) -> None:
    assert proxy_chooser("one:1", "http://two:2", no_proxy)(urlsplit(url)) == expected


def test_the_environment_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setenv("http_proxy", "http://wrong:1")
    assert proxy_chooser("http://one:1", None, None)(urlsplit("http://a.example")) == "http://one:1"
    assert proxy_chooser(None, None, None)(urlsplit("http://a.example")) is None


def test_a_proxy_that_must_be_spoken_to_in_tls_is_refused_in_words(making: Making) -> None:
    chooser = proxy_chooser(None, "https://127.0.0.1:1", None)
    with closing(making(proxy_for=chooser)) as transport, pytest.raises(Unreachable, match="http://"):
        transport.send(call("https://provider.example/"))
