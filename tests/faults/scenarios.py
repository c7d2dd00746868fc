"""The sixteen scenarios of Failover Bench (methodology v0.1) as scripts: what the providers do in each, and when."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from tests.upstream import (
    USAGE,
    Close,
    Pause,
    Reply,
    Request,
    Reset,
    Script,
    Step,
    chat_chunks,
    chat_completion,
    error,
    held,
    json_reply,
    raw_reply,
    sse_reply,
)

_SAID = """
the miller opened the weir before dawn and the river which had waited all night behind the boards ran down
to the wheel past the alders and the sleeping geese over stones that nobody had moved since his grandfather
was young and the flour by noon was white as frost and everyone in the valley ate new bread that day
"""
WORDS = [f"{word} " for word in _SAID.split()]
TEXT = "".join(WORDS)
"""Every healthy answer: sixty words, a token each."""
assert len(WORDS) == 60
OTHER_WORDS = [*WORDS[:10], *WORDS[11:], "well "]
"""As long, and another answer from its eleventh token on."""

PRIMARY_MODEL, FALLBACK_MODEL = "primary-model", "fallback-model"
USAGES = {
    PRIMARY_MODEL: {**USAGE, "completion_tokens": 61, "total_tokens": 70},
    FALLBACK_MODEL: {**USAGE, "completion_tokens": 62, "total_tokens": 71},
}

CALLS, CALLS_APART, BAD_FOR, BACK_WITHIN = 20, 4.0, 60.0, 30.0
"""Of scenario 15; seconds."""


@dataclass(frozen=True)
class Times:
    """The published times, or all of them by one factor: what is between two of them stays as it was."""

    scale: float
    slack: float
    """Seconds that an upper bound may be passed by: a busy machine is not the gateway's delay."""

    def __call__(self, seconds: float) -> float:
        """A published time as it is here."""
        return seconds * self.scale

    def at_most(self, seconds: float) -> float:
        """A published upper bound."""
        return self(seconds) + self.slack


PUBLISHED = Times(1.0, 0.0)
SHORT = Times(0.2, 2.0)

STREAM, WHOLE, OTHER = "stream", "whole", "stream, and the fallback says something else"
"""How a scenario is run."""
BOTH, STREAMS, BROKEN = (STREAM, WHOLE), (STREAM,), (STREAM, OTHER)

Misbehave = Callable[[Times, Reply], Script]
"""What the primary does, given its healthy answer."""


@dataclass(frozen=True)
class Scenario:
    """One of the sixteen."""

    title: str
    """What the provider does."""
    primary: Misbehave
    modes: tuple[str, ...] = BOTH
    """How it makes sense."""
    calls: int = 1
    prefill: bool = True
    """Whether the fallback takes a conversation that ends with the assistant's words."""


def chunks(model: str, words: list[str] = WORDS) -> list[dict[str, object]]:
    """A healthy stream's: the role, a chunk for each token, the finish reason, usage."""
    return [{**chunk, "id": f"chatcmpl-{model}", "model": model} for chunk in chat_chunks(words, USAGES[model])]


def healthy(model: str, mode: str) -> Reply:
    """The answer of a provider that is well."""
    if mode == OTHER and model == FALLBACK_MODEL:
        return sse_reply(chunks(model, OTHER_WORDS))
    if mode != WHOLE:
        return sse_reply(chunks(model))
    return json_reply(chat_completion(TEXT, model=model, usage=USAGES[model]))


def well(model: str, mode: str, *, prefill: bool = True) -> Script:
    """A provider that is well, and may refuse a last message by the assistant."""

    def answer(request: Request) -> Reply:
        if not prefill and request.json["messages"][-1]["role"] == "assistant":
            return refusal(400, "the last message may not be the assistant's")
        return healthy(model, mode)

    return answer


def refusal(status: int, message: str, code: str | None = None, **headers: str) -> Reply:
    """An error as OpenAI words it."""
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return json_reply(error(message, code=code), status, told)


def breaking_off(after: int, *then: Step) -> Reply:
    """A primary's stream of that many tokens, and what comes then; nothing ends the HTTP message."""
    return sse_reply([*chunks(PRIMARY_MODEL)[: after + 1], *then], done=False)


def always(reply: Reply) -> Misbehave:
    """The same whenever it is asked, whatever the time."""
    return lambda times, healthy: reply


def once(reply: Reply) -> Misbehave:
    """First that, then well."""
    return lambda times, healthy: [reply, healthy]


def _retry_after(times: Times, healthy: Reply) -> Iterable[Reply]:
    return [refusal(429, "slow down", Retry_After=f"{times(2):g}"), healthy]


def _recovering(times: Times, healthy: Reply) -> Script:
    begun: list[float] = []

    def answer(request: Request) -> Reply:
        begun.append(request.received)
        is_well = time.monotonic() - begun[0] >= times(BAD_FOR)
        return healthy if is_well else refusal(503, "out of order")

    return answer


_TENTH = [
    *chunks(PRIMARY_MODEL)[:9],
    b'data: {"choices": [{"delta": {"content": garbage\n\n',
    *chunks(PRIMARY_MODEL)[9:],
]

SCENARIOS = {
    1: Scenario("429 with `Retry-After: 2`, once", _retry_after),
    2: Scenario("429 without `Retry-After`, always", always(refusal(429, "slow down"))),
    3: Scenario("500, once", once(refusal(500, "a hiccup"))),
    4: Scenario("503, always", always(refusal(503, "out of order"))),
    5: Scenario("connection reset before any byte, once", once(raw_reply(Reset()))),
    6: Scenario("silent for 120 s", lambda times, healthy: held(healthy, Pause(times(120)))),
    7: Scenario(
        "headers at once, first token after 20 s",
        lambda times, _: sse_reply([Pause(times(20)), *chunks(PRIMARY_MODEL)]),
        STREAMS,
    ),
    8: Scenario("the stream dies after 40 of 60 tokens", always(breaking_off(40, Close())), BROKEN),
    9: Scenario(
        "silent for 30 s after 20 tokens, then closes",
        lambda times, _: breaking_off(20, Pause(times(30)), Close()),
        BROKEN,
    ),
    10: Scenario("the tenth event is not JSON", always(sse_reply(_TENTH)), STREAMS),
    11: Scenario("no `[DONE]`", always(sse_reply(chunks(PRIMARY_MODEL), done=False)), STREAMS),
    12: Scenario(
        "400 `context_length_exceeded`",
        always(refusal(400, "maximum context length is 8192 tokens", "context_length_exceeded")),
    ),
    13: Scenario(
        "400 `content_policy_violation`", always(refusal(400, "this is not allowed", "content_policy_violation"))
    ),
    14: Scenario(
        "dies after 40 tokens; the fallback refuses a last message by the assistant",
        always(breaking_off(40, Close())),
        BROKEN,
        prefill=False,
    ),
    15: Scenario("503 for 60 s, then well; 20 calls 4 s apart", _recovering, calls=CALLS),
    16: Scenario("503, always; whose model and usage are told", always(refusal(503, "out of order"))),
}
