"""The documentation page and the OpenAPI document: whole, true, and at home on the gateway."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from app.application import create_app
from app.errors import InvalidPayload
from app.schemas import CHAT, COMPLETIONS, EMBEDDINGS, check
from app.version import __version__

SHIPPED = Path(__file__).parents[2] / "endpoints.yaml"


@pytest.fixture(scope="module")
def app() -> Flask:
    return create_app(SHIPPED)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="module")
def document(app: Flask) -> dict[str, Any]:
    found: dict[str, Any] = app.test_client().get("/openapi.json").json
    return found


def test_the_root_leads_to_the_documentation(client: FlaskClient) -> None:
    answer = client.get("/")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/docs")


def test_below_a_proxys_prefix_the_root_keeps_the_prefix(client: FlaskClient) -> None:
    answer = client.get("/", environ_overrides={"SCRIPT_NAME": "/weir"})
    assert answer.headers["Location"] == "/weir/docs"


class _Links(HTMLParser):
    """What a page loads, and the scripts and styles that stand in it."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        said = dict(attributes)
        source = said.get("src") if tag == "script" else said.get("href") if tag == "link" else None
        if source:
            self.loaded.append(source)
        elif tag in ("script", "style"):
            self.inline.append(tag)
        self.inline += [name for name in said if name == "style" or name.startswith("on")]


def test_the_page_loads_only_what_the_gateway_serves(client: FlaskClient) -> None:
    page = _Links()
    with client.get("/docs") as answer:
        assert answer.mimetype == "text/html"
        page.feed(answer.text)
    assert len(page.loaded) == 4
    assert page.inline == []
    for source in page.loaded:
        assert "//" not in source
        with client.get(f"/{source}") as file:  # relative to /docs
            assert file.status_code == 200
            assert file.data
            assert file.headers["X-Content-Type-Options"] == "nosniff"


def test_the_pages_policy_allows_no_other_origin_and_no_inline_script(client: FlaskClient) -> None:
    with client.get("/docs") as answer:
        policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"


def test_no_other_file_can_be_had(client: FlaskClient) -> None:
    for name in ("index.html", "__init__.py", "..%2Fdocument.py", "%2E%2E/document.py", "swagger-ui.js"):
        assert client.get(f"/docs/{name}").status_code == 404


def test_a_browser_need_not_load_the_same_file_again(client: FlaskClient) -> None:
    with client.get("/docs/swagger-ui-bundle.js") as first:
        tag = first.headers["ETag"]
    with client.get("/docs/swagger-ui-bundle.js", headers={"If-None-Match": tag}) as again:
        assert (again.status_code, again.data) == (304, b"")


def test_the_document_is_weirs(client: FlaskClient, document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1.")
    assert (document["info"]["title"], document["info"]["version"]) == ("Weir", __version__)
    assert client.get("/openapi.json").mimetype == "application/json"


def test_the_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validator = pytest.importorskip("openapi_spec_validator", reason="openapi-spec-validator is part of the dev extra")
    assert list(validator.OpenAPIV31SpecValidator(document).iter_errors()) == []


def test_every_url_is_documented_and_no_other(app: Flask, document: dict[str, Any]) -> None:
    served = {
        (method.lower(), re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    documented = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert served == documented


def _examples(document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            for name, example in body.get("examples", {}).items():
                yield path, name, example["value"]


def test_every_example_works_against_the_shipped_file(client: FlaskClient, document: dict[str, Any]) -> None:
    examples = list(_examples(document))
    assert len(examples) == 12
    for path, name, payload in examples:
        with client.post(path.replace("{name}", name.split(",")[0]), json=payload) as answer:
            assert answer.status_code == 200, (path, name, answer.text)
            documented = document["paths"][path]["post"]["responses"]["200"]["content"]
            assert answer.mimetype in documented


def test_every_example_of_a_name_is_found(client: FlaskClient, document: dict[str, Any]) -> None:
    for path, methods in document["paths"].items():
        if "get" in methods and "{name}" in path and "200" in methods["get"]["responses"] and "/route/" not in path:
            example = methods["get"]["parameters"][0]["example"]
            with client.get(path.replace("{name}", example)) as answer:
                assert answer.status_code == 200, path


def test_types_ranges_and_what_is_required_show(document: dict[str, Any]) -> None:
    chat = document["components"]["schemas"]["ChatPayload"]
    assert chat["required"] == ["messages"]
    assert chat["properties"]["temperature"] == {"type": ["number", "null"], "minimum": 0, "maximum": 2}
    assert chat["properties"]["messages"]["minItems"] == 1
    assert chat["properties"]["stop"]["type"] == ["string", "array", "null"]


_SCALARS = (
    st.none() | st.booleans() | st.integers(-3, 5) | st.sampled_from([-0.5, 0.5, 2.5]) | st.sampled_from(["", "a"])
)
_ODDITIES = st.sampled_from(
    [
        *([], {}, ["a"], [1], [[1, 2]], [[]], [{}], [None], "float", {"type": 1}, {"type": "text"}),
        *({"type": "json_schema"}, {"type": "json_schema", "json_schema": {}}),
        *([{"role": "user", "content": [{"type": "text"}, {}]}], [{"role": "user"}]),
    ]
)
_MESSAGES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(["user", "", None]),
            "content": _SCALARS | st.lists(st.sampled_from([{"type": "text"}, {}, 1]), max_size=2),
            "tool_calls": st.sampled_from([None, [], [{}], [1], {}]),
        },
    ),
    max_size=2,
)
_REQUIRED = {
    CHAT: ("messages", _MESSAGES | st.just([{"role": "user", "content": "hello"}])),
    COMPLETIONS: ("prompt", st.just("hello")),
    EMBEDDINGS: ("input", st.just(["hello"])),
}
_NAMES = {CHAT: "ChatPayload", COMPLETIONS: "CompletionsPayload", EMBEDDINGS: "EmbeddingsPayload"}


@pytest.mark.parametrize("endpoint_type", _NAMES)
@settings(derandomize=True, max_examples=400, deadline=None)
@given(data=st.data())
def test_what_the_document_allows_is_what_the_gateway_accepts(
    document: dict[str, Any], endpoint_type: str, data: st.DataObject
) -> None:
    schema = document["components"]["schemas"][_NAMES[endpoint_type]]
    key, likely = _REQUIRED[endpoint_type]
    names = st.sampled_from(sorted(schema["properties"]))
    payload = data.draw(st.dictionaries(names, _SCALARS | _ODDITIES, max_size=2))
    payload = {key: data.draw(likely), **payload} if data.draw(st.booleans()) else payload
    allowed = jsonschema.Draft202012Validator({**document, **schema}).is_valid(payload)
    assert allowed == _accepted(endpoint_type, payload), payload


def _accepted(endpoint_type: str, payload: dict[str, Any]) -> bool:
    try:
        check(endpoint_type, payload)
    except InvalidPayload:
        return False
    return True
