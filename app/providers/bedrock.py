"""Amazon Bedrock: its address, and AWS's ways to prove who calls. Needs the extra `weir[bedrock]`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from app.call import Call
from app.dialects import Translator, bedrock
from app.dialects.refusal import Refusal, read
from app.dialects.through_chat import completions
from app.errors import UpstreamError
from app.providers.calling import with_bearer, with_headers
from app.providers.provider import Provider, Secret, Settings, SettingsSchema
from app.providers.settings import base_url

log = logging.getLogger("weir.providers.bedrock")

SERVICE = "bedrock"
"""The service that signatures name; the host is another (bedrock-runtime)."""

NEEDS = "Bedrock needs botocore: pip install 'weir[bedrock]'"

_SESSION_NAME = "weir"

_EMBEDDINGS = {"amazon.titan-embed": bedrock.TITAN, "cohere.embed": bedrock.COHERE_EMBED}


class AwsConfig(SettingsSchema):
    """MLflow's keys: a region, and one way to prove who calls; none of them is AWS's default chain."""

    aws_region = fields.String(validate=validate.Regexp("[a-z0-9-]+$", error="should be a region, such as us-east-1"))
    aws_bearer_token = Secret()
    aws_role_arn = fields.String()
    session_length_seconds = fields.Integer(
        strict=True,
        load_default=900,
        validate=validate.Range(900, 43200, error="must be between 900 and 43200 seconds"),
    )
    aws_access_key_id = Secret()
    aws_secret_access_key = Secret()
    aws_session_token = Secret()

    @validates_schema
    def check_one_way(self, config: dict[str, Any], **_: Any) -> None:
        """One way only, and the keys in pairs."""
        ways = [key for key in ("aws_bearer_token", "aws_role_arn", "aws_access_key_id") if config.get(key)]
        errors = {key: [f"stands beside {ways[0]}: only one of them can be used"] for key in ways[1:]}
        if config.get("aws_access_key_id") and not config.get("aws_secret_access_key"):
            errors["aws_secret_access_key"] = ["is required with aws_access_key_id"]
        for key in ("aws_secret_access_key", "aws_session_token"):
            if config.get(key) and not config.get("aws_access_key_id"):
                errors[key] = ["is for aws_access_key_id only"]
        if errors:
            raise ValidationError(errors)


class BedrockSettings(SettingsSchema):
    """Who calls, from where; and an address other than the region's, say of a VPC endpoint."""

    aws_config = fields.Nested(AwsConfig, load_default=dict)
    api_base = base_url()

    @validates_schema
    def check_extra(self, settings: dict[str, Any], **_: Any) -> None:
        """The signer and the reader of binary streams are botocore's."""
        try:
            import botocore.auth
            import botocore.eventstream  # noqa: F401
        except ImportError:
            raise ValidationError(NEEDS) from None

    @post_load
    def with_region(self, settings: dict[str, Any], **_: Any) -> dict[str, Any]:
        """A region that is not said is AWS's own setting: AWS_DEFAULT_REGION, or the profile's."""
        from botocore.session import Session

        region = settings["aws_config"].get("aws_region") or Session().get_config_variable("region")
        if not region:
            where = "is required where neither AWS_DEFAULT_REGION nor a profile of AWS's says it"
            raise ValidationError({"aws_config": {"aws_region": [where]}})
        return {**settings, "aws_config": {**settings["aws_config"], "aws_region": region}}


# --- the address


def _url(settings: Settings, model: str, path: str) -> str:
    """The model's id has each `:` and `/` percent-encoded in the path; the signature encodes the path once more."""
    region = settings["aws_config"]["aws_region"]
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    base = settings.get("api_base") or f"https://bedrock-runtime.{region}.{suffix}"
    return f"{base.rstrip('/')}/{path.replace('{model}', quote(model, safe=''))}"


# --- the credentials


def _authorize(settings: Settings, call: Call) -> Call:
    """A bearer token, or a signature. Raises UpstreamError where AWS gives no credentials."""
    config = settings["aws_config"]
    call = with_headers(call, {"Accept": _accepted(call.url)})
    if token := _bearer_token(config):
        return with_bearer(call, token)
    return _signed(call, _holder(_Identity.of(config)).frozen(), config["aws_region"])


def _accepted(url: str) -> str:
    return "application/vnd.amazon.eventstream" if url.endswith("-stream") else "application/json"


def _bearer_token(config: Mapping[str, Any]) -> str | None:
    """The settings' token; where they name no way at all, AWS_BEARER_TOKEN_BEDROCK comes before all others."""
    from botocore.utils import get_token_from_environment

    if config.get("aws_bearer_token"):
        return str(config["aws_bearer_token"])
    named = config.get("aws_role_arn") or config.get("aws_access_key_id")
    return None if named else get_token_from_environment(SERVICE)


def _signed(call: Call, credentials: Any, region: str) -> Call:
    """The call with its signature (SigV4). Only headers that nobody changes on the way are signed."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest(call.method, call.url, headers={"Content-Type": "application/json"}, data=call.body)
    SigV4Auth(credentials, SERVICE, region).add_auth(request)
    return with_headers(call, dict(request.headers.items()))


@dataclass(frozen=True, slots=True)
class _Identity:
    """Who calls, as `aws_config` says it: with a role, with keys, or with what AWS's default chain finds."""

    region: str
    role: str | None
    seconds: int
    keys: tuple[str | None, ...] = field(repr=False)

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> _Identity:
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        keys = tuple(config.get(name) for name in names)
        return cls(config["aws_region"], config.get("aws_role_arn"), config.get("session_length_seconds", 900), keys)


class _Holder:
    """One identity's credentials: found at its first call, refreshed by botocore; both under a lock."""

    def __init__(self, identity: _Identity) -> None:
        self._identity = identity
        self._lock = threading.Lock()
        self._credentials: Any = None

    def frozen(self) -> Any:
        """The credentials of this moment. Raises UpstreamError; only the log says why: AWS names accounts and roles."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._found().get_frozen_credentials()
        except (BotoCoreError, ClientError, RuntimeError) as error:
            log.warning("AWS gave no credentials for %s: %s", self._identity, error)
            raise UpstreamError("AWS gave the gateway no credentials for Bedrock", code="upstream_auth") from error

    def _found(self) -> Any:
        if self._credentials is None:
            with self._lock:
                if self._credentials is None:
                    self._credentials = _find(self._identity)
        return self._credentials


@lru_cache(maxsize=256)
def _holder(identity: _Identity) -> _Holder:
    """One holder per identity, for all endpoints that share it, and through every reload."""
    return _Holder(identity)


def _find(identity: _Identity) -> Any:
    """botocore's credentials for an identity. Raises its errors."""
    from botocore.credentials import Credentials
    from botocore.exceptions import NoCredentialsError
    from botocore.session import Session

    if identity.keys[0]:
        return Credentials(*identity.keys)
    if identity.role:
        return _assume(identity)
    found = Session().get_credentials()
    if found is None:
        raise NoCredentialsError
    return found


def _assume(identity: _Identity) -> Any:
    """A role's credentials, asked for anew when a third of their time is left; waited for in its last tenth."""
    from botocore.credentials import RefreshableCredentials
    from botocore.session import Session

    def ask() -> dict[str, Any]:
        client = Session().create_client("sts", region_name=identity.region)
        said = client.assume_role(
            RoleArn=identity.role, RoleSessionName=_SESSION_NAME, DurationSeconds=identity.seconds
        )["Credentials"]
        return {
            "access_key": said["AccessKeyId"],
            "secret_key": said["SecretAccessKey"],
            "token": said["SessionToken"],
            "expiry_time": said["Expiration"].isoformat(),
        }

    return RefreshableCredentials.create_from_metadata(
        ask(), ask, "assume-role", advisory_timeout=identity.seconds // 3, mandatory_timeout=identity.seconds // 10
    )


def embeddings(model: str) -> Translator | None:
    """The translator for a model's embeddings; None for a model that gives none, or in a form that is not known."""
    return next((translator for name, translator in _EMBEDDINGS.items() if name in model), None)


_TRANSLATORS = {
    "llm/v1/chat": bedrock.CHAT,
    "llm/v1/completions": completions(bedrock.CHAT),
    "llm/v1/embeddings": bedrock.TITAN,
}


def _choose(settings: Settings, endpoint_type: str, model: str) -> Translator | None:
    return embeddings(model) if endpoint_type == "llm/v1/embeddings" else _TRANSLATORS.get(endpoint_type)


def _refusal(headers: Mapping[str, str], body: bytes) -> Refusal:
    """AWS names the exception in a header."""
    said = read(body)
    return said._replace(type=bedrock.error_type(headers) or said.type)


BEDROCK = Provider(
    "bedrock",
    BedrockSettings,
    _TRANSLATORS,
    _url,
    _authorize,
    choose=_choose,
    refusal=_refusal,
    needs_model=True,
)
AMAZON_BEDROCK = replace(BEDROCK, name="amazon-bedrock")
