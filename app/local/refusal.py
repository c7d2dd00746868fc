"""An error of the built-in model, in OpenAI's shape."""

from __future__ import annotations

from typing import Any

TYPES = {429: "rate_limit_error"}


class Refusal(Exception):
    """The built-in model will not answer: the status, and what its error object says. `retry_after` is in seconds."""

    def __init__(
        self,
        message: str,
        param: str | None = None,
        *,
        status: int = 400,
        code: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.status = status
        self.code = code
        self.headers = {} if retry_after is None else {"retry-after": str(retry_after)}

    @property
    def body(self) -> dict[str, Any]:
        """`{"error": {...}}`."""
        kind = TYPES.get(self.status) or ("server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}
