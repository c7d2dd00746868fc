"""Reloading: what is seen, what serves meanwhile, and what is said. A test looks when it wants to: nothing waits."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import pytest

from app.config import Live
from app.config.reload import EVERY_SECONDS
from app.errors import ConfigError
from tests.config.writing import with_config, write

ONE = with_config("{openai_api_key: first}")
TWO = with_config("{openai_api_key: second}")


def key(live: Live) -> str:
    found: str = live.snapshot.endpoints["chat"].settings["openai_api_key"]
    return found


def put(path: Path, text: str) -> None:
    """Replace a file at once, as editors and deployments do."""
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)


@pytest.fixture
def live(tmp_path: Path) -> Live:
    return Live(write(tmp_path, ONE))


def test_an_unchanged_file_is_not_read_again(live: Live) -> None:
    before = live.snapshot
    assert not live.look()
    assert live.snapshot is before


def test_a_replaced_file_is_seen_and_the_old_snapshot_stays_as_it_was(live: Live) -> None:
    before = live.snapshot
    put(live.path, TWO)
    assert live.look()
    assert key(live) == "second"
    assert before.endpoints["chat"].settings["openai_api_key"] == "first"
    assert not live.look()


def test_a_file_written_in_place_is_seen(live: Live) -> None:
    with live.path.open("r+") as file:
        file.write(with_config("{openai_api_key: fresh}"))
    assert live.look()
    assert key(live) == "fresh"


def test_a_change_that_keeps_the_size_and_the_time_is_seen(live: Live) -> None:
    stat = live.path.stat()
    live.path.write_text(with_config("{openai_api_key: other}"))
    os.utime(live.path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert live.path.stat().st_size == stat.st_size
    assert live.look()
    assert key(live) == "other"


def test_kubernetes_swap_of_a_symlink_is_seen(tmp_path: Path) -> None:
    """A mounted ConfigMap: endpoints.yaml -> ..data/endpoints.yaml, and ..data -> a directory per version."""
    for version, text in (("..1", ONE), ("..2", TWO)):
        (tmp_path / version).mkdir()
        write(tmp_path / version, text)
    data = tmp_path / "..data"
    data.symlink_to("..1")
    path = tmp_path / "endpoints.yaml"
    path.symlink_to("..data/endpoints.yaml")
    live = Live(path)
    assert key(live) == "first"
    fresh = tmp_path / "..data_tmp"
    fresh.symlink_to("..2")
    fresh.replace(data)
    assert live.look()
    assert key(live) == "second"


def test_a_changed_secret_file_is_seen(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("first\n")
    live = Live(write(tmp_path, with_config(f"{{openai_api_key: '{secret}'}}")))
    put(secret, "second\n")
    assert live.look()
    assert key(live) == "second"
    assert not live.look()


def test_a_secret_file_that_vanishes_leaves_the_old_key_until_it_is_back(tmp_path: Path) -> None:
    secret = tmp_path / "key"
    secret.write_text("first")
    live = Live(write(tmp_path, with_config(f"{{openai_api_key: '{secret}'}}")))
    secret.unlink()
    assert live.look()
    assert key(live) == "first"
    assert "cannot be read" in live.problems[0]
    secret.write_text("second")
    assert live.look()
    assert key(live) == "second"
    assert live.problems == ()


def test_a_secret_file_that_comes_after_the_configuration_that_names_it_is_seen(live: Live, tmp_path: Path) -> None:
    secret = tmp_path / "late"
    put(live.path, with_config(f"{{openai_api_key: '{secret}'}}"))
    assert live.look()
    assert live.problems
    secret.write_text("second")
    assert live.look()
    assert key(live) == "second"


def test_a_broken_file_leaves_the_old_snapshot_and_a_repaired_one_clears_the_problems(live: Live) -> None:
    before = live.snapshot
    put(live.path, ONE.replace("openai,", "opnai,"))
    assert live.look()
    assert live.snapshot is before
    (problem,) = live.problems
    assert problem.startswith(
        f"{live.path}:4: endpoints[0].model.provider: unknown provider 'opnai'; did you mean 'openai'? known: "
    )
    put(live.path, TWO)
    assert live.look()
    assert live.problems == ()
    assert key(live) == "second"


def test_the_file_that_served_before_clears_the_problems_too(live: Live) -> None:
    put(live.path, "endpoints: [")
    live.look()
    put(live.path, ONE)
    assert live.look()
    assert live.problems == ()


def test_a_file_that_is_still_being_written_is_left_alone(live: Live) -> None:
    """Each piece of it that a look meets may be a whole, smaller file: none is served."""
    before = live.snapshot
    text = with_config("{openai_api_key: second}") + with_config("{}", "local").partition("\n")[2].replace(
        "chat", "more", 1
    )
    for length in range(0, len(text), 5):
        live.path.write_text(text[:length])
        assert not live.look_when_settled()
        assert live.snapshot is before
        assert live.problems == ()
    live.path.write_text(text)
    assert not live.look_when_settled()
    assert live.look_when_settled()
    assert list(live.snapshot.endpoints) == ["chat", "more"]


def test_no_truncated_file_stops_what_serves(live: Live) -> None:
    for length in range(len(TWO)):
        put(live.path, TWO[:length])
        live.look()
        assert list(live.snapshot.endpoints) == ["chat"]


def test_a_deleted_file_leaves_the_old_snapshot(live: Live) -> None:
    live.path.unlink()
    assert live.look()
    assert live.problems == (f"{live.path}: there is no such file",)
    assert key(live) == "first"


def test_a_broken_file_is_told_once(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    put(live.path, "endpoints: [")
    with caplog.at_level(logging.INFO, "weir.config"):
        assert live.look()
        assert not live.look()
        live.path.touch()
        assert not live.look()
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "goes on serving" in caplog.text


def test_what_only_a_start_can_change_is_told(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    put(live.path, f"{ONE}proxy: http://127.0.0.1:3128\n")
    assert live.look()
    assert "only when the gateway is started anew" in caplog.text


def test_no_log_line_shows_a_key(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for config in ("{openai_api_key: canary-1}", "{openai_api_key: [canary-2]}", "{openai_api_key: 'canary-3"):
            put(live.path, with_config(config))
            assert live.look()
    assert caplog.text
    assert "canary" not in caplog.text


def test_a_file_that_is_wrong_at_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        Live(write(tmp_path, "endpoints: ["))


def test_the_watch_looks_by_itself_within_two_seconds_and_tells_of_good_and_bad(live: Live) -> None:
    assert 3 * EVERY_SECONDS < 2
    told = threading.Event()
    live.watch(told.set)
    put(live.path, "endpoints: [")
    assert told.wait(10)
    assert live.problems
    told.clear()
    put(live.path, TWO)
    assert told.wait(10)
    assert key(live) == "second"
