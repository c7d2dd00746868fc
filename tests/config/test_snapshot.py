"""Configuration files that are right: what stands in the snapshot, MLflow's own files included."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.call import Timeouts
from app.config import load
from app.place import config_path
from tests.config.writing import endpoint, problems, read, with_config


def test_a_key_with_nothing_behind_it_is_absent(tmp_path: Path) -> None:
    text = """
        endpoints:
          - name: chat
            endpoint_type: llm/v1/chat
            model: {provider: local, name: , config: }
            limit:
            timeouts:
        routes:
        timeouts:
        max_body:
    """
    snapshot = read(tmp_path, text)
    assert snapshot.endpoints["chat"].limit is None
    assert snapshot.endpoints["chat"].model is None
    assert snapshot.max_body == 32 * 1024 * 1024


@pytest.mark.parametrize("text", ["endpoints: []\n", "\ufeffendpoints: []\r\n"])
def test_a_file_may_have_no_endpoints_yet_a_bom_and_crlf(tmp_path: Path, text: str) -> None:
    assert dict(read(tmp_path, text.encode()).endpoints) == {}


def test_crlf_and_a_bom_leave_values_and_lines_as_they_are(tmp_path: Path) -> None:
    text = "\ufeff" + with_config("{openai_api_key: k}").replace("\n", "\r\n")
    assert read(tmp_path, text.encode()).endpoints["chat"].settings["openai_api_key"] == "k"
    broken = text.replace("gpt-4o-mini", "4")
    assert problems(tmp_path, broken.encode())[0].startswith("4: endpoints[0].model.name: should be a string")


def test_anchors_and_merge_keys_work_and_problems_in_them_have_a_line(tmp_path: Path) -> None:
    text = """
        x-shared:
          model: &model {provider: openai, name: gpt-4o-mini, config: {openai_api_key: k}}
        endpoints:
          - &first {name: a, endpoint_type: llm/v1/chat, model: *model}
          - <<: *first
            name: b
          - <<: [{endpoint_type: llm/v1/embeddings}, *first]
            name: c
    """
    snapshot = read(tmp_path, text)
    assert [(each.name, each.type) for each in snapshot.endpoints.values()] == [
        ("a", "llm/v1/chat"), ("b", "llm/v1/chat"), ("c", "llm/v1/embeddings"),
    ]  # fmt: skip
    told = problems(tmp_path, text.replace("endpoint_type: llm/v1/chat", "endpoint_type: chat"))
    assert [problem.split(":")[0] for problem in told] == ["4", "4"]


@pytest.mark.parametrize(
    ("period", "multiples", "granularity"),
    [("minute", 1, "minute"), ("minutes", 1, "minute"), ("5 minutes", 5, "minute"), ("5minutes", 5, "minute"),
     ("1 Hour", 1, "hour"), ("SECOND", 1, "second"), ("30 days", 30, "day"), ("month", 1, "month"),
     ("2 years", 2, "year")],
)  # fmt: skip
def test_renewal_periods_are_mlflows(tmp_path: Path, period: str, multiples: int, granularity: str) -> None:
    limit = endpoint(tmp_path, "{}", "local", limit=f"{{calls: 0, renewal_period: {period}, key: null}}").limit
    assert limit is not None
    assert (limit.calls, limit.renewal_period) == (0, period)
    assert (limit.multiples, limit.granularity) == (multiples, granularity)


@pytest.mark.parametrize("name", ["openai", "OpenAI", "OPENAI"])
def test_a_providers_name_is_read_in_whichever_case(tmp_path: Path, name: str) -> None:
    assert endpoint(tmp_path, "{openai_api_key: k}", name).provider.name == "openai"


def test_hyphen_and_underscore_are_one_in_a_providers_name(tmp_path: Path) -> None:
    found = endpoint(tmp_path, "{api_base: 'http://127.0.0.1:8000/v1'}", "OpenAI_Compatible")
    assert found.provider.name == "openai-compatible"


def test_timeouts_are_the_endpoints_own_then_the_files_then_the_defaults(tmp_path: Path) -> None:
    text = with_config("{}", "local", timeouts="{idle: 7, connect: 0.5}") + "timeouts: {idle: 9, total: 30}\n"
    assert read(tmp_path, text).endpoints["chat"].timeouts == Timeouts(
        connect=0.5, first_token=Timeouts().first_token, idle=7, total=30
    )


def test_options_of_the_file_reach_the_snapshot(tmp_path: Path) -> None:
    options = "keep_alive: 2.5\nmax_body: 1000\nlimits_storage: redis://127.0.0.1:6379/0\n"
    snapshot = read(tmp_path, f"endpoints: []\n{options}")
    assert (snapshot.keep_alive, snapshot.max_body) == (2.5, 1000)
    assert snapshot.limits_storage == "redis://127.0.0.1:6379/0"
    for wrong in ("keep_alive: 0", "max_body: 0", "max_body: 1.5", "keep_alive: [1]"):
        assert len(problems(tmp_path, f"endpoints: []\n{wrong}\n")) == 1


def test_nothing_can_change_a_snapshot(tmp_path: Path) -> None:
    snapshot = read(tmp_path, with_config("{openai_api_key: k}"))
    with pytest.raises(AttributeError):
        snapshot.max_body = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        snapshot.endpoints["new"] = snapshot.endpoints["chat"]  # type: ignore[index]
    with pytest.raises(TypeError):
        snapshot.endpoints["chat"].settings["openai_api_key"] = "j"  # type: ignore[index]


def test_the_file_is_named_by_two_variables_or_lies_in_the_current_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GATEWAY_CONFIG", raising=False)
    monkeypatch.delenv("MLFLOW_GATEWAY_CONFIG", raising=False)
    assert config_path() == Path("endpoints.yaml")
    monkeypatch.setenv("MLFLOW_GATEWAY_CONFIG", "mlflow.yaml")
    assert config_path() == Path("mlflow.yaml")
    monkeypatch.setenv("GATEWAY_CONFIG", "weir.yaml")
    assert config_path() == Path("weir.yaml")


def test_a_configuration_of_mlflows_is_read_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The examples of MLflow's documentation for OpenAI and Azure OpenAI, with a limit and a traffic split."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-from-the-environment")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "from-azure")
    text = """
        endpoints:
          - name: completions
            endpoint_type: llm/v1/completions
            model:
              provider: openai
              name: gpt-3.5-turbo-instruct
              config:
                openai_api_key: $OPENAI_API_KEY
            limit:
              renewal_period: minute
              calls: 10
              key: null
          - name: chat
            endpoint_type: llm/v1/chat
            model:
              provider: openai
              name: gpt-4o-mini
              config:
                openai_api_key: $OPENAI_API_KEY
                openai_api_base: https://api.openai.com/v1
                openai_api_version: null
                openai_organization: org-acme
          - name: chat-azure
            endpoint_type: llm/v1/chat
            model:
              provider: openai
              name: gpt-35-turbo
              config:
                openai_api_type: "azuread"
                openai_api_key: $AZURE_OPENAI_API_KEY
                openai_deployment_name: "{your_deployment_name}"
                openai_api_base: "https://resource-azureopenai.openai.azure.com/"
                openai_api_version: "2023-05-15"
          - name: embeddings
            endpoint_type: llm/v1/embeddings
            model:
              provider: OpenAI
              name: text-embedding-ada-002
              config: {openai_api_key: $OPENAI_API_KEY}
        routes:
          - name: split
            task_type: llm/v1/chat
            destinations:
              - name: chat
                traffic_percentage: 80
              - name: chat-azure
                traffic_percentage: 20
            routing_strategy: TRAFFIC_SPLIT
    """
    snapshot = read(tmp_path, text)
    assert list(snapshot.endpoints) == ["completions", "chat", "chat-azure", "embeddings"]
    assert [(each.name, share) for each, share in snapshot.routes["split"].destinations] == [
        ("chat", 80), ("chat-azure", 20),
    ]  # fmt: skip
    assert snapshot.endpoints["chat"].url == "https://api.openai.com/v1/chat/completions"
    assert snapshot.endpoints["chat"].settings["openai_api_key"] == "sk-from-the-environment"


def test_the_shipped_configuration_has_no_problems() -> None:
    shipped = Path(__file__).resolve().parents[2] / "endpoints.yaml"
    assert list(load(shipped).endpoints) == ["chat", "completions", "embeddings", "flaky"]


def test_a_route_holds_its_destinations_with_their_shares(tmp_path: Path) -> None:
    entries = "".join(f"- {{name: {name}, endpoint_type: llm/v1/chat, model: {{provider: local}}}}\n" for name in "ab")
    split = "[{name: a, traffic_percentage: 100}, {name: b, traffic_percentage: 0}]"
    text = f"endpoints:\n{entries}routes: [{{name: r, task_type: llm/v1/chat, destinations: {split}}}]\n"
    snapshot = read(tmp_path, text)
    a, b = snapshot.endpoints["a"], snapshot.endpoints["b"]
    assert snapshot.routes["r"].destinations == ((a, 100), (b, 0))
