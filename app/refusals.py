"""What a provider's error becomes for the caller: its status, words and code, without any secret of the gateway's."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import orjson

from app.config import Endpoint
from app.dialects import refusal
from app.errors import Garbled, GatewayError, Refused
from app.providers import Secret

log = logging.getLogger("weir.gateway")

_PASSED_ON = ("retry-after", "retry-after-ms", "x-should-retry", "openai-processing-ms", "openai-version")
_PASSED_ON_PREFIXES = ("x-ratelimit-", "anthropic-ratelimit-")

_OWN_CREDENTIALS = (401, 403)
"""Statuses of a provider that tell of the gateway's credentials, not of the caller's."""

_REDACTED = b"[redacted]"


def refused(endpoint: Endpoint, status: int, body: bytes, headers: Mapping[str, str]) -> GatewayError:
    """The error that an answer with this status is."""
    name = endpoint.provider.name
    if not 400 <= status < 600:
        return Garbled(f"{name} answered with status {status}, which is neither an answer nor an error")
    said = endpoint.provider.refusal(headers, _without_secrets(endpoint, body))
    told = passed_on(headers)
    if said.retry_after:
        told.setdefault("Retry-After", said.retry_after)
    return _refusal(endpoint, status, said, told)


def refused_under_200(endpoint: Endpoint, body: bytes) -> GatewayError:
    """The error that came with a 200, as some providers send theirs: a JSON object, or plain words."""
    body = _without_secrets(endpoint, body)
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError:
        data = None
    status = refusal.status_of(data) if isinstance(data, dict) else 502
    return _refusal(endpoint, status, refusal.read(body), {})


def retold(endpoint: Endpoint, error: Refused) -> GatewayError:
    """A refusal that a dialect has read, without the endpoint's secrets."""
    body = orjson.loads(_without_secrets(endpoint, orjson.dumps(error.error, default=str)))
    return _refusal(endpoint, error.upstream_status, refusal.of({"error": body}), error.headers)


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The provider's headers that a client may see: rate limits, when to come back, how long it took."""
    return {
        name: value
        for name, value in headers.items()
        if ((low := name.lower()).startswith(_PASSED_ON_PREFIXES) or low in _PASSED_ON) and _can_stand(name + value)
    }


def _can_stand(text: str) -> bool:
    """Whether a header may hold it: a provider's stray byte must not break our own answer."""
    return text.isascii() and text.isprintable()


def _refusal(endpoint: Endpoint, status: int, said: refusal.Refusal, headers: Mapping[str, str]) -> Refused:
    if status not in _OWN_CREDENTIALS:
        return Refused(
            status, said.message, type=said.type, code=said.code, param=said.param, extra=said.extra, headers=headers
        )
    provider = endpoint.provider.name
    log.warning("%s refused the gateway's credentials for endpoint '%s' (%d)", provider, endpoint.name, status)
    words = f"{provider} refused the gateway's credentials for endpoint '{endpoint.name}'"
    told = f"{words}: {refusal.without_keys(said.message)}"
    return Refused(status, told, type=said.type, code="upstream_auth", headers=headers)


def _without_secrets(endpoint: Endpoint, body: bytes) -> bytes:
    """A provider's error may repeat what we sent it: none of the endpoint's own secrets passes, whatever the status."""
    for secret in _secrets(endpoint):
        body = body.replace(secret.encode(), _REDACTED).replace(orjson.dumps(secret)[1:-1], _REDACTED)
    return body


def _secrets(endpoint: Endpoint) -> Iterator[str]:
    for key, field in endpoint.provider.settings().fields.items():
        if isinstance(field, Secret) and (value := endpoint.settings.get(key)):
            yield value
