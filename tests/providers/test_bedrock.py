"""Amazon Bedrock: addresses, signatures, credentials, and the binary stream."""

from __future__ import annotations

import hashlib
import hmac
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import pytest
from marshmallow import ValidationError

pytest.importorskip("botocore", reason="needs the extra: pip install 'weir[bedrock]'")

from botocore.config import Config
from botocore.session import Session

from app.call import Call
from app.dialects import bedrock as dialect
from app.errors import UpstreamError
from app.providers import aws, bedrock
from tests.providers.aws import Server

FIXTURES = Path(__file__).parent.parent / "fixtures" / "bedrock"

KEYS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "a/secret+key"}

MODELS = (
    "amazon.titan-embed-text-v2:0",
    "us.anthropic.claude-3-7-sonnet-20250219-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc123",
    "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-lite-v1:0",
)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture(autouse=True)
def nothing_of_aws_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_PROFILE",
        "AWS_DEFAULT_REGION",
    ):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_REGION", "AWS_BEARER_TOKEN_BEDROCK", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    aws._holder.cache_clear()


def settings(**config: Any) -> Any:
    return bedrock.BedrockSettings().load({"aws_config": {"aws_region": "us-east-1", **config}})


def signed(model: str, body: bytes = b'{"messages":[]}', **config: Any) -> Call:
    loaded = settings(**config)
    url = bedrock.BEDROCK.url(loaded, model, dialect.CHAT.path)
    return bedrock.BEDROCK.authorize(loaded, Call(url, {"Content-Type": "application/json"}, body))


def signature(url: str, headers: dict[str, str], body: bytes, secret: str) -> str:
    """What AWS computes of a request it received. Source: IAM User Guide, "Create a signed AWS API request"."""
    scope, names = _claimed(headers["authorization"])
    path = quote(urlsplit(url).path, safe="/~-_.")  # encoded once more than on the wire
    lines = [f"{name}:{headers[name].strip()}" for name in names.split(";")]
    canonical = "\n".join(["POST", path, "", *lines, "", names, hashlib.sha256(body).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.digest(key, text.encode(), "sha256").hex()


def _claimed(authorization: str) -> tuple[str, str]:
    fields = dict(part.split("=", 1) for part in authorization.removeprefix("AWS4-HMAC-SHA256 ").split(", "))
    return fields["Credential"].partition("/")[2], fields["SignedHeaders"]


def checked(call: Call, secret: str) -> None:
    headers = {name.lower(): value for name, value in call.headers.items()} | {"host": urlsplit(call.url).netloc}
    assert headers["authorization"].endswith(f"Signature={signature(call.url, headers, call.body, secret)}")


# --- the address


def test_the_models_id_stands_in_the_path_percent_encoded() -> None:
    loaded = settings(aws_bearer_token="t")
    assert bedrock.BEDROCK.url(loaded, MODELS[2], dialect.CHAT.path) == (
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/"
        "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fabc123/converse"
    )


def test_china_has_a_domain_of_its_own() -> None:
    url = bedrock.BEDROCK.url(settings(aws_region="cn-north-1"), "m", "x")
    assert url == "https://bedrock-runtime.cn-north-1.amazonaws.com.cn/x"


def test_api_base_takes_the_place_of_the_regions_address() -> None:
    loaded = bedrock.BedrockSettings().load(
        {"api_base": "https://vpce.example/", "aws_config": {"aws_region": "eu-west-1"}}
    )
    assert (
        bedrock.BEDROCK.url(loaded, "m:0", dialect.CHAT.stream_path or "")
        == "https://vpce.example/model/m%3A0/converse-stream"
    )


# --- signatures


@pytest.mark.parametrize("model", MODELS)
def test_a_signature_is_what_the_service_computes(model: str) -> None:
    call = signed(model, **KEYS)
    checked(call, KEYS["aws_secret_access_key"])
    assert (
        "/us-east-1/bedrock/aws4_request, SignedHeaders=content-type;host;x-amz-date," in call.headers["Authorization"]
    )


@pytest.mark.parametrize("model", MODELS)
def test_botocores_own_client_sends_the_same_path_and_a_signature_of_the_same_kind(server: Server, model: str) -> None:
    session = Session()
    session.set_credentials(KEYS["aws_access_key_id"], KEYS["aws_secret_access_key"])
    client = session.create_client(
        "bedrock-runtime", "us-east-1", endpoint_url=server.url, config=Config(retries={"max_attempts": 0})
    )
    client.converse(modelId=model, messages=[{"role": "user", "content": [{"text": "hi"}]}])
    client.close()
    path, headers, body = server.asked[0]
    ours = signed(model, body, **KEYS)
    assert urlsplit(ours.url).path == path
    assert _claimed(ours.headers["Authorization"])[1] == _claimed(headers["authorization"])[1]
    theirs = signature(server.url + path, headers, body, KEYS["aws_secret_access_key"])
    assert headers["authorization"].endswith(f"Signature={theirs}")


def test_a_session_token_is_sent_and_signed() -> None:
    call = signed(MODELS[0], **KEYS, aws_session_token="temporary")
    assert call.headers["X-Amz-Security-Token"] == "temporary"
    assert "x-amz-security-token" in call.headers["Authorization"]
    checked(call, KEYS["aws_secret_access_key"])


# --- credentials


def test_a_bearer_token_needs_no_signature() -> None:
    call = signed(MODELS[0], aws_bearer_token="ABSK-token")
    assert call.headers["Authorization"] == "Bearer ABSK-token"
    assert "X-Amz-Date" not in call.headers


def test_the_environments_bearer_token_serves_where_the_settings_name_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_BEARER_TOKEN_BEDROCK", "from-the-environment")
    assert signed(MODELS[0]).headers["Authorization"] == "Bearer from-the-environment"
    assert signed(MODELS[0], **KEYS).headers["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")


def test_the_default_chain_serves_where_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROMENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert "Credential=FROMENV/" in signed(MODELS[0]).headers["Authorization"]


def test_without_credentials_the_call_fails_in_words_that_name_no_account() -> None:
    with pytest.raises(UpstreamError) as caught:
        signed(MODELS[0])
    assert (caught.value.status, caught.value.code) == (502, "upstream_auth")
    assert caught.value.message == "AWS gave the gateway no credentials for Bedrock"


@pytest.fixture
def sts(server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "FROMENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    return server


ROLE = {"aws_role_arn": "arn:aws:iam::123456789012:role/gateway"}


def test_a_role_is_asked_for_once_by_many_calls_at_once(sts: Server) -> None:
    calls: list[Call] = []
    threads = [threading.Thread(target=lambda: calls.append(signed(MODELS[0], **ROLE))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(sts.asked) == 1
    assert b"DurationSeconds=900" in sts.asked[0][2]
    assert b"RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fgateway" in sts.asked[0][2]
    assert {call.headers["X-Amz-Security-Token"] for call in calls} == {"token-1"}


def test_a_role_is_asked_for_again_before_its_time_is_over(sts: Server) -> None:
    sts.lifetime = timedelta(seconds=60)  # of 900: less than a tenth
    tokens = [signed(MODELS[0], **ROLE).headers["X-Amz-Security-Token"] for _ in range(2)]
    assert tokens[0] != tokens[1]


# --- settings


@pytest.mark.parametrize(
    ("config", "key"),
    [
        ({"aws_bearer_token": "t", **ROLE}, "aws_role_arn"),
        ({"aws_access_key_id": "k"}, "aws_secret_access_key"),
        ({"aws_session_token": "t"}, "aws_session_token"),
        ({**ROLE, "session_length_seconds": 60}, "session_length_seconds"),
        ({"aws_region": "us-east-1.example.com/"}, "aws_region"),
        ({"aws_secret": "s"}, "aws_secret"),
    ],
)
def test_what_is_wrong_with_aws_config_is_found_at_boot(config: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        settings(**config)
    assert key in caught.value.normalized_messages()["aws_config"]


def test_a_region_comes_from_the_settings_or_from_awss_own() -> None:
    with pytest.raises(ValidationError, match="AWS_DEFAULT_REGION"):
        bedrock.BedrockSettings().load({})


def test_awss_own_region_serves_where_the_settings_name_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert bedrock.BedrockSettings().load({})["aws_config"]["aws_region"] == "eu-central-1"


def test_without_botocore_the_boot_says_how_to_get_it() -> None:
    code = (
        "import sys; sys.modules['botocore'] = None\n"
        "from app.providers.bedrock import BedrockSettings\n"
        "print(BedrockSettings().validate({'aws_config': {'aws_region': 'us-east-1'}}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'weir[bedrock]'" in done.stdout


def test_titans_and_coheres_models_give_embeddings() -> None:
    assert bedrock.embeddings("amazon.titan-embed-text-v2:0") is dialect.TITAN
    assert bedrock.embeddings("cohere.embed-v4:0") is dialect.COHERE_EMBED
    assert bedrock.embeddings("anthropic.claude-3-haiku-20240307-v1:0") is None


def test_a_models_id_comes_back_from_the_path() -> None:
    for model in MODELS:
        path = urlsplit(bedrock.BEDROCK.url(settings(), model, dialect.CHAT.path)).path
        assert unquote(path.split("/")[2]) == model
