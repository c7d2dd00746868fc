"""The built-in provider's row: its settings, and how they travel."""

from __future__ import annotations

import orjson
import pytest
import requests
from marshmallow import ValidationError

from app.call import Call
from app.local.adapter import LocalAdapter
from app.providers.local import LOCAL


def authorized(settings):
    call = Call(LOCAL.url({}, "m", "chat/completions"), {"content-type": "application/json"}, b"{}")
    return LOCAL.authorize(LOCAL.settings().load(settings), call)


def test_no_settings_are_settings():
    assert LOCAL.settings().load({}) == {}


def test_the_settings_reach_the_model_in_the_place_of_a_credential():
    call = authorized({"fail_rate": 1, "fail_status": 418, "retry_after": 3})
    request = requests.Request(call.method, call.url, headers=dict(call.headers), data=call.body).prepare()
    response = LocalAdapter().send(request)
    assert response.status_code == 418
    assert response.headers["retry-after"] == "3"


def test_authorizing_adds_a_header_and_changes_nothing_else():
    call = authorized({"latency": 0.5})
    assert dict(call.headers).keys() == {"content-type", "Weir-Local-Settings"}
    assert orjson.loads(call.headers["Weir-Local-Settings"]) == {"latency": 0.5}
    assert (call.url, call.body) == ("local://weir/chat/completions", b"{}")


def test_it_serves_all_three_endpoint_types():
    assert set(LOCAL.translators) == {"llm/v1/chat", "llm/v1/completions", "llm/v1/embeddings"}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("latency", -1, "0 or more"),
        ("latency", "soon", ""),
        ("tokens_per_second", 0, "more than 0"),
        ("fail_rate", 1.1, "between 0"),
        ("fail_status", 200, "400 to 599"),
        ("fail_status", 503.5, ""),
        ("retry_after", -1, "0 or more"),
        ("cut_after", -1, "0 or more"),
        ("dimensions", 0, "between 1 and"),
        ("latencey", 1, ""),
    ],
)
def test_a_wrong_setting_is_told_by_its_name(name, value, words):
    with pytest.raises(ValidationError) as refused:
        LOCAL.settings().load({name: value})
    (message,) = refused.value.messages_dict[name]
    assert words in str(message)
