"""What Gemini says its answer is grounded on -> OpenAI's URL citations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from app.dialects import JSON, shapes

_SOURCES = ("web", "maps", "retrievedContext")


def citations(said: Any, parts: Sequence[JSON]) -> JSON:
    """The `annotations` of a message with these parts, for groundingMetadata that ties pieces of it to addresses."""
    said = shapes.mapping(said)
    chunks = shapes.mappings(said.get("groundingChunks"))
    found = [
        {"type": "url_citation", "url_citation": {**_place(shapes.mapping(support.get("segment")), parts), **source}}
        for support in shapes.mappings(said.get("groundingSupports"))
        for source in _sources(support, chunks)
    ]
    return {"annotations": found} if found else {}


def _sources(support: JSON, chunks: Sequence[JSON]) -> Iterator[JSON]:
    """The addresses that a support names by their places."""
    for index in support.get("groundingChunkIndices") or ():
        chunk = chunks[index] if index < len(chunks) else {}
        source = next((shapes.mapping(chunk[kind]) for kind in _SOURCES if chunk.get(kind)), {})
        if url := shapes.text(source.get("uri")):
            yield {"url": url, "title": shapes.text(source.get("title"))}


def _place(segment: JSON, parts: Sequence[JSON]) -> JSON:
    """Where a segment stands in the whole text, in characters. Google counts bytes, from the start of a part."""
    part = shapes.count(segment.get("partIndex"))
    before, text = _text(parts[:part]), _text(parts[part:]).encode()
    start, end = (_characters(text, segment.get(key)) for key in ("startIndex", "endIndex"))
    return {"start_index": len(before) + start, "end_index": len(before) + end}


def _text(parts: Sequence[JSON]) -> str:
    return "".join(shapes.text(part.get("text")) for part in parts if not part.get("thought"))


def _characters(text: bytes, at: Any) -> int:
    return len(text[: shapes.count(at)].decode(errors="ignore"))
