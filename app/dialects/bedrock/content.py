"""OpenAI's messages -> Converse's turns, which alternate: content blocks, media as bytes, tools' calls and results."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

from app.dialects import JSON, shapes
from app.dialects import conversation as said
from app.dialects.conversation import Loc, refuse
from app.dialects.fields import without_nones

_IMAGES = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}

_VIDEOS = {
    **{f"video/{name}": name for name in ("mp4", "webm", "mpeg", "mov", "mkv", "flv", "mpg", "wmv")},
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/x-flv": "flv",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}

_DOCUMENTS = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}

_SOUNDS = (
    *("aac", "flac", "m4a", "mka", "mkv", "mp3", "mp4", "mpeg"),
    *("mpga", "ogg", "opus", "pcm", "wav", "webm", "x-aac"),
)

_NATIVE = (
    "guardContent",
    "cachePoint",
    "searchResult",
    "document",
    "image",
    "video",
    "audio",
    "toolAddition",
    "toolRemoval",
)
"""Converse's own blocks, which a client may send as parts: `{"type": "guardContent", "guardContent": {...}}`."""

_IN_A_RESULT = ("text", "json", "image", "document", "video", "searchResult")

_TOOL_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")


def system(messages: Sequence[JSON]) -> list[JSON]:
    """System and developer messages, hoisted."""
    blocks = []
    for index, message in enumerate(messages):
        if message["role"] in ("system", "developer"):
            for loc, part in said.parts(message, ("messages", index)):
                if part["type"] not in ("text", "guardContent", "cachePoint"):
                    raise refuse(loc, f"only text can stand here, not '{part['type']}'")
                blocks += _blocks(part, loc)
            blocks += cache_point(message)
    return blocks


def turns(messages: Sequence[JSON]) -> list[JSON]:
    """All other messages. Those of one role in a row are one turn, and in it the tools' results come first."""
    placed = [(message, ("messages", index)) for index, message in enumerate(messages)]
    spoken = [
        ("assistant" if message["role"] == "assistant" else "user", message["role"] != "tool", blocks)
        for message, loc in placed
        if message["role"] not in ("system", "developer") and (blocks := _turn(message, loc) + cache_point(message))
    ]
    found = []
    for role, run in groupby(spoken, key=lambda turn: turn[0]):
        ordered = sorted(run, key=lambda turn: turn[1])
        found.append({"role": role, "content": [block for _, _, blocks in ordered for block in blocks]})
    return _with_distinct_documents(found)


def _turn(message: JSON, loc: Loc) -> list[JSON]:
    if message["role"] == "tool":
        return [_tool_result(message, loc)]
    if message["role"] == "assistant":
        return _assistant(message, loc)
    return [block for place, part in said.parts(message, loc) for block in _blocks(part, place)]


def cache_point(marked: JSON) -> list[JSON]:
    """The cache point that a `cache_control` stands for (Anthropic's word, which OpenAI's clients use too)."""
    control = marked.get("cache_control")
    if not isinstance(control, dict):
        return []
    return [{"cachePoint": without_nones({"type": "default", "ttl": control.get("ttl")})}]


# --- parts


def _blocks(part: JSON, loc: Loc) -> list[JSON]:
    """A content part as a block and the cache point behind it; blank text, which Converse refuses, is no block."""
    if part["type"] == "refusal":
        part = {**part, "type": "text", "text": part.get("refusal")}
    if part["type"] == "text":
        text = said.text_of(part, loc)
        return [*([{"text": text}] if text.strip() else []), *cache_point(part)]
    return [_block(part, loc), *cache_point(part)]


def _block(part: JSON, loc: Loc) -> JSON:
    kind = part["type"]
    if kind == "image_url":
        return {"image": _media(part, "image_url", loc, _IMAGES)}
    if kind == "video_url":
        return {"video": _media(part, "video_url", loc, _VIDEOS)}
    if kind == "input_audio":
        return {"audio": _sound(part, loc)}
    if kind == "file":
        return {"document": _document(part, loc)}
    if kind in _NATIVE and isinstance(part.get(kind), dict):
        return {kind: part[kind]}
    raise refuse(loc, f"Bedrock's Converse takes no part of type '{kind}'")


def _media(part: JSON, key: str, loc: Loc, known: dict[str, str]) -> JSON:
    """An image or a video: bytes, or a place in S3, whose ending tells the format."""
    inner = part.get(key)
    url = inner.get("url") if isinstance(inner, dict) else inner
    place = (*loc, key, "url")
    if not isinstance(url, str):
        raise refuse(place, "Input should be a string")
    if url.startswith("s3://"):
        ending = url.rpartition(".")[2].lower()
        formats = {**dict.fromkeys(known.values()), "jpg": "jpeg", "3gp": "three_gp"}
        return {"format": formats.get(ending) or ending, "source": {"s3Location": {"uri": url}}}
    return _held(said.media(url, place), place, known)


def _held(media: said.Media, loc: Loc, known: dict[str, str]) -> JSON:
    if media.url is not None:
        raise refuse(
            loc,
            "Bedrock's Converse takes data URLs and s3:// addresses; others are fetched where the endpoint allows it",
        )
    if media.type not in known:
        raise refuse(loc, f"Bedrock's Converse takes {', '.join(known)}, not '{media.type}'")
    if not media.data:
        raise refuse(loc, "holds no data")
    return {"format": known[media.type], "source": {"bytes": media.data}}


def _sound(part: JSON, loc: Loc) -> JSON:
    inner = part.get("input_audio")
    if not isinstance(inner, dict) or not isinstance(inner.get("data"), str):
        raise refuse((*loc, "input_audio", "data"), "Input should be a string")
    if inner.get("format") not in _SOUNDS:
        raise refuse(
            (*loc, "input_audio", "format"), f"should be one of {', '.join(_SOUNDS)}, not '{inner.get('format')}'"
        )
    return {"format": inner["format"], "source": {"bytes": inner["data"]}}


def _document(part: JSON, loc: Loc) -> JSON:
    file = part.get("file")
    if not isinstance(file, dict) or not isinstance(file.get("file_data"), str):
        raise refuse((*loc, "file", "file_data"), "Field required")
    data, place = file["file_data"], (*loc, "file", "file_data")
    media = said.media(data if data.startswith(("data:", "http")) else f"data:application/pdf;base64,{data}", place)
    return {"name": _document_name(file.get("filename")), **_held(media, place, _DOCUMENTS)}


def _document_name(filename: Any) -> str:
    """A file's name without its ending, in the letters that a document's name may have."""
    stem = re.sub(r"\.\w+$", "", filename) if isinstance(filename, str) else ""
    return re.sub(r"[^a-zA-Z0-9\-()\[\]]+", " ", stem).strip()[:180] or "document"


def _with_distinct_documents(found: list[JSON]) -> list[JSON]:
    """Converse refuses two documents of one name in a conversation: the later ones get a number."""
    given: set[str] = set()
    for turn in found:
        if turn["role"] == "user":
            results = [block["toolResult"]["content"] for block in turn["content"] if "toolResult" in block]
            for block in (block for blocks in (turn["content"], *results) for block in blocks if "document" in block):
                block["document"] = {**block["document"], "name": _distinct(str(block["document"].get("name")), given)}
    return found


def _distinct(name: str, given: set[str]) -> str:
    number, found = 2, name
    while found in given:
        found, number = f"{name} {number}", number + 1
    given.add(found)
    return found


# --- tools


def _tool_id(name: str) -> str:
    """A call's id in the letters that Converse takes; another provider's is hashed, to the same each time."""
    return name if _TOOL_ID.fullmatch(name) else f"call_{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def _tool_result(message: JSON, loc: Loc) -> JSON:
    blocks = [block for place, part in said.parts(message, loc) for block in _in_a_result(part, place)]
    status = "error" if message.get("is_error") else message.get("status")
    result = {"toolUseId": _tool_id(str(message["tool_call_id"])), "content": blocks}
    return {"toolResult": {**result, "status": status} if status in ("success", "error") else result}


def _in_a_result(part: JSON, loc: Loc) -> list[JSON]:
    if part["type"] == "json":
        if not isinstance(part.get("json"), dict):
            raise refuse((*loc, "json"), "should be a JSON object")
        return [{"json": part["json"]}]
    blocks = _blocks({key: value for key, value in part.items() if key != "cache_control"}, loc)
    if any(block.keys().isdisjoint(_IN_A_RESULT) for block in blocks):
        raise refuse(loc, f"a tool's result takes no part of type '{part['type']}'")
    return blocks


def _assistant(message: JSON, loc: Loc) -> list[JSON]:
    """What the assistant said. Blocks that it said through this gateway come back whole, signatures and all."""
    calls = list(said.tool_calls(message, loc))
    kept = message.get("provider_fields")
    ours = kept.get("bedrock") if isinstance(kept, dict) else None
    native = ours.get("content") if isinstance(ours, dict) else None
    if isinstance(native, list) and _tells(native, _said(message, loc), calls):
        return [dict(block) for block in native if block.get("text", "-").strip()]
    blocks = [block for place, part in said.parts(message, loc) for block in _blocks(part, place)]
    uses = [{"toolUse": {"toolUseId": _tool_id(call.id), "name": call.name, "input": call.arguments}} for call in calls]
    return blocks + uses


def _said(message: JSON, loc: Loc) -> str:
    return "".join(part.get("text") or "" for _, part in said.parts(message, loc))


def _tells(blocks: Sequence[Any], text: str, calls: Sequence[said.ToolCall]) -> bool:
    """Whether native blocks say what the message says: a client may have changed it since, or broken them."""
    try:
        uses = [block["toolUse"] for block in blocks if "toolUse" in block]
        called = [(use["toolUseId"], use["name"], use["input"]) for use in uses if use.get("type") != "server_tool_use"]
        return "".join(spoken(blocks)) == text and called == [tuple(call) for call in calls]
    except (KeyError, TypeError, AttributeError):
        return False


def spoken(blocks: Sequence[JSON]) -> Iterator[str]:
    """The texts of an answer's blocks; with citations the text stands inside their block."""
    for block in blocks:
        if "text" in block:
            yield block["text"]
        for piece in shapes.mappings(shapes.mapping(block.get("citationsContent")).get("content")):
            if "text" in piece:
                yield piece["text"]
