"""Proxies and trusted authorities: from the file, else from the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.writing import problems, read

VARIABLES = (
    "http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_without_a_word_there_is_no_proxy_and_the_usual_trust(tmp_path: Path) -> None:
    network = read(tmp_path, "endpoints: []\n").network
    assert (network.http_proxy, network.https_proxy, network.no_proxy, network.ca_bundle) == (None, None, None, None)


def test_the_environment_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3128")
    monkeypatch.setenv("HTTPS_PROXY", "127.0.0.1:3129")
    monkeypatch.setenv("NO_PROXY", "localhost,.internal")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    network = read(tmp_path, "endpoints: []\n").network
    assert (network.http_proxy, network.https_proxy) == ("http://127.0.0.1:3128", "http://127.0.0.1:3129")
    assert (network.no_proxy, network.ca_bundle) == ("localhost,.internal", str(bundle))


def test_the_file_is_heard_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "elsewhere")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/no/such/file")
    bundle = tmp_path / "ca.pem"
    bundle.write_text("")
    text = f"endpoints: []\nproxy: http://127.0.0.1:3128\nno_proxy: .internal\nca_bundle: '{bundle}'\n"
    network = read(tmp_path, text).network
    assert (network.http_proxy, network.https_proxy) == ("http://127.0.0.1:3128",) * 2
    assert (network.no_proxy, network.ca_bundle) == (".internal", str(bundle))


def test_a_clients_header_cannot_set_a_proxy_under_cgi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert read(tmp_path, "endpoints: []\n").network.http_proxy is None


@pytest.mark.parametrize(
    "proxy", ["socks5://127.0.0.1:1080", "https://127.0.0.1:1", "http://", "http://h:p0rt", "http://[::1"]
)
def test_a_proxy_of_another_kind_is_told_but_not_shown(tmp_path: Path, proxy: str) -> None:
    (told,) = set(problems(tmp_path, f"endpoints: []\nproxy: '{proxy}'\n"))
    assert told == "2: proxy: a proxy, here or in http_proxy or https_proxy, should be an http:// URL"


def test_a_bundle_that_is_not_there_is_told_with_who_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems(tmp_path, "endpoints: []\nca_bundle: /no/ca.pem\n") == [
        "2: ca_bundle: there is no file '/no/ca.pem'"
    ]
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such.pem")
    assert problems(tmp_path, "endpoints: []\n") == [
        "1: ca_bundle: there is no file '/no/such.pem', which SSL_CERT_FILE names"
    ]
