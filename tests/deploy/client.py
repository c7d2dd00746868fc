"""A client of the gateway that says how an answer comes: its events one by one, its errors as JSON."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from typing import Any

from tests.upstream import PATIENCE

CHAT = {"messages": [{"role": "user", "content": "Hello"}]}
STREAM = {**CHAT, "stream": True}
LOCAL = "/gateway/chat/invocations"
REMOTE = "/gateway/remote/invocations"


class Client(http.client.HTTPConnection):
    """A connection to 127.0.0.1, from an address of this machine."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        super().__init__("127.0.0.1", port, timeout=PATIENCE, source_address=(source, 0))

    def get(self, path: str) -> http.client.HTTPResponse:
        """The answer's head; its body is still to be read."""
        self.request("GET", path)
        return self.getresponse()

    def post(self, path: str, payload: Any, headers: Mapping[str, str] | None = None) -> http.client.HTTPResponse:
        """The same for JSON that is sent."""
        self.request("POST", path, json.dumps(payload), {"Content-Type": "application/json", **(headers or {})})
        return self.getresponse()


def event(response: http.client.HTTPResponse) -> str:
    """The data of a stream's next event, not waiting for more; comments are passed over. Empty at the end."""
    while line := response.readline().decode():
        if line.startswith("data: "):
            return line.removeprefix("data: ").strip()
    return ""


def word(response: http.client.HTTPResponse) -> str:
    """The text of a chat stream's next event."""
    text: str = json.loads(event(response))["choices"][0]["delta"].get("content", "")
    return text


def error(response: http.client.HTTPResponse) -> Any:
    """The body of an error, which is JSON whoever made it."""
    assert response.headers["Content-Type"] == "application/json"
    return json.loads(response.read())
