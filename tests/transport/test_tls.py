"""TLS: who is trusted, and what is saved when the same provider is called again."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path

import pytest
import trustme

from app.errors import ConfigError, Cut, Unreachable
from app.transport import Transport
from tests.transport.calling import OK, Making, answering, call, read_request, serving
from tests.upstream import Upstream

AUTHORITY = trustme.CA()


def context(certificate: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """What a server needs; without a certificate, one that is good for 127.0.0.1 and localhost."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (certificate or AUTHORITY.issue_cert("127.0.0.1", "localhost")).configure_cert(tls)
    return tls


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture
def trusting(making: Making, bundle: str) -> Iterator[Transport]:
    """A transport that trusts the authority."""
    with closing(making(ca_bundle=bundle)) as transport:
        yield transport


def test_a_trusted_provider_is_called_and_its_connection_kept(making: Making) -> None:
    with Upstream(tls=True) as upstream, closing(making(ca_bundle=str(upstream.ca_file))) as transport:
        assert [transport.send(call(upstream.url)).status for _ in range(3)] == [200] * 3
        assert upstream.connections == 1
        upstream.drop_idle()
        assert transport.send(call(upstream.url)).status == 200


def test_the_name_is_sent_and_http_1_agreed_on(trusting: Transport) -> None:
    names, protocols = [], []
    tls = context()
    tls.set_alpn_protocols(["h2", "http/1.1"])
    tls.sni_callback = lambda sock, name, context: names.append(name)

    def script(sock: socket.socket) -> None:
        assert isinstance(sock, ssl.SSLSocket)
        protocols.append(sock.selected_alpn_protocol())
        answering(sock)

    with serving(script, tls) as port:
        trusting.send(call(f"https://localhost:{port}/"))
    assert (names, protocols) == (["localhost"], ["http/1.1"])


def self_signed() -> ssl.SSLContext:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other = trustme.CA()
    with other.private_key_pem.tempfile() as key, other.cert_pem.tempfile() as cert:
        tls.load_cert_chain(cert, key)
    return tls


def expired() -> ssl.SSLContext:
    past = datetime(2020, 1, 1, tzinfo=timezone.utc), datetime(2021, 1, 1, tzinfo=timezone.utc)
    return context(AUTHORITY.issue_cert("127.0.0.1", not_before=past[0], not_after=past[1]))


@pytest.mark.parametrize(
    ("tls", "reason"),
    [
        (lambda: context(AUTHORITY.issue_cert("elsewhere.example")), "IP address mismatch"),
        (expired, "certificate has expired"),
        (self_signed, "self.signed certificate"),
        (lambda: context(trustme.CA().issue_cert("127.0.0.1")), "unable to get local issuer certificate"),
    ],
)
def test_who_cannot_be_trusted_is_told_nothing(
    trusting: Transport, tls: Callable[[], ssl.SSLContext], reason: str
) -> None:
    heard: list[bytes] = []
    words = f"no TLS connection to 127.0.0.1:[0-9]+: {reason}"
    with (
        serving(lambda sock: heard.append(sock.recv(65536)), tls()) as port,
        pytest.raises(Unreachable, match=words),
    ):
        trusting.send(call(f"https://127.0.0.1:{port}/"))
    assert not any(heard)


def test_an_authority_that_is_not_in_the_bundle_is_not_trusted(transport: Transport) -> None:
    with serving(answering, context()) as port, pytest.raises(Unreachable, match="issuer certificate"):
        transport.send(call(f"https://127.0.0.1:{port}/"))


def test_a_port_that_does_not_speak_tls_is_unreachable(transport: Transport) -> None:
    with serving(lambda sock: sock.sendall(OK)) as port, pytest.raises(Unreachable, match="no TLS connection"):
        transport.send(call(f"https://127.0.0.1:{port}/"))


def test_a_port_that_hangs_up_in_the_handshake_is_unreachable(transport: Transport) -> None:
    with serving(lambda sock: None) as port, pytest.raises(Unreachable):
        transport.send(call(f"https://127.0.0.1:{port}/"))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_new_connection_takes_up_the_last_ones_session(trusting: Transport, version: ssl.TLSVersion) -> None:
    tls = context()
    tls.minimum_version = tls.maximum_version = version
    reused = []

    def script(sock: socket.socket) -> None:
        assert isinstance(sock, ssl.SSLSocket)
        reused.append(sock.session_reused)
        read_request(sock)
        sock.sendall(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

    with serving(script, tls) as port:
        for _ in range(3):
            assert trusting.send(call(f"https://127.0.0.1:{port}/")).body == b"ok"
    assert reused == [False, True, True]


def test_a_session_that_the_server_has_forgotten_does_no_harm(trusting: Transport) -> None:
    """A restarted server has other ticket keys, and perhaps another version."""
    with serving(answering, context()) as port:
        trusting.send(call(f"https://127.0.0.1:{port}/"))
    older = context()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    for tls in (context(), older, context()):
        with serving(answering, tls, port=port):
            assert trusting.send(call(f"https://127.0.0.1:{port}/")).body == b"ok"


def test_an_answer_that_ends_without_tls_saying_so_is_cut(trusting: Transport) -> None:
    with serving(_half, context()) as port, pytest.raises(Cut):
        trusting.send(call(f"https://127.0.0.1:{port}/"))


def _half(sock: socket.socket) -> None:
    read_request(sock)
    sock.sendall(OK[:-1])


def test_a_large_request_and_answer_pass_over_tls(trusting: Transport) -> None:
    size = 5_000_000

    def script(sock: socket.socket) -> None:
        received = len(read_request(sock).partition(b"\r\n\r\n")[2])
        while received < size:
            received += len(sock.recv(65536))
        sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size))

    with serving(script, context()) as port:
        assert trusting.send(call(f"https://127.0.0.1:{port}/", bytes(size))).body == bytes(size)


@pytest.mark.parametrize("words", ["no certificates here", None])
def test_a_bundle_that_cannot_be_used_is_an_error_of_the_configuration(
    making: Making, tmp_path: Path, words: str | None
) -> None:
    path = tmp_path / "bundle.pem"
    if words:
        path.write_text(words)
    with pytest.raises(ConfigError, match="ca_bundle"):
        making(ca_bundle=str(path))
