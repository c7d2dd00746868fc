"""MLflow's model server: where a call goes, and what the model behind it takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.dialects import mlflow_serving
from app.errors import Garbled
from tests.config.writing import endpoint, problems, with_config
from tests.replies import json_reply
from tests.serving import Gateway
from tests.upstream import Upstream

CHAT = {"messages": [{"role": "user", "content": "How deep is it?"}], "temperature": 0.5}


def serving(upstream: Upstream, **config: Any) -> dict[str, Any]:
    model = {"provider": "mlflow-model-serving", "config": {"model_server_url": upstream.url, **config}}
    return {"name": "chat", "endpoint_type": "llm/v1/chat", "model": model}


@pytest.mark.parametrize(
    ("config", "sent"),
    [({}, CHAT), ({"chat_input": "inputs"}, {"inputs": ["How deep is it?"], "params": {"temperature": 0.5}})],
)
def test_a_model_gets_the_conversation_or_its_only_text(
    upstream: Upstream, gateway: Gateway, config: dict[str, Any], sent: Any
) -> None:
    upstream.replies = json_reply({"predictions": ["Eleven metres."]})
    answer = gateway(serving(upstream, **config)).post("/gateway/chat/invocations", json=CHAT)
    assert answer.json["choices"][0]["message"]["content"] == "Eleven metres."
    (request,) = upstream.wait_for_requests(1)
    assert (request.target, request.json) == ("/invocations", sent)


def test_a_model_of_one_text_takes_no_second_message(upstream: Upstream, gateway: Gateway) -> None:
    told = [{"role": "system", "content": "Be brief."}, *CHAT["messages"]]
    client = gateway(serving(upstream, chat_input="inputs"))
    answer = client.post("/gateway/chat/invocations", json={"messages": told})
    assert (answer.status_code, answer.json["detail"][0]["loc"]) == (422, ["body", "messages", 1])
    assert upstream.requests == []


def test_what_a_model_takes_is_one_of_two(tmp_path: Path) -> None:
    (told,) = problems(
        tmp_path, with_config("{model_server_url: 'http://h', chat_input: input}", "mlflow-model-serving")
    )
    assert "unknown value 'input'; did you mean 'inputs'? known: inputs, messages" in told


def test_the_address_has_two_names(tmp_path: Path) -> None:
    for key in ("model_server_url", "api_base"):
        assert endpoint(tmp_path, f"{{{key}: 'http://h/x'}}", "mlflow-model-serving").url == "http://h/x/invocations"


def test_an_answer_that_ends_with_tool_calls_has_some() -> None:
    response = mlflow_serving.TRANSLATORS["llm/v1/chat"].response
    assert response is not None
    with pytest.raises(Garbled):
        response({"choices": [{"message": {"content": "Wait."}, "finish_reason": "tool_calls"}]})
