"""The gateway is asked what its OpenAPI document allows and forbids: every answer is documented, none a 5xx."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from app.application import create_app

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is part of the dev extra")

pytestmark = [
    pytest.mark.fuzz,
    pytest.mark.timeout(60),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),  # schemathesis does not close what it is sent
]

ENDPOINTS = """
endpoints:
  - {name: chat, endpoint_type: llm/v1/chat, model: {provider: local, name: weir-local}}
  - {name: completions, endpoint_type: llm/v1/completions, model: {provider: local, name: weir-local}}
  - {name: embeddings, endpoint_type: llm/v1/embeddings, model: {provider: local, name: weir-local}}
  - name: limited
    endpoint_type: llm/v1/chat
    limit: {calls: 3, renewal_period: year}
    model: {provider: local, name: weir-local}
routes:
  - name: split
    task_type: llm/v1/chat
    destinations: [{name: chat, traffic_percentage: 100}]
"""

NAMES = {"enum": ["chat", "completions", "embeddings", "limited", "split", "nobody", "swagger-ui.css"]}
"""Without these most of what is generated would ask for a name that does not exist."""

SETTINGS = {
    "generation": {"deterministic": True, "max-examples": 50, "database": "none"},
    "phases": {"stateful": {"enabled": False}},
}


def load() -> Any:
    """The gateway's document, without the answer that stands for any status, and with names that exist."""
    with TemporaryDirectory() as directory:
        file = Path(directory) / "endpoints.yaml"
        file.write_text(ENDPOINTS)
        app = create_app(file)
    document = app.test_client().get("/openapi.json").get_json()
    for operation in (operation for methods in document["paths"].values() for operation in methods.values()):
        operation["responses"].pop("default", None)
        for parameter in operation["parameters"]:
            if parameter["name"] == "name":
                parameter["schema"] = NAMES
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        for part in body.get("allOf", []):
            if "model" in part.get("properties", {}):
                part["properties"]["model"] = NAMES
    schema = schemathesis.openapi.from_dict(document, config=schemathesis.Config.from_dict(SETTINGS))
    schema.app = app
    return schema


every_operation = load().parametrize()


EXCLUDED = (
    schemathesis.checks.not_a_server_error,  # it knows of no documented 501
    schemathesis.checks.positive_data_acceptance,  # a provider refuses some of what the envelope allows
)


@every_operation
def test_every_answer_is_documented_and_none_is_a_server_error(case: Any) -> None:
    answer = case.call()
    assert answer.status_code < 500 or (answer.status_code == 501 and "/limits/" in case.path)
    case.validate_response(answer, excluded_checks=list(EXCLUDED))
