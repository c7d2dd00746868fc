"""Hugging Face's Text Generation Inference: completions are its own `/generate`; chat is of OpenAI's type."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.dialects import JSON, Body, ChunkStream, Translator, openai_like, shapes
from app.dialects import conversation as said
from app.dialects import refusal as refusals
from app.dialects.conversation import refuse
from app.dialects.fields import HANDLING, Fields, without_nones
from app.dialects.openai_like.request import OPENAI_LIKE
from app.dialects.openai_like.request import chat_request as as_openai_has_it
from app.errors import Cut, Refused

NAME = "Text Generation Inference"

_ANY = "tgi"
"""The name of a model where none is said: older servers want one, and none reads it."""

_TEXTS_PER_CALL = 32
"""What Text Embeddings Inference takes at once unless its server is told otherwise (`--max-client-batch-size`)."""

_STATUSES = {"validation": 422, "template_error": 422, "tool_error": 422, "overloaded": 429, "generation": 424}
"""What a stream's error would have been as a status; the others (incomplete_generation, ...) are 500."""


# --- chat


def chat_request(model: str, payload: JSON) -> Body:
    """OpenAI's payload as the server's parser takes it; what that would skip in silence is refused, or named."""
    fields = Fields(payload)
    fields.one_choice(NAME)
    known = {
        "top_p": _below_one(fields.clamp("top_p", 0.001, 1)),
        "stop": said.stops(fields.take("stop")),
        "seed": fields.clamp("seed", 0, 2**64 - 1),
        "response_format": _response_format(fields.take("response_format")),
    }
    fields.leave_out("logit_bias", "parallel_tool_calls", "reasoning_effort", "service_tier", "user", *HANDLING)
    body = as_openai_has_it(OPENAI_LIKE, model or _ANY, {**fields.rest(), **without_nones(known)})
    return Body(body.json, tuple(fields.adjusted))


def _below_one(top_p: float | None) -> float | None:
    """A `top_p` of 1, which changes nothing, is refused there."""
    return top_p if top_p != 1 else None


def _response_format(wanted: JSON | None) -> JSON | None:
    """Its grammar: a schema as `value`. It cannot be told to write JSON of any shape."""
    if described := said.schema_of(wanted):
        return {"type": "json", "value": described["schema"]}
    if not wanted or wanted["type"] == "text":
        return None
    if "value" not in wanted:  # one of its own has that
        raise refuse(("response_format", "type"), f"{NAME} has no counterpart for '{wanted['type']}'; use json_schema")
    return wanted


# --- completions


def request(model: str | None, payload: JSON) -> Body:
    """The body of `POST /generate` and `/generate_stream`; a server has one model, so it is not named."""
    fields = Fields(payload)
    stream = bool(fields.take("stream"))
    fields.take("details", "stream_options")
    fields.one_choice(NAME)
    fields.refuse("suffix", by=NAME)
    fields.leave_out("presence_penalty", "logit_bias", "user", *HANDLING)
    body = {"inputs": _prompt(fields.take("prompt")), "parameters": _parameters(fields, stream)}
    return Body(body, tuple(fields.adjusted))


def _prompt(prompt: Any) -> str:
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if not isinstance(prompt, str):
        raise refuse(("prompt",), f"{NAME} takes one text per call, and no tokens")
    return prompt


def _parameters(fields: Fields, stream: bool) -> JSON:
    """Parameters of its own (typical_p, grammar, ...) stand among the client's, and go as they are."""
    limit = fields.take("max_tokens")
    if limit == 0:
        raise refuse(("max_tokens",), f"{NAME} gives at least one token")
    parameters = {
        "max_new_tokens": limit,
        **_sampling(fields),
        "stop": said.stops(fields.take("stop")),
        "seed": fields.clamp("seed", 0, 2**64 - 1),
        "frequency_penalty": fields.take("frequency_penalty"),
        **_shown(fields, stream),
        "details": True,
    }
    if fields.rest().get("best_of") == 1:
        fields.take("best_of")
    return {**without_nones(parameters), **fields.rest()}


def _sampling(fields: Fields) -> JSON:
    """A temperature of 0 is its greedy search. Above, `do_sample` has to be said: 1.0 alone would be greedy as well."""
    temperature, top_p, top_k = fields.take("temperature"), fields.clamp("top_p", 0.001, 1), fields.take("top_k")
    if temperature == 0:
        return {"do_sample": False}
    narrowed = {"top_p": _below_one(top_p), "top_k": top_k if top_k and top_k > 0 else None}
    samples = temperature is not None or any(narrowed.values())
    return {"temperature": temperature, **narrowed, "do_sample": True if samples else None}


def _shown(fields: Fields, stream: bool) -> JSON:
    """What is to be shown beside the new text. A stream never has the prompt, nor do the log probabilities."""
    logprobs, echo = fields.take("logprobs"), fields.take("echo")
    if echo and (stream or logprobs is not None):
        raise refuse(("echo",), f"{NAME} has no counterpart for this with {'stream' if stream else 'logprobs'}")
    return {
        "top_n_tokens": None if logprobs is None else max(logprobs, 1),
        "return_full_text": bool(echo) or None,
        "decoder_input_details": None if stream else True,  # the prompt's tokens, to count them
    }


@shapes.whole(NAME)
def response(body: JSON) -> JSON:
    """A text completion. Raises Garbled."""
    details, text = body["details"], body["generated_text"]
    if not isinstance(text, str):
        raise TypeError("generated_text should be a string")
    logprobs = _Logprobs()
    for token, best in zip(shapes.mappings(details.get("tokens")), details.get("top_tokens") or (), strict=False):
        logprobs.add(token, best)
    choice = {"index": 0, "text": text, "logprobs": logprobs.said(), "finish_reason": _finish_reason(details)}
    return {
        "id": shapes.made_id("cmpl", body),
        "object": "text_completion",
        "model": None,  # it is not said
        "choices": [choice],
        "usage": _usage(details, len(shapes.mappings(details.get("prefill")))),
        **_about(details),
    }


@shapes.pieces(NAME)
def stream() -> ChunkStream:
    """Sent each event's data, yields the chunks that it is; sent None at the end. Raises Refused and Cut."""
    head: JSON = {}
    logprobs = _Logprobs()
    finished = False
    chunks: list[JSON] = []
    while (event := (yield chunks)) is not None:
        if event.get("error"):
            raise _refused(event)
        head = head or {"id": shapes.made_id("cmpl", event), "object": "text_completion", "model": None}
        token, details = event["token"], shapes.mapping(event.get("details"))
        chunks = []
        if not token["special"] and shapes.text(token["text"]):
            if best := event.get("top_tokens"):
                logprobs.add(token, best)
            chunks.append(_chunk(head, token["text"], logprobs=logprobs.said()))
            logprobs = logprobs.rest()
        if details:
            finished = True
            chunks.append(_chunk(head, "", _finish_reason(details), more=_about(details)))
            chunks.append({**head, "choices": [], "usage": _usage(details, shapes.count(details.get("input_length")))})
    if not finished:
        raise Cut(f"{NAME} broke off the stream before it was whole")


def _chunk(
    head: JSON, text: str, finish: str | None = None, *, logprobs: JSON | None = None, more: JSON | None = None
) -> JSON:
    choice = {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": finish}
    return {**head, "choices": [choice], **(more or {})}


def _finish_reason(details: JSON) -> str:
    return "length" if shapes.text(details["finish_reason"]) == "length" else "stop"  # else eos_token, stop_sequence


def _usage(details: JSON, prompt: int) -> JSON:
    """`prompt` is 0 where it was not counted: older servers do not in a stream."""
    completion = shapes.count(details.get("generated_tokens"))
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def _about(details: JSON) -> JSON:
    kept = {key: details.get(key) for key in ("finish_reason", "seed", "best_of_sequences")}
    return {"provider_fields": {"tgi": without_nones(kept)}}


class _Logprobs:
    """OpenAI's log probabilities of a completion, token by token."""

    def __init__(self, offset: int = 0) -> None:
        self._offset = offset
        self._tokens: list[JSON] = []
        self._best: list[dict[str, float]] = []

    def add(self, token: JSON, best: Any) -> None:
        """A token, and the likeliest in its place."""
        self._tokens.append({"text": shapes.text(token["text"]), "logprob": shapes.number(token["logprob"])})
        self._best.append({shapes.text(one["text"]): shapes.number(one["logprob"]) for one in shapes.mappings(best)})

    def said(self) -> JSON | None:
        """What OpenAI's shape has for them; None where there are none."""
        if not self._tokens:
            return None
        texts = [token["text"] for token in self._tokens]
        offsets = [self._offset + len("".join(texts[:index])) for index in range(len(texts))]
        chosen = [token["logprob"] for token in self._tokens]
        return {"tokens": texts, "token_logprobs": chosen, "top_logprobs": self._best, "text_offset": offsets}

    def rest(self) -> _Logprobs:
        """Those of what follows."""
        return _Logprobs(self._offset + sum(len(token["text"]) for token in self._tokens))


def _refused(event: JSON) -> Refused:
    refusal = refusals.of(event)
    status = _STATUSES.get(refusal.type or "", 500)
    return Refused(status, refusal.message, type=refusal.type, code=refusal.code, extra=refusal.extra)


TRANSLATORS = {
    "llm/v1/chat": replace(openai_like.chat_translator(path="v1/chat/completions"), request=chat_request),
    "llm/v1/completions": Translator("generate", request, response, stream, stream_path="generate_stream"),
    "llm/v1/embeddings": replace(openai_like.embeddings_translator(path="v1/embeddings"), batch=_TEXTS_PER_CALL),
}
"""Endpoint type -> translator. Embeddings are those of its sister, Text Embeddings Inference."""
