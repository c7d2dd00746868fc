"""Cohere's answer to a chat -> OpenAI's chat completion."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from app.dialects import JSON, shapes
from app.dialects.fields import without_nones
from app.errors import Garbled, Refused

NAME = "Cohere"

FINISH_REASONS = {"COMPLETE": "stop", "STOP_SEQUENCE": "stop", "MAX_TOKENS": "length", "TOOL_CALL": "tool_calls"}

FAILURES = {"ERROR": 502, "TIMEOUT": 504}
"""Ends that are no answer, and the status that tells so."""


@shapes.whole(NAME)
def response(body: JSON) -> JSON:
    """The completion. Raises Garbled for what is no answer, Refused for an answer that failed at Cohere."""
    if not isinstance(body.get("message"), dict):
        raise Garbled(f"{NAME}'s answer has no message")
    message = _message(body["message"])
    reason = finish_reason(body, "tool_calls" in message)
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": reason,
        "logprobs": logprobs(body.get("logprobs")),
    }
    return {
        "id": shapes.text(body.get("id")) or shapes.made_id("chatcmpl", body),
        "object": "chat.completion",
        "model": None,  # Cohere does not say it
        "choices": [choice],
        "usage": usage(body.get("usage")),
        **about(body),
    }


def _message(said: JSON) -> JSON:
    content = blocks(said)
    calls = [tool_call(call) for call in shapes.mappings(said.get("tool_calls"))]
    text = joined(content, "text")
    message: JSON = {"role": "assistant", "content": text if text or not calls else None, "refusal": None}
    if thought := joined(content, "thinking"):
        message["reasoning_content"] = thought
    if calls:
        message["tool_calls"] = calls
    return {**message, **kept(content, said, bool(calls))}


def blocks(said: JSON) -> list[JSON]:
    """The content of a message: texts and thoughts."""
    return shapes.mappings(said.get("content"))


def joined(content: Sequence[JSON], kind: str) -> str:
    """All blocks of one kind as one text."""
    return "".join(shapes.text(block.get(kind)) for block in content if block.get("type") == kind)


def tool_call(call: JSON) -> JSON:
    """A tool call in OpenAI's words: Cohere says `null` for no arguments."""
    function, name = call["function"], shapes.text(call["function"]["name"])
    if not name or not shapes.text(call["id"]):
        raise TypeError("a tool call should have an id and a name")
    return {
        "id": call["id"],
        "type": "function",
        "function": {"name": name, "arguments": arguments(function.get("arguments"))},
    }


def arguments(said: Any) -> str:
    """Arguments as OpenAI writes them: never less than an empty object."""
    text = shapes.text(said).strip()
    return "{}" if text in ("", "null") else text


def kept(content: Sequence[JSON], said: JSON, calls: bool) -> JSON:
    """What of a message has no place in OpenAI's shape, and what a second turn cannot make again without it."""
    plan, citations = shapes.text(said.get("tool_plan")), shapes.mappings(said.get("citations"))
    fields: JSON = {}
    if plan:
        fields["tool_plan"] = plan
    if citations:
        fields["citations"] = citations
    if (
        citations
        or [block.get("type") for block in content] not in ([], ["text"], ["thinking"], ["thinking", "text"])
        or (calls and joined(content, "text"))
    ):
        fields["content"] = list(content)
    found = list(_annotations(content, citations))
    return {**({"annotations": found} if found else {}), **({"provider_fields": {"cohere": fields}} if fields else {})}


def _annotations(content: Sequence[JSON], citations: Sequence[JSON]) -> Iterator[JSON]:
    """OpenAI's URL citations, counted from the start of the whole text, for sources that have an address."""
    for citation in citations:
        start = len(joined(content[: shapes.count(citation.get("content_index"))], "text"))
        for source in shapes.mappings(citation.get("sources")):
            document = shapes.mapping(source.get("document") or source.get("tool_output"))
            if citation.get("type") == "TEXT_CONTENT" and isinstance(document.get("url"), str):
                place = {f"{end}_index": start + shapes.count(citation[end]) for end in ("start", "end")}
                title = shapes.text(document.get("title"))
                yield {"type": "url_citation", "url_citation": {**place, "url": document["url"], "title": title}}


def finish_reason(body: JSON, calls: bool) -> str:
    """OpenAI's word for Cohere's. Raises Refused, with Cohere's words, for an end that is no answer."""
    reason = shapes.text(body["finish_reason"])
    if not reason:
        raise TypeError("finish_reason should not be empty")
    if reason in FAILURES:
        words = shapes.text(body.get("error")) or f"{NAME}'s answer failed ({reason})"
        code = shapes.text(body.get("error_type")) or reason
        raise Refused(FAILURES[reason], words, code=code)
    if reason == "TOOL_CALL" and not calls:
        raise TypeError("an answer that ends with a tool call should have one")
    return FINISH_REASONS.get(reason, "stop")


def usage(said: Any) -> JSON | None:
    """OpenAI's usage: the tokens that there were, not those that are billed; None where they were not counted."""
    said = shapes.mapping(said)
    tokens = shapes.mapping(said.get("tokens")) or shapes.mapping(said.get("billed_units"))
    if not tokens:
        return None
    prompt, completion = shapes.count(tokens.get("input_tokens")), shapes.count(tokens.get("output_tokens"))
    images = {"image_tokens": shapes.count(tokens["image_tokens"])} if "image_tokens" in tokens else {}
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": shapes.count(said.get("cached_tokens")), **images},
        "completion_tokens_details": {"reasoning_tokens": shapes.count(tokens.get("reasoning_tokens"))},
    }


def about(body: JSON) -> JSON:
    """What an answer says of itself that OpenAI's shape has no place for: why it ended, what is billed, ..."""
    rest = {key: value for key, value in body.items() if key not in ("id", "message", "usage", "logprobs")}
    billed = shapes.mapping(body.get("usage")).get("billed_units")
    return {"provider_fields": {"cohere": without_nones({**rest, "billed_units": billed})}}


def logprobs(said: Any) -> JSON | None:
    """OpenAI's log probabilities. An item of Cohere's is a piece of text of one token or several."""
    items = [item for item in shapes.mappings(said) if item.get("logprobs")]
    return {"content": [_logprob(item) for item in items], "refusal": None} if items else None


def _logprob(item: JSON) -> JSON:
    token = shapes.text(item.get("text"))
    return {"token": token, "bytes": list(token.encode()), "logprob": float(sum(item["logprobs"])), "top_logprobs": []}
