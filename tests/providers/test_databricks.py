"""Databricks: where its serving endpoints are, and the two ways in."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from marshmallow import ValidationError

from app.call import Call
from app.providers.databricks import DATABRICKS, DATABRICKS_MODEL_SERVING, DatabricksSettings
from tests.config.writing import endpoint

PRINCIPAL = {"host": "https://w.example/", "client_id": "id", "client_secret": "hush"}


def headers(settings: dict[str, Any]) -> dict[str, str]:
    return dict(DATABRICKS.authorize(settings, Call("https://h", {"Accept": "a"}, b"")).headers)


@pytest.mark.parametrize("name", [DATABRICKS.name, DATABRICKS_MODEL_SERVING.name])
@pytest.mark.parametrize("host", ["https://w.example", "w.example/"])
def test_a_workspace_is_named_with_or_without_its_scheme(tmp_path: Path, name: str, host: str) -> None:
    found = endpoint(tmp_path, f"{{host: '{host}', token: t}}", name)
    assert found.url == "https://w.example/serving-endpoints/chat/completions"


def test_completions_are_invocations_of_the_model() -> None:
    path = DATABRICKS.translators["llm/v1/completions"].path
    url = DATABRICKS.url({"host": "w.example", "token": "t"}, "my model", path)
    assert url == "https://w.example/serving-endpoints/my%20model/invocations"


def test_another_address_takes_the_place_of_the_workspaces() -> None:
    settings = {"host": "w.example", "token": "t", "api_base": "http://127.0.0.1:1/x/"}
    assert DATABRICKS.url(settings, "m", "chat/completions") == "http://127.0.0.1:1/x/chat/completions"


def test_an_access_token_needs_no_grant() -> None:
    settings = {"host": "w.example", "token": "t"}
    assert DATABRICKS.grant(settings) is None
    assert headers(settings) == {"Accept": "a", "Authorization": "Bearer t"}


def test_a_service_principal_asks_its_workspace_for_a_token() -> None:
    grant = DATABRICKS.grant(PRINCIPAL)
    assert grant is not None
    assert "hush" not in repr(grant)
    call = grant.call()
    assert call.url == "https://w.example/oidc/v1/token"
    assert call.body == b"grant_type=client_credentials&scope=all-apis"
    assert call.headers["Authorization"] == f"Basic {b64encode(b'id:hush').decode()}"
    assert headers(PRINCIPAL) == {"Accept": "a"}  # the gateway puts the token there


@pytest.mark.parametrize(
    ("said", "key"),
    [
        ({"host": "w.example"}, "token"),
        ({"host": "w.example", "client_id": "i"}, "client_secret"),
        ({"host": "w.example", "client_secret": "s"}, "client_id"),
        ({"host": "w.example", "token": "t", "client_id": "i", "client_secret": "s"}, "client_id"),
        ({"token": "t"}, "host"),
        ({"host": "w w", "token": "t"}, "host"),
    ],
)
def test_it_wants_one_way_in_and_that_whole(said: dict[str, str], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        DatabricksSettings().load(said)
    assert list(caught.value.messages_dict) == [key]
