"""What AWS says of an error beside its words: the exception's name, in a header or in the body."""

from __future__ import annotations

from collections.abc import Mapping

HEADER = "x-amzn-errortype"

_STATUSES = {
    "accessDeniedException": 403,
    "internalServerException": 500,
    "modelErrorException": 424,
    "modelNotReadyException": 429,
    "modelStreamErrorException": 424,
    "modelTimeoutException": 408,
    "resourceNotFoundException": 404,
    "serviceUnavailableException": 503,
    "throttlingException": 429,
    "validationException": 400,
}
"""Source: botocore's model of bedrock-runtime."""


def error_type(headers: Mapping[str, str]) -> str | None:
    """The exception's name in an answer's headers: `ValidationException` of `ValidationException:http://...`."""
    said = next((value for name, value in headers.items() if name.lower() == HEADER), "")
    return said.partition(":")[0].rpartition("#")[2].strip() or None


def status_of(name: str) -> int:
    """The status that an exception inside a stream would have had outside of one; 500 for one that is not known."""
    return _STATUSES.get(name[:1].lower() + name[1:], 500)
