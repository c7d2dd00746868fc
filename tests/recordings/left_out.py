"""Recordings that are not replayed, and why."""

from __future__ import annotations

from tests.recordings.recorded import Recording


def reason(recording: Recording) -> str | None:
    """Why a recording is not replayed; None if it is."""
    if recording.provider == "cohere" and "/v1/" in recording.url:
        return "Cohere's first version, which is dead for the models of today"
    if recording.provider == "ollama" and "/api/" in recording.url:
        return "Ollama's native API; the gateway speaks its OpenAI-compatible one"
    if recording.provider in ("gemini", "vertex") and recording.streams and "alt=sse" not in recording.url:
        return "a stream as one JSON array: the gateway always asks for server-sent events"
    if recording.reading is None:
        return "no vendor's SDK reads it"
    return None
