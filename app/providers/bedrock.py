"""Amazon Bedrock: its two addresses, and what is spoken at each. Needs the extra `weir[bedrock]`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from marshmallow import ValidationError, fields, post_load, validates_schema

from app.call import Call
from app.dialects import Translator, anthropic, bedrock, openai_like
from app.dialects.openai_like import Manner
from app.dialects.refusal import Refusal, read
from app.dialects.through_chat import completions
from app.providers import aws
from app.providers.anthropic import version_headers
from app.providers.calling import with_headers
from app.providers.provider import Provider, Settings, SettingsSchema
from app.providers.settings import OneOf, base_url, header_value

NEEDS = "Bedrock needs botocore: pip install 'weir[bedrock]'"

RUNTIME, MANTLE = "bedrock-runtime", "bedrock-mantle"
"""Bedrock's two addresses: the first speaks Converse, the second Anthropic's dialect and OpenAI's."""

_SIGNED_FOR = {RUNTIME: "bedrock", MANTLE: "bedrock-mantle"}
"""The service that signatures name. Source: botocore; the SDKs of Anthropic and OpenAI."""

_EMBEDDINGS = {"amazon.titan-embed": bedrock.TITAN, "cohere.embed": bedrock.COHERE_EMBED}


class BedrockSettings(SettingsSchema):
    """Who calls, from where; which of the two addresses; and another one in its place, say of a VPC endpoint."""

    aws_config = fields.Nested(aws.AwsConfig, load_default=dict)
    bedrock_endpoint = fields.String(validate=OneOf("runtime", "mantle"))
    anthropic_version = fields.String(load_default="2023-06-01", validate=header_value)
    anthropic_beta = fields.String(validate=header_value)
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


# --- what is spoken


_COMPLETIONS = "v1/chat/completions"
_MESSAGES = "anthropic/v1/messages"

_TRANSLATORS = {
    "llm/v1/chat": bedrock.CHAT,
    "llm/v1/completions": completions(bedrock.CHAT),
    "llm/v1/embeddings": bedrock.TITAN,
}


def embeddings(model: str) -> Translator | None:
    """The translator for a model's embeddings; None for a model that gives none, or in a form that is not known."""
    return next((translator for name, translator in _EMBEDDINGS.items() if name in model), None)


def _choose(settings: Settings, endpoint_type: str, model: str) -> Translator | None:
    if endpoint_type == "llm/v1/embeddings":
        return embeddings(model)
    chat = _chat(settings, model)
    return chat if endpoint_type == "llm/v1/chat" else completions(chat)


def _chat(settings: Settings, model: str) -> Translator:
    if settings.get("bedrock_endpoint", _where(model)) == "runtime":
        return bedrock.CHAT
    if "claude" in model:
        return replace(anthropic.chat(settings["anthropic_version"]), path=_MESSAGES, wants_bytes=True)
    return replace(openai_like.chat_translator(Manner(new_limit=True), _COMPLETIONS), wants_bytes=True)


def _where(model: str) -> str:
    """Where a model is by its id: a region before it (`us.`) or a version behind it (`-v1:0`) is of the runtime's.

    Claude is at mantle since Opus 4.7, and so are OpenAI's and xAI's models; of others the id does not tell.
    Source: AWS's pages of models.
    """
    newer_claude = model.startswith("anthropic.") and bedrock.is_adaptive(model)
    others = model.startswith(("openai.", "xai.")) and ":" not in model
    return "mantle" if newer_claude or others else "runtime"


# --- the address and the credentials


def _service(url: str) -> str:
    """Which of the two a path belongs to, or a URL that ends with one."""
    return MANTLE if url.endswith((_MESSAGES, _COMPLETIONS)) else RUNTIME


def _url(settings: Settings, model: str, path: str) -> str:
    """The model's id has each `:` and `/` percent-encoded in the path; the signature encodes the path once more."""
    base = settings.get("api_base") or _address(_service(path), settings["aws_config"]["aws_region"])
    return f"{base.rstrip('/')}/{path.replace('{model}', quote(model, safe=''))}"


def _address(service: str, region: str) -> str:
    if service == MANTLE:
        return f"https://{MANTLE}.{region}.api.aws"
    return f"https://{RUNTIME}.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"


def _authorize(settings: Settings, call: Call) -> Call:
    """A bearer token, or a signature. Raises UpstreamError where AWS gives no credentials."""
    call = with_headers(call, _headers(settings, call.url))
    return aws.authorized(call, settings["aws_config"], _SIGNED_FOR[_service(call.url)])


def _headers(settings: Settings, url: str) -> dict[str, str]:
    """What each dialect wants beside the credentials."""
    if url.endswith(_MESSAGES):
        return version_headers(settings)
    return {"Accept": "application/vnd.amazon.eventstream"} if url.endswith("-stream") else {}


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
    asks_usage=True,
)
AMAZON_BEDROCK = replace(BEDROCK, name="amazon-bedrock")
