"""Configuration files that are wrong, as their authors meet them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from app.config import load
from app.errors import ConfigError
from app.providers import PROVIDERS
from tests.config.writing import LOCAL, problems, with_config

SMALL = "name: a, endpoint_type: llm/v1/chat, model: {provider: local}"
ALL = "destinations: [{name: chat, traffic_percentage: 100}]"

BAD_EVERYWHERE = """
    endpoints:
      - name: limited
        endpoint_type: llm/v1/chat
        model: {provider: local}
        limit: {calls: many, renewal_period: fortnight}
      - name: misspelt
        endpoint_type: llm/v1/chat
        model: {provider: opnai, name: gpt-4o-mini}
      - name: without-key
        endpoint_type: llm/v1/chat
        model:
          provider: openai
          config:
            openai_api_key: $WEIR_TEST_UNSET
            openai_organisation: acme
    routes:
      - name: split
        task_type: llm/v1/chat
        destinations:
          - {name: limitd, traffic_percentage: 60}
          - {name: misspelt, traffic_percentage: 30}
    keep_alve: 3
"""


def test_every_problem_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    told = problems(tmp_path, BAD_EVERYWHERE)
    expected = [
        ("5: endpoints[0].limit.calls:", "should be a whole number, not a string"),
        ("5: endpoints[0].limit.renewal_period:", "'fortnight' is not a period"),
        ("8: endpoints[1].model.provider:", "unknown provider 'opnai'; did you mean 'openai'? known: ai21labs, "),
        ("14: endpoints[2].model.config.openai_api_key:", "environment variable 'WEIR_TEST_UNSET' is not set"),
        ("15: endpoints[2].model.config.openai_organisation:", "did you mean 'openai_organization'?"),
        ("20: routes[0].destinations[0].name:", "there is no endpoint 'limitd'; did you mean 'limited'?"),
        ("19: routes[0].destinations:", "the traffic percentages of route 'split' add up to 90, not 100"),
        ("22: keep_alve:", "unknown key 'keep_alve'; did you mean 'keep_alive'?"),
    ]
    assert len(told) == len(expected)
    for place, words in expected:
        assert any(problem.startswith(place) and words in problem for problem in told), (place, words, told)
    lines = [int(problem.split(":")[0]) for problem in told]
    assert lines == sorted(lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "1: the file is empty; it needs the key 'endpoints'"),
        ("# nothing\n", "1: the file is empty; it needs the key 'endpoints'"),
        ("- a\n- b\n", "1: the file should be a mapping with the key 'endpoints'"),
        ("just words", "1: the file should be a mapping with the key 'endpoints'"),
        ("{}", "1: the key 'endpoints' is missing or empty"),
        ("x-a: 1\nendpoints:\n", "2: endpoints: the key 'endpoints' is missing or empty; say [] for none"),
        ("endpoints: {chat: 1}\n", "1: endpoints: should be a list, not a mapping"),
        ("endpoints: chat\n", "1: endpoints: should be a list, not a string"),
        ("endpoints: [7]\n", "1: endpoints[0]: should be a mapping, not a number"),
        ("endpoints:\n\t- name: a\n", "2: not valid YAML: while scanning for the next token, found character '\\t'"),
        ("endpoints: [\n", "2: not valid YAML: while parsing a flow node"),
        ("endpoints: []\n---\nendpoints: []\n", "2: not valid YAML: expected a single document in the stream"),
        ("endpoints: *nobody\n", "1: not valid YAML: found undefined alias 'nobody'"),
        ("endpoints: !!python/name:os.system\n", "1: not valid YAML: could not determine a constructor for the tag"),
        ("endpoints: []\nkeep_alive: 2026-99-99\n", "1: not valid YAML: month must be in 1..12"),
        (b"endpoints: []\n# caf\xe9\n", "2: not UTF-8: byte 0xe9"),
        ("a: \x00\n", "1: not valid YAML: unacceptable character"),
        ("[" * 5000, "1: not valid YAML: nested too deeply"),
        ("endpoints: " + "[" * 60 + "]" * 60, "1: not valid YAML: nested too deeply"),
        ("endpoints: &a [*a, *a]\n", "1: not valid YAML: nested too deeply"),
        ("endpoints: []\n1: 2\n", "1: the key '1' in line 2 should be a string: put it into quotes"),
        ("endpoints: []\nyes: 2\n", "1: the key 'yes' in line 2 should be a string: put it into quotes"),
        ("endpoints: []\n? [a, b]\n: 2\n", "1: the key in line 2 should be a string: put it into quotes"),
        ("endpoints: []\nmax_body: 1\nmax_body: 2\n", "2: max_body: this key stands twice: again in line 3"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_in_one_sentence(tmp_path: Path, text: str | bytes, told: str) -> None:
    found = problems(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(told), found


def test_aliases_that_unfold_without_end_are_refused(tmp_path: Path) -> None:
    levels = [f"x-{n}: &n{n} [{', '.join([f'*n{n - 1}'] * 10)}]" for n in range(1, 12)]
    told = problems(tmp_path, "\n".join(["endpoints: []", "x-0: &n0 [a]", *levels]))
    assert len(told) == 1
    assert "too many values" in told[0]


def test_a_missing_file_and_a_directory_are_told(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "no.yaml", "there is no such file"), (tmp_path, "cannot be read: Is a directory")):
        with pytest.raises(ConfigError, match=re.escape(f"{path}: {words}")):
            load(path)


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("{endpoint_type: llm/v1/chat, model: {provider: local}}", "1: endpoints[0]: the key 'name' is missing"),
        ("{name: a, model: {provider: local}}", "1: endpoints[0]: the key 'endpoint_type' is missing"),
        ("{name: a, endpoint_type: llm/v1/chat}", "1: endpoints[0]: the key 'model' is missing"),
        ("{name: a, endpoint_type: llm/v1/chat, model: local}", "model: should be a mapping, not a string"),
        ("{name: a, endpoint_type: llm/v1/chat, model: {name: b}}", "model: the key 'provider' is missing"),
        ("{name: a b, endpoint_type: llm/v1/chat, model: {provider: local}}", "name: 'a b' is not a name"),
        ("{name: a/b, endpoint_type: llm/v1/chat, model: {provider: local}}", "name: 'a/b' is not a name"),
        ("{name: 5, endpoint_type: llm/v1/chat, model: {provider: local}}", "should be a string, not a number: put it"),
        ("{name: a, endpoint_type: chat, model: {provider: local}}", "endpoint_type: unknown value 'chat'"),
        ("{name: a, route_type: llm/v1/chat, model: {provider: local}}", "route_type: this key is now called 'endp"),
        ("{SMALL, limits: 3}", "did you mean 'limit'?"),
        ("{name: a, endpoint_type: llm/v1/chat, model: {provider: local, nmae: 3}}", "did you mean 'name'?"),
        ("{name: a, endpoint_type: llm/v1/chat, model: {provider: local, config: 3}}", "config: should be a mapping"),
        ("{name: a, endpoint_type: llm/v1/chat, model: {provider: local, config: {latncy: 3}}}", "mean 'latency'?"),
        ("{SMALL, timeouts: {ttl: 3}}", "known: connect, first"),
        ("{SMALL, timeouts: {idle: 0}}", "idle: should be sec"),
        ("{SMALL, timeouts: {idle: '3'}}", "not a string"),
        ("{SMALL, timeouts: {idle: .nan}}", "idle: should be a"),
        ("{SMALL, timeouts: {idle: true}}", "not true or false"),
        ("{SMALL, limit: {calls: 1}}", "'renewal_period' is mi"),
        ("{SMALL, limit: {calls: -1, renewal_period: day}}", "calls: should be at least 0"),
        ("{SMALL, limit: {calls: 1, renewal_period: 0 days}}", "'0 days' is not a period"),
        ("{SMALL, limit: {calls: 1, renewal_period: day, kee: 1}}", "did you mean 'key'?"),
        ("{SMALL, limit: {calls: 1, renewal_period: day, key: ip}}", "limits by key are not supported"),
    ],
)
def test_a_mistake_in_an_endpoint_is_one_sentence_with_its_place(tmp_path: Path, entry: str, told: str) -> None:
    found = problems(tmp_path, f"endpoints: [{entry.replace('SMALL', SMALL)}]\n")
    if "route_type" not in entry:
        assert len(found) == 1, found
    assert told in found[0], found
    assert found[0].startswith("1: endpoints[0]"), found


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ("{task_type: llm/v1/chat, ALL}", "the key 'name' is missing"),
        ("{name: r, ALL}", "the key 'task_type' is missing"),
        ("{name: r, task_type: llm/v1/chat}", "the key 'destinations' is missing"),
        ("{name: r, task_type: llm/v1/chat, destinations: []}", "destinations: should not be empty"),
        ("{name: r, task_type: llm/v1/chat, destinations: [{name: chat}]}", "the key 'traffic_percentage' is missing"),
        (
            "{name: r, task_type: llm/v1/chat, destinations: [{name: chat, traffic_percentage: 101}]}",
            "between 0 and 100",
        ),
        ("{name: r, task_type: llm/v1/chat, destinations: [{name: chat, traffic_percentage: 9.5}]}", "a whole number"),
        (
            "{name: r, task_type: llm/v1/chat, destinations: [{name: chat, traffic_percentage: 99}]}",
            "add up to 99, not 1",
        ),
        (
            "{name: r, task_type: llm/v1/chat, destinations: [{name: r, traffic_percentage: 100}]}",
            "there is no endpoint 'r'",
        ),
        (
            "{name: r, task_type: llm/v1/embeddings, ALL}",
            "endpoint 'chat' is llm/v1/chat, and not llm/v1/embeddings",
        ),
        ("{name: a/b, task_type: llm/v1/chat, ALL}", "'a/b' is not a name"),
        ("{name: r, task_type: llm/v1/chat, ALL, routing_strategy: X}", "known: TRAFFIC_SPLIT"),
    ],
)
def test_a_mistake_in_a_route_is_one_sentence_with_its_place(tmp_path: Path, route: str, told: str) -> None:
    found = problems(tmp_path, f"endpoints: [{LOCAL}]\nroutes:\n  - {route.replace('ALL', ALL)}\n")
    assert len(found) == 1, found
    assert told in found[0]
    assert found[0].startswith("3: routes[0]")


def test_endpoints_and_routes_share_their_names(tmp_path: Path) -> None:
    route = "{name: chat, task_type: llm/v1/chat, destinations: [{name: chat, traffic_percentage: 100}]}"
    told = problems(tmp_path, f"endpoints:\n- {LOCAL}\n- {LOCAL}\nroutes:\n- {route}\n")
    words = "'chat' names more than one endpoint or route"
    assert told == [
        f"2: endpoints[0].name: {words}", f"3: endpoints[1].name: {words}", f"5: routes[0].name: {words}",
    ]  # fmt: skip


def test_a_route_over_a_broken_endpoint_is_not_blamed(tmp_path: Path) -> None:
    route = "{name: r, task_type: llm/v1/chat, destinations: [{name: chat, traffic_percentage: 100}]}"
    entry = "{name: chat, endpoint_type: llm/v1/chat, model: {provider: lokal}}"
    assert len(problems(tmp_path, f"endpoints: [{entry}]\nroutes: [{route}]\n")) == 1


def test_an_endpoint_type_that_the_provider_has_not_is_told_with_those_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chat = {"llm/v1/chat": PROVIDERS["local"].translators["llm/v1/chat"]}
    monkeypatch.setitem(PROVIDERS, "talker", replace(PROVIDERS["local"], name="talker", translators=chat))
    told = problems(tmp_path, with_config("{}", "talker").replace("llm/v1/chat", "llm/v1/embeddings"))
    assert told == ["3: endpoints[0].endpoint_type: provider 'talker' has no llm/v1/embeddings; it has llm/v1/chat"]
