"""A recorded request in OpenAI's words: a converter per dialect, each the reverse of the gateway's."""

from __future__ import annotations

from typing import Any

from tests.recordings.payloads import anthropic, bedrock, cohere, gemini, mistral
from tests.recordings.recorded import Recording

_CONVERTERS = {
    "anthropic": anthropic.payload,
    "bedrock": bedrock.payload,
    "cohere": cohere.payload,
    "gemini": gemini.payload,
    "mistral": mistral.payload,
    "vertex": gemini.payload,
}


def payload(recording: Recording) -> dict[str, Any]:
    """What a client of OpenAI's would have asked for; without `model`."""
    said = recording.request
    convert = _CONVERTERS.get(recording.provider)
    made = {**(convert(said) if convert else said)}
    made.pop("model", None)
    made.pop("stream", None)
    if recording.kind == "chat" and not made.get("messages"):
        made["messages"] = [{"role": "user", "content": "The request was not kept."}]
    return {**made, "stream": True} if recording.streams else made
