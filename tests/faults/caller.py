"""A caller of the gateway who reads an answer to its end, whole or streamed, and keeps what it was."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, IncompleteRead
from typing import Any

PATIENCE = 180.0
"""Seconds until a caller gives up: longer than any gateway should need."""


@dataclass(frozen=True)
class Answer:
    """What a caller got. Times are `time.monotonic()` seconds."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    called: float
    ended: float
    is_cut: bool = False
    """Whether the connection ended before the HTTP message did."""

    @property
    def seconds(self) -> float:
        """How long it took, from the call to the last byte."""
        return self.ended - self.called

    @property
    def streams(self) -> bool:
        """Whether it came as events."""
        return self.headers.get("content-type", "").startswith("text/event-stream")

    @property
    def events(self) -> list[bytes]:
        """The data of its events, comments left out."""
        blocks = (
            [line[6:] for line in block.split(b"\n")] for block in self.body.split(b"\n\n") if block[:6] == b"data: "
        )
        return [b"\n".join(lines) for lines in blocks]

    @property
    def documents(self) -> list[dict[str, Any]]:
        """Its JSON: every event but [DONE], or the one document that it is."""
        return [json.loads(data) for data in (self.events if self.streams else [self.body]) if data != b"[DONE]"]

    @property
    def text(self) -> str:
        """What the model said, as far as it came."""
        parts = [
            choice.get("delta") or choice.get("message") or {}
            for document in self.documents
            for choice in document.get("choices", [])
        ]
        return "".join(part.get("content") or "" for part in parts)

    @property
    def error(self) -> dict[str, Any] | None:
        """The error object, in an event or in the body; None: it has none."""
        return next((document["error"] for document in self.documents if "error" in document), None)

    @property
    def done(self) -> bool:
        """Whether it says that it is over: the last event is [DONE], or it is one document."""
        return not self.streams or self.events[-1:] == [b"[DONE]"]

    @property
    def finish(self) -> list[str]:
        """The finish reasons in it."""
        choices = [choice for document in self.documents for choice in document.get("choices", [])]
        return [choice["finish_reason"] for choice in choices if choice.get("finish_reason")]

    @property
    def models(self) -> set[str]:
        """The models that it says it is by."""
        return {document["model"] for document in self.documents if "model" in document}

    @property
    def usage(self) -> list[dict[str, Any]]:
        """Every usage object in it."""
        return [document["usage"] for document in self.documents if document.get("usage")]

    @property
    def endpoint(self) -> str:
        """Who answered, as the gateway says."""
        return self.headers.get("x-gateway-endpoint", "")

    @property
    def attempts(self) -> int:
        """How many calls it took, as the gateway says."""
        return int(self.headers.get("x-gateway-attempts", 0))


def ask(port: int, endpoint: str, *, stream: bool, headers: Mapping[str, str] | None = None, **more: Any) -> Answer:
    """Ask an endpoint on a connection of its own, and read the answer to its end."""
    body = {"messages": [{"role": "user", "content": "Say it."}], "model": endpoint, **more}
    if stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    called = time.monotonic()
    with closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        said = {"Content-Type": "application/json", "Connection": "close", **(headers or {})}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), said)
        response = connection.getresponse()
        heads = {name.lower(): value for name, value in response.getheaders()}
        try:
            return Answer(response.status, heads, response.read(), called, time.monotonic())
        except IncompleteRead as cut:
            return Answer(response.status, heads, cut.partial, called, time.monotonic(), is_cut=True)


def heard(response: Any, called: float = 0.0) -> Answer:
    """The answer of a gateway in this process, as Flask's test client has it."""
    heads = {name.lower(): value for name, value in response.headers}
    return Answer(response.status_code, heads, response.data, called, time.monotonic())
