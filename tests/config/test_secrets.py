"""Secrets: where they come from, what is said of those that cannot be had, and that none is ever shown."""

from __future__ import annotations

import traceback
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.call import Call
from app.config import load
from app.config.secrets import Plain
from app.errors import ConfigError
from tests.config.writing import endpoint, problems, read, with_config, write

CANARY = "sk-canary-2Vb9QxYw71"


def key_of(directory: Path, written: str) -> str:
    """The key that a configuration's `openai_api_key` stands for; `written` is YAML."""
    key: str = endpoint(directory, f"{{openai_api_key: {written}}}").settings["openai_api_key"]
    return key


def told_of(directory: Path, written: str) -> str:
    """What is wrong with it: one sentence, at its place."""
    (told,) = problems(directory, with_config(f"{{openai_api_key: {written}}}"))
    place, words = told.split(": ", 1)
    assert (place, words.partition(": ")[0]) == ("4", "endpoints[0].model.config.openai_api_key")
    return words.partition(": ")[2]


def quoted(path: Path) -> str:
    return orjson.dumps(str(path)).decode()


def test_a_literal_is_itself(tmp_path: Path) -> None:
    assert key_of(tmp_path, CANARY) == CANARY


@pytest.mark.parametrize("written", ["$WEIR_TEST_KEY", "'${WEIR_TEST_KEY}'"])
def test_a_variable_is_read_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str) -> None:
    monkeypatch.setenv("WEIR_TEST_KEY", f" {CANARY}\n")
    assert key_of(tmp_path, written) == CANARY


@pytest.mark.parametrize("content", [CANARY, f"{CANARY}\n", f"  {CANARY}\r\n\r\n", f"\ufeff{CANARY}\n"])
def test_a_file_is_read_without_the_white_space_around(tmp_path: Path, content: str) -> None:
    file = tmp_path / "key"
    file.write_bytes(content.encode())
    assert key_of(tmp_path, quoted(file)) == CANARY


def test_a_relative_path_is_seen_from_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openai.key").write_text(CANARY)
    assert key_of(tmp_path, "openai.key") == CANARY


def test_a_literal_that_could_be_a_path_stays_a_literal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").mkdir()
    for literal in ("EMPTY", "/wJalrXUtnFEMI/K7MDENG+bPxRfiCYzEXAMPLEKEY", "ab/cd/ef", "a" * 5000):
        assert key_of(tmp_path, literal) == literal


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("$WEIR_TEST_UNSET", "environment variable 'WEIR_TEST_UNSET' is not set"),
        ("'${WEIR_TEST_UNSET}'", "environment variable 'WEIR_TEST_UNSET' is not set"),
        ("$WEIR_TEST_EMPTY", "environment variable 'WEIR_TEST_EMPTY' is empty"),
        ("$WEIR_TEST_BLANK", "the secret is empty"),
        ("''", "the secret is empty"),
        ("'a b\\nc'", None),
        ('"two\\nlines"', "the secret holds a line break or a character that no key has"),
        ('"caf\\u00e9"', "the secret holds a line break or a character that no key has"),
        ('"nul\\0"', "the secret holds a line break or a character that no key has"),
        ("12345", "should be a string, not a number: put it into quotes"),
        ("true", "should be a string, not true or false: put it into quotes"),
        ("2024-02-01", "should be a string, not a date: put it into quotes"),
        ("[a]", "should be a string, not a list"),
        ("{a: b}", "should be a string, not a mapping"),
        ("!!binary c2VjcmV0", "should be a string, not something else"),
        (f"'{'k' * 70_000}'", "the secret is longer than 65536 characters"),
    ],
)
def test_what_cannot_be_had_is_told_without_the_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, words: str | None
) -> None:
    monkeypatch.setenv("WEIR_TEST_EMPTY", "")
    monkeypatch.setenv("WEIR_TEST_BLANK", " \n")
    if words is None:  # a backslash in single quotes is a backslash
        assert key_of(tmp_path, written) == "a b\\nc"
    else:
        assert told_of(tmp_path, written) == words


def test_a_literal_that_begins_with_a_dollar_sign_is_not_shown(tmp_path: Path) -> None:
    told = told_of(tmp_path, "'$ecr3t-pa55!'")
    assert "ecr3t" not in told
    assert "$NAME" in told


def test_files_that_hold_no_secret_are_told(tmp_path: Path) -> None:
    empty, binary, long, link = (tmp_path / name for name in ("empty", "binary", "long", "link"))
    empty.write_text(" \n")
    binary.write_bytes(b"\xff\xfe\x00")
    long.write_text("k" * 70_000)
    link.symlink_to(link)
    assert told_of(tmp_path, quoted(empty)) == "the secret is empty"
    assert told_of(tmp_path, quoted(binary)) == f"the file '{binary}' is not UTF-8"
    assert told_of(tmp_path, quoted(long)) == "the secret is longer than 65536 characters"
    assert told_of(tmp_path, quoted(link)).startswith(f"the file '{link}' cannot be read")


def test_a_path_that_leads_nowhere_or_to_a_directory_is_not_a_literal(tmp_path: Path) -> None:
    missing = tmp_path / "secrets" / "openai"
    assert told_of(tmp_path, quoted(missing)) == f"the file '{missing}' cannot be read: No such file or directory"
    assert told_of(tmp_path, quoted(tmp_path)) == f"the file '{tmp_path}' cannot be read: Is a directory"


def test_settings_that_are_no_secrets_take_variables_but_not_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEIR_TEST_BASE", "http://127.0.0.1:8000/v1")
    assert endpoint(tmp_path, "{api_base: $WEIR_TEST_BASE}", "openai-compatible").url.startswith(
        "http://127.0.0.1:8000"
    )
    (told,) = problems(tmp_path, with_config("{api_base: $WEIR_TEST_UNSET}", "openai-compatible"))
    assert told.endswith("api_base: environment variable 'WEIR_TEST_UNSET' is not set")
    (tmp_path / "organization").write_text("org-acme")
    path = tmp_path / "organization"
    found = endpoint(tmp_path, f"{{openai_api_key: k, openai_organization: {quoted(path)}}}")
    assert found.settings["openai_organization"] == str(path)


def test_secrets_of_the_file_itself_are_resolved_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_TEST_REDIS", f"redis://:{CANARY}@127.0.0.1:6379/0")
    file = tmp_path / "proxy"
    file.write_text(f"http://user:{CANARY}@127.0.0.1:3128\n")
    snapshot = read(tmp_path, f"endpoints: []\nlimits_storage: $WEIR_TEST_REDIS\nproxy: {quoted(file)}\n")
    assert snapshot.limits_storage == f"redis://:{CANARY}@127.0.0.1:6379/0"
    assert snapshot.network.https_proxy == f"http://user:{CANARY}@127.0.0.1:3128"
    assert file in snapshot.files
    assert CANARY not in repr(snapshot)


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    snapshot = read(tmp_path, with_config(f"{{openai_api_key: {CANARY}}}"))
    found = snapshot.endpoints["chat"]
    call = found.provider.authorize(found.settings, Call(found.url, {}, b"{}"))
    assert CANARY in call.headers["Authorization"]
    for value in (snapshot, found, found.settings, dict(found.settings), call, Plain(CANARY)):
        assert CANARY not in repr(value)
    found = endpoint(tmp_path, f"{{api_base: 'http://h/v1?key={CANARY}'}}", "openai-compatible")
    assert CANARY in found.url
    assert CANARY not in repr(found)


@pytest.mark.parametrize(
    "config",
    [
        "{openai_api_key: CANARY, openai_api_kee: CANARY}",
        "{openai_api_key: [CANARY]}",
        "{openai_api_key: {CANARY: CANARY}}",
        '{openai_api_key: "CANARY\\n2"}',
        "{openai_api_key: CANARY, openai_api_base: 'https://user:CANARY@127.0.0.1/v1'}",
        "{openai_api_key: CANARY, openai_api_base: 'CANARY'}",
        "{openai_api_key: CANARY, openai_api_base: 'https://[CANARY/v1'}",
        '{openai_api_key: CANARY, openai_organization: "CANARY\\n"}',
        "{openai_api_key: CANARY, openai_deployment_name: CANARY}",
        "{openai_api_key: CANARY, openai_api_version: [CANARY]}",
        "{openai_api_key: CANARY, stream_usage: CANARY}",
        "[CANARY]",
        "CANARY",
    ],
)
def test_no_message_shows_a_value_of_the_settings(tmp_path: Path, config: str) -> None:
    path = write(tmp_path, with_config(config.replace("CANARY", CANARY)))
    with pytest.raises(ConfigError) as caught:
        load(path)
    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value.problems)
    assert CANARY not in told


@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40).filter(lambda s: s[0] != "$")
)
def test_any_printable_literal_survives(tmp_path_factory: pytest.TempPathFactory, literal: str) -> None:
    if Path(literal).exists() or literal.startswith(("/", ".", "~")):
        return
    assert key_of(tmp_path_factory.mktemp("config"), orjson.dumps(literal).decode()) == literal
