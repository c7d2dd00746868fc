"""AWS's ways to prove who calls: a bearer token, keys, a role, or what its default chain finds. Needs botocore."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from app.call import Call
from app.errors import UpstreamError
from app.providers.calling import with_bearer, with_headers
from app.providers.kept import Kept
from app.providers.settings import Secret, SettingsSchema

log = logging.getLogger("weir.providers.aws")

_SESSION_NAME = "weir"


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


def authorized(call: Call, config: Mapping[str, Any], service: str) -> Call:
    """The call with a bearer token, or with a signature that names the service.

    Raises UpstreamError where AWS gives no credentials.
    """
    if token := _bearer_token(config):
        return with_bearer(call, token)
    return _signed(call, _holder(_Identity.of(config)).frozen(), config["aws_region"], service)


def _bearer_token(config: Mapping[str, Any]) -> str | None:
    """The settings' token; where they name no way at all, AWS_BEARER_TOKEN_BEDROCK comes before all others."""
    from botocore.utils import get_token_from_environment

    if config.get("aws_bearer_token"):
        return str(config["aws_bearer_token"])
    named = config.get("aws_role_arn") or config.get("aws_access_key_id")
    return None if named else get_token_from_environment("bedrock")


def _signed(call: Call, credentials: Any, region: str, service: str) -> Call:
    """The call with its signature (SigV4). Only headers that nobody changes on the way are signed."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest

    request = AWSRequest(call.method, call.url, headers={"Content-Type": "application/json"}, data=call.body)
    SigV4Auth(credentials, service, region).add_auth(request)
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
        self._found = Kept(partial(_find, identity))

    def frozen(self) -> Any:
        """The credentials of this moment. Raises UpstreamError; only the log says why: AWS names accounts and roles."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            return self._found().get_frozen_credentials()
        except (BotoCoreError, ClientError, RuntimeError) as error:
            log.warning("AWS gave no credentials for %s: %s", self._identity, error)
            raise UpstreamError("AWS gave the gateway no credentials for Bedrock", code="upstream_auth") from error


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
