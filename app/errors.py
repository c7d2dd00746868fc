"""What can go wrong, and the HTTP status that says so.

    GatewayError
    ├── InvalidPayload      422 (400 on /v1)   the client's body is not what the endpoint takes
    ├── BadRequest          400                anything else that is wrong with the request
    ├── NotFound            404                no such endpoint, route or model
    ├── TooLarge            413                the body is over the limit
    ├── UnsupportedMedia    415                a content type or content encoding that we cannot read
    ├── LimitExceeded       429                the endpoint's own limit is used up
    ├── Busy                503                max_in_flight calls are out; nothing is queued
    ├── NotImplementedYet   501                part of MLflow's surface that has no function here
    └── UpstreamError       502                the provider's side failed; nothing that the caller sent is wrong
        ├── Refused         as the provider    the provider answered with an error of its own
        ├── Unreachable     502                refused, reset, name not found, TLS failed
        ├── Garbled         502                an answer that is not what its format says
        ├── Cut             502                an answer that ended before it was whole
        └── TimedOut        504                one of the four timeouts passed

    ConfigError             no status          the configuration is wrong; raised at boot or at a reload

An error knows its status, its words and its headers; `api/errors.py` alone turns it into a response.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

RETRY_AFTER_SECONDS = "1"
"""Sent with a 429 or 503 for which nobody named a better time: clients' SDKs and MLflow's client wait on it."""


class GatewayError(Exception):
    """An error that a client may see. `error` is OpenAI's error object; `source` says whose failure it was."""

    status = 500
    type = "server_error"
    code: str | None = None
    source = "gateway"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.param = param
        self.headers = dict(headers or {})

    @property
    def kind(self) -> str:
        """What logs and metrics call it: one of few words, all of them ours."""
        return self.code or self.type

    @property
    def error(self) -> dict[str, Any]:
        """The error as OpenAI words it: message, type, param, code."""
        return {"message": self.message, "type": self.type, "param": self.param, "code": self.code}

    @property
    def detail(self) -> Any:
        """The error as MLflow words it: the value of `detail`."""
        return self.message


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a payload: where (keys and indexes from its top), what, and pydantic's word for its kind."""

    loc: tuple[str | int, ...]
    message: str
    type: str = "value_error"

    @property
    def path(self) -> str:
        """The place as a reader writes it: `messages[3].content[1]`."""
        return key_path(self.loc)

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.loc else self.message


def key_path(loc: Sequence[str | int]) -> str:
    """Keys and indexes joined as `a.b[0].c`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in loc).lstrip(".")


class InvalidPayload(GatewayError):
    """The client's body is not what the endpoint takes; every problem at once."""

    status = 422
    type = "invalid_request_error"
    kind = "invalid_payload"

    def __init__(self, problems: Sequence[Problem], **kwargs: Any) -> None:
        self.problems = tuple(problems)
        kwargs.setdefault("param", self.problems[0].path or None)
        super().__init__("; ".join(str(problem) for problem in self.problems), **kwargs)

    @property
    def detail(self) -> Any:
        return [
            {"type": problem.type, "loc": ["body", *problem.loc], "msg": problem.message} for problem in self.problems
        ]


class ModelNotPermitted(InvalidPayload):
    """A `model` where the URL already names the endpoint; worded exactly as MLflow does."""

    words = (
        "The parameter 'model' is not permitted to be passed. The route being queried already defines a model instance."
    )

    def __init__(self) -> None:
        super().__init__([Problem(("model",), self.words)])

    @property
    def detail(self) -> Any:
        return self.words


class BadRequest(GatewayError):
    """Something is wrong with the request that is not in its payload."""

    status = 400
    type = "invalid_request_error"


class NotFound(GatewayError):
    """There is no endpoint, route or model of that name."""

    status = 404
    type = "invalid_request_error"
    code = "not_found"


class TooLarge(GatewayError):
    """The body, or what it unpacks to, is over the limit."""

    status = 413
    type = "invalid_request_error"
    code = "request_too_large"


class UnsupportedMedia(GatewayError):
    """A content type or content encoding that the gateway cannot read."""

    status = 415
    type = "invalid_request_error"
    code = "unsupported_media_type"


class LimitExceeded(GatewayError):
    """The endpoint's limit is used up until its window ends."""

    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class Busy(GatewayError):
    """As many calls are in flight as there may be."""

    status = 503
    code = "gateway_busy"


class NotImplementedYet(GatewayError):
    """A part of MLflow's surface that answers 501 there too."""

    status = 501
    code = "not_implemented"


class UpstreamError(GatewayError):
    """The provider's side failed."""

    status = 502
    type = "upstream_error"
    code: str | None = "upstream_error"
    silent = False
    """Whether the provider had said nothing for long: it is not asked again."""


class Refused(UpstreamError):
    """The provider answered with an error: its status, words, code and what else its error object held.

    A 529 (Anthropic's "overloaded") becomes 503, which every client knows.
    """

    source = "provider"

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,
        extra: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(message, **kwargs)
        self.upstream_status = status
        self.status = 503 if status == 529 else status
        self.type = type or ("invalid_request_error" if self.status < 500 else "server_error")
        self.code = kwargs.get("code")  # the provider's or none: not the class's
        self.extra = dict(extra or {})

    @property
    def kind(self) -> str:
        return f"provider_{self.upstream_status}"

    @property
    def error(self) -> dict[str, Any]:
        return {**self.extra, **super().error}


class Unreachable(UpstreamError):
    """No answer could be had: connection refused or reset, name not found, TLS failed."""

    code = "upstream_unreachable"


class Garbled(UpstreamError):
    """The provider's answer is not what its format says."""

    code = "upstream_garbled"


class Cut(UpstreamError):
    """The provider's answer ended before it was whole."""

    code = "upstream_cut"


class TimedOut(UpstreamError):
    """One of the four timeouts passed."""

    status = 504
    code = "upstream_timeout"
    silent = True


class ConfigError(Exception):
    """The configuration is wrong. `problems` are sentences, each with its place in the file."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))
