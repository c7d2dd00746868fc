"""OpenAI's messages -> Anthropic's turns and their blocks."""

from __future__ import annotations

import hashlib
import re
from base64 import b64decode
from collections.abc import Sequence
from typing import Any

from app.dialects import JSON
from app.dialects import conversation as said
from app.dialects.conversation import Loc, refuse
from app.dialects.fields import without_nones

NAME = "Anthropic"

_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")
_OF_A_CALL = ("type", "id", "name", "input")
_TOOL_ID = re.compile(r"[a-zA-Z0-9_-]+")


def system(messages: Sequence[JSON]) -> Any:
    """System and developer messages, hoisted: one plain text as a string, else text blocks; None without any."""
    blocks = [
        block
        for index, message in enumerate(messages)
        if message["role"] in ("system", "developer")
        for block in _marked([_text(part, loc) for loc, part in said.parts(message, ("messages", index))], message)
    ]
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return blocks[0]["text"]
    return blocks or None


def turns(messages: Sequence[JSON]) -> list[JSON]:
    """The other messages. Those of one role in a row are one to the API, but for tools' results: see _together."""
    made = [turn for index, message in enumerate(messages) for turn in _turn(message, ("messages", index))]
    return _together(made)


def _together(made: Sequence[JSON]) -> list[JSON]:
    """Results of tools that were called at once stand in one turn, with what the user says after them."""
    joined: list[JSON] = []
    for turn in made:
        if joined and turn["role"] == joined[-1]["role"] == "user" and _has_result(joined[-1]):
            joined[-1] = {"role": "user", "content": [*joined[-1]["content"], *_as_blocks(turn["content"])]}
        else:
            joined.append(turn)
    return joined


def _has_result(turn: JSON) -> bool:
    content = turn["content"]
    return isinstance(content, list) and any(block.get("type") == "tool_result" for block in content)


def _as_blocks(content: Any) -> list[JSON]:
    if not isinstance(content, str):
        return list(content)
    return [{"type": "text", "text": content}] if content else []


def _turn(message: JSON, loc: Loc) -> list[JSON]:
    role = message["role"]
    if role == "tool":
        return [{"role": "user", "content": [_tool_result(message, loc)]}]
    if role == "user":
        return [{"role": "user", "content": _user_content(message, loc)}]
    if role == "assistant":
        content = _marked(_assistant_blocks(message, loc), message)
        return [{"role": "assistant", "content": content}] if content else []
    return []


def _user_content(message: JSON, loc: Loc) -> Any:
    if isinstance(message.get("content"), str) and not message.get("cache_control"):
        return message["content"]
    return _marked(_blocks(message, loc), message)


def _blocks(message: JSON, loc: Loc) -> list[JSON]:
    return [_block(part, place) for place, part in said.parts(message, loc)]


def _marked(blocks: list[JSON], message: JSON) -> list[JSON]:
    """A message's own `cache_control` is one of its last block."""
    return [*blocks[:-1], {**_cached(blocks[-1], message), **blocks[-1]}] if blocks else []


def _tool_result(message: JSON, loc: Loc) -> JSON:
    block = {
        "type": "tool_result",
        "tool_use_id": _tool_id(message["tool_call_id"]),
        "content": message["content"] if isinstance(message.get("content"), str) else _blocks(message, loc),
        "is_error": message.get("is_error"),
    }
    return _cached(without_nones(block), message)


# --- blocks


def _block(part: JSON, loc: Loc) -> JSON:
    """A content part as a block. A part in Anthropic's own form (document, search_result, ...) goes as it is."""
    kind = part["type"]
    if kind == "text":
        return _text(part, loc)
    if kind == "image_url":
        return _cached({"type": "image", "source": _source(said.image(part, loc), loc, _IMAGES)}, part)
    if kind == "file":
        return _cached(_document(part, loc), part)
    if kind in ("input_audio", "refusal", "video_url"):
        raise refuse(loc, f"{NAME} takes no part of type '{kind}'")
    return part


def _text(part: JSON, loc: Loc) -> JSON:
    if part["type"] != "text":
        raise refuse(loc, f"only text can stand here, not '{part['type']}'")
    block = {"type": "text", "text": said.text_of(part, loc), "citations": part.get("citations")}
    return _cached(without_nones(block), part)


def _cached(block: JSON, part: JSON) -> JSON:
    return {**block, "cache_control": part["cache_control"]} if part.get("cache_control") else block


def _source(media: said.Media, loc: Loc, known: Sequence[str]) -> JSON:
    if media.url is not None:
        return {"type": "url", "url": media.url}
    if media.type not in known:
        raise refuse(loc, f"{NAME} takes {', '.join(known)}, not '{media.type}'")
    if not media.data:
        raise refuse(loc, "holds no data")
    return {"type": "base64", "media_type": media.type, "data": media.data}


def _document(part: JSON, loc: Loc) -> JSON:
    """A file: by its id, as data, as an address; a PDF where nothing says what it is."""
    file = part.get("file")
    if not isinstance(file, dict):
        raise refuse((*loc, "file"), "Field required")
    if file.get("file_id"):
        source: JSON = {"type": "file", "file_id": file["file_id"]}
    elif isinstance(data := file.get("file_data"), str):
        url = data if data.startswith(("data:", "http")) else f"data:application/pdf;base64,{data}"
        source = _document_source(said.media(url, (*loc, "file", "file_data")), loc)
    else:
        raise refuse((*loc, "file"), "should hold file_data or file_id")
    return without_nones({"type": "document", "source": source, "title": file.get("filename")})


def _document_source(media: said.Media, loc: Loc) -> JSON:
    """Plain text goes as the text that it is."""
    if media.type != "text/plain":
        return _source(media, loc, ("application/pdf", "text/plain"))
    try:
        text = b64decode(media.data or "", validate=True).decode()
    except ValueError as error:
        raise refuse((*loc, "file", "file_data"), "should be UTF-8 in base64") from error
    return {"type": "text", "media_type": media.type, "data": text}


# --- what the assistant said


def _assistant_blocks(message: JSON, loc: Loc) -> list[JSON]:
    """Blocks that it said through this gateway come back whole, signatures and all, but for empty texts."""
    blocks = [_spoken(part, place) for place, part in said.parts(message, loc)]
    uses = [_tool_use(call, (*loc, "tool_calls", index)) for index, call in enumerate(said.tool_calls(message, loc))]
    native: Any = said.kept(message, "anthropic").get("content")
    text = "".join(block["text"] for block in blocks if block["type"] == "text")
    if _tells(native, text, uses):
        return [block for block in native if block.get("text") != ""]
    return blocks + uses


def _spoken(part: JSON, loc: Loc) -> JSON:
    """A part of the assistant's message; a refusal is something it said."""
    if part["type"] == "refusal" and isinstance(part.get("refusal"), str):
        return {"type": "text", "text": part["refusal"]}
    return _block(part, loc)


def _tool_use(call: said.ToolCall, loc: Loc) -> JSON:
    if not call.id:
        raise refuse((*loc, "id"), "Field required")
    return {"type": "tool_use", "id": _tool_id(call.id), "name": call.name, "input": call.arguments}


def _tool_id(name: str) -> str:
    """A call's id in the letters that Anthropic takes; another provider's is hashed, to the same each time."""
    return name if _TOOL_ID.fullmatch(name) else f"call_{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def _tells(blocks: Any, text: str, uses: Sequence[JSON]) -> bool:
    """Whether they are native blocks that say what the message says: a client may have changed it since."""
    if not isinstance(blocks, list) or not blocks or not all(isinstance(block, dict) for block in blocks):
        return False
    same_text = "".join(str(block.get("text") or "") for block in blocks if block.get("type") == "text") == text
    said_then = [{key: block.get(key) for key in _OF_A_CALL} for block in blocks if block.get("type") == "tool_use"]
    return same_text and said_then == list(uses)
