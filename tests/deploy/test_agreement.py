"""Settings that stand in several files and have to agree: nginx's, systemd's, gunicorn's and the gateway's own."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from app.call import Timeouts
from app.config.snapshot import Snapshot
from tests.running import ROOT

NGINX = (ROOT / "deploy" / "nginx.conf").read_text()
SERVICE = (ROOT / "deploy" / "weir.service").read_text()
GUNICORN = (ROOT / "gunicorn.conf.py").read_text()


def _number(pattern: str, text: str) -> int:
    [found] = re.findall(rf"^\s*{pattern}", text, re.MULTILINE)
    return int(found)


def test_nginx_takes_bodies_as_large_as_the_gateway() -> None:
    limit = Snapshot({}, {}).max_body

    assert _number(r"client_max_body_size (\d+)m;", NGINX) * 1024 * 1024 == limit
    assert f"larger than {limit} bytes" in NGINX


def test_nginx_waits_longer_than_the_gateway_does() -> None:
    assert _number(r"proxy_read_timeout (\d+)s;", NGINX) > Timeouts().total


def test_nginx_is_the_one_to_close_what_is_idle() -> None:
    upstream = NGINX[NGINX.index("upstream weir {") :]

    assert int(re.findall(r"keepalive_timeout (\d+)s;", upstream)[0]) < _number(r"keepalive = (\d+)", GUNICORN)


def test_whatever_ends_a_process_waits_until_its_streams_have_ended() -> None:
    longest = _number(r"graceful_timeout = (\d+)", GUNICORN)

    assert longest > Timeouts().total
    assert _number(r"TimeoutStopSec=(\d+)", SERVICE) > longest
    assert _number(r"worker_shutdown_timeout (\d+)s;", NGINX) >= longest
    for name in ("Containerfile", "README.md"):
        text = (ROOT / "deploy" / name).read_text()
        seconds = [int(said) for said in re.findall(r"(?:stop-timeout|GracePeriodSeconds:) (\d+)", text)]
        assert seconds
        assert min(seconds) > longest, name


def test_nginx_and_systemd_name_the_same_socket() -> None:
    assert "server unix:/run/weir/weir.sock;" in NGINX
    assert "--bind unix:/run/weir/weir.sock " in SERVICE


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "weir.service"
    unit.write_text(SERVICE.replace("/opt/weir/bin/weir", shutil.which("true") or "/bin/true"))  # it has to be there

    done = subprocess.run(["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")
