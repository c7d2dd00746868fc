"""What a scripted provider hears and says: requests, replies as frozen values, and OpenAI's bodies. No I/O."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any


@dataclass(frozen=True)
class Pause:
    """Send nothing for some seconds."""

    seconds: float


@dataclass(frozen=True)
class Wait:
    """Send nothing until the test sets the event."""

    event: threading.Event


@dataclass(frozen=True)
class Hang:
    """Send nothing until the client leaves."""


@dataclass(frozen=True)
class Close:
    """End the connection in good order (FIN)."""


@dataclass(frozen=True)
class Reset:
    """End the connection at once (RST)."""


Step = bytes | Pause | Wait | Hang | Close | Reset
"""What the upstream does next; bytes are sent as they are, in one piece."""


@dataclass(frozen=True)
class Reply:
    """An answer: a head, unless `status` is None, and then steps. Its bytes, framing included, go out untouched."""

    status: int | None = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    before: tuple[Step, ...] = ()
    """Steps taken before the head."""
    piece: int | None = None
    """The most bytes sent at once; None: each step whole."""

    @property
    def keeps_alive(self) -> bool:
        """Whether the connection can serve another request: its end can be seen, and it does not say `close`."""
        lower = {name.lower(): value.lower() for name, value in self.headers.items()}
        framed = "content-length" in lower or lower.get("transfer-encoding") == "chunked" or self.status in (204, 304)
        return self.status is not None and framed and lower.get("connection") != "close"

    def wire(self) -> Iterator[Step]:
        """The steps with the head as bytes, in pieces where asked; the head leaves together with what follows it."""
        steps = list(self.steps)
        if self.status is not None:
            first = steps[0] if steps and isinstance(steps[0], bytes) else b""
            steps[: bool(first)] = [head(self.status, self.headers) + first]
        for step in (*self.before, *steps):
            yield from pieces(step, self.piece) if isinstance(step, bytes) else (step,)


@dataclass(frozen=True)
class Request:
    """A request as it came, and what became of its answer. Times are `time.monotonic()` seconds."""

    method: str
    target: str
    """Path and query."""
    raw_headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int
    """The number of the connection it came on, from 1."""
    started: float
    """When its first byte was read."""
    received: float
    """When it was whole."""
    sent: list[float] = field(default_factory=list)
    """When each run of bytes of the answer was handed to the system."""
    client_left: threading.Event = field(default_factory=threading.Event)
    """Set when the client hung up before the answer was over."""
    answered: threading.Event = field(default_factory=threading.Event)
    """Set when the last step of the answer was taken."""

    @property
    def headers(self) -> dict[str, str]:
        """Names in lower case; values of a repeated name joined by a comma."""
        joined: dict[str, str] = {}
        for name, value in self.raw_headers:
            key = name.lower()
            joined[key] = f"{joined[key]}, {value}" if key in joined else value
        return joined

    @property
    def json(self) -> Any:
        """The parsed body; ValueError if it is not JSON."""
        return json.loads(self.body)


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """A status line, headers and the empty line."""
    with suppress(ValueError):
        return _head(status, HTTPStatus(status).phrase, headers)
    return _head(status, "Unknown", headers)


def _head(status: int, phrase: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def pieces(data: bytes, size: int | None) -> Iterable[bytes]:
    """`data` in runs of at most `size` bytes."""
    return [data] if size is None else [data[at : at + size] for at in range(0, len(data), size)]


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of the chunked transfer coding; empty data is the last chunk."""
    return b"%x\r\n%s\r\n" % (len(data), data)


def event_bytes(event: Mapping[str, Any] | bytes) -> bytes:
    """A server-sent event; bytes are taken as they are."""
    return event if isinstance(event, bytes) else b"data: %s\n\n" % encoded(event)


def encoded(obj: Any) -> bytes:
    """`obj` as compact UTF-8 JSON."""
    return json.dumps(obj, ensure_ascii=False, separators=(",", ":")).encode()


def json_reply(obj: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """A whole JSON answer with its length."""
    body = encoded(obj)
    lengths = {"Content-Type": "application/json", "Content-Length": str(len(body))}
    return Reply(status, {**lengths, **(headers or {})}, (body,))


def sse_reply(
    events: Iterable[Mapping[str, Any] | Step],
    done: bool = True,
    pause: float | None = None,
    headers: Mapping[str, str] | None = None,
    chunked: bool = True,
) -> Reply:
    """A stream: each event (an object, or bytes as they are) its own chunk; steps may stand between events.

    `done` adds `[DONE]`; `pause` is a rest in seconds after each event; not `chunked`, it ends with the connection.
    """
    frame = chunk if chunked else bytes
    steps: list[Step] = []
    for event in (*events, *([b"data: [DONE]\n\n"] if done else [])):
        is_event = isinstance(event, (bytes, Mapping))
        steps.append(frame(event_bytes(event)) if isinstance(event, (bytes, Mapping)) else event)
        steps += [Pause(pause)] if pause and is_event else []
    framing = {"Transfer-Encoding": "chunked"} if chunked else {"Connection": "close"}
    steps += [chunk(b"")] if chunked else []
    return Reply(200, {"Content-Type": "text/event-stream", **framing, **(headers or {})}, tuple(steps))


def raw_reply(*steps: Step) -> Reply:
    """Exactly these bytes on the wire, status line included, or none at all; then the connection ends."""
    return Reply(None, {}, steps)


def piecewise(reply: Reply, size: int = 1) -> Reply:
    """The same reply in runs of at most `size` bytes, head included: chunks are cut anywhere."""
    return replace(reply, piece=size)


def held(reply: Reply, *steps: Step) -> Reply:
    """The same reply after some steps: nothing of it, not even its head, is sent before."""
    return replace(reply, before=steps)


def cut(reply: Reply, at: int, then: Close | Reset | Hang = Close()) -> Reply:
    """The reply's head and the first `at` bytes that follow it (framing counted), and then the end."""
    kept: list[Step] = []
    for step in reply.steps:
        kept.append(step[:at] if isinstance(step, bytes) else step)
        at -= len(step) if isinstance(step, bytes) else 0
        if at <= 0:
            break
    return replace(reply, steps=(*kept, then))


# ---- bodies as OpenAI words them

USAGE = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}


def chat_completion(text: str = "Hello there, how may I assist you today?", **extra: Any) -> dict[str, Any]:
    """A chat completion; `extra` adds or replaces fields at its top."""
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return {**_top("chat.completion", "chatcmpl-1"), "choices": [choice], "usage": USAGE, **extra}


def chat_chunks(
    words: Iterable[str], usage: Mapping[str, Any] | None = None, include_usage: bool | None = None
) -> list[dict[str, Any]]:
    """A streamed chat completion: the role, a chunk per word, the finish reason; then usage, if given or asked for."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "", "refusal": None}]
    deltas += [{"content": word} for word in words]
    choice: dict[str, Any] = {"index": 0, "delta": {}, "logprobs": None, "finish_reason": None}
    choices = [{**choice, "delta": delta} for delta in deltas] + [{**choice, "finish_reason": "stop"}]
    top = _top("chat.completion.chunk", "chatcmpl-1")
    if not (usage is not None if include_usage is None else include_usage):
        return [{**top, "choices": [choice]} for choice in choices]
    chunks: list[dict[str, Any]] = [{**top, "choices": [choice], "usage": None} for choice in choices]
    return [*chunks, {**top, "choices": [], "usage": usage or USAGE}]


def completion(text: str = "bright.", **extra: Any) -> dict[str, Any]:
    """A text completion."""
    choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": "length"}
    return {**_top("text_completion", "cmpl-1"), "choices": [choice], "usage": USAGE, **extra}


def embeddings(*vectors: Any, **extra: Any) -> dict[str, Any]:
    """An embeddings answer: one entry per vector (a list of floats, or base64)."""
    data: list[Any] = [{"object": "embedding", "index": at, "embedding": vector} for at, vector in enumerate(vectors)]
    usage = {"prompt_tokens": 8, "total_tokens": 8}
    return {"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage, **extra}


def error(message: str, type: str = "invalid_request_error", code: str | None = None) -> dict[str, Any]:
    """OpenAI's error body."""
    return {"error": {"message": message, "type": type, "param": None, "code": code}}


def _top(kind: str, id: str) -> dict[str, Any]:
    extra = {"service_tier": "default", "system_fingerprint": "fp_44709d6fcb"}
    return {"id": id, "object": kind, "created": 1700000000, "model": "gpt-4o-mini-2024-07-18", **extra}
