"""OpenAI's messages -> Gemini's contents: turns of `user` and `model`, made of parts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import orjson

from app.dialects import JSON
from app.dialects import conversation as said
from app.dialects.conversation import Loc, refuse
from app.dialects.fields import without_nones

NAME = "Gemini"

NO_SIGNATURE = "skip_thought_signature_validator"
"""For a call that Gemini did not sign, as it did not make it: its third generation wants one. Source: Google's docs."""

_IMAGES = ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")

_TYPES = {
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp",
    "heic": "image/heic", "heif": "image/heif",
    "pdf": "application/pdf", "json": "application/json",
    "txt": "text/plain", "md": "text/markdown", "csv": "text/csv", "html": "text/html",
    "wav": "audio/wav", "mp3": "audio/mp3", "flac": "audio/flac", "ogg": "audio/ogg",
    "aac": "audio/aac", "aiff": "audio/aiff",
    "mp4": "video/mp4", "mov": "video/mov", "webm": "video/webm", "mpeg": "video/mpeg", "mpg": "video/mpg",
}  # fmt: skip
"""The type that a name's ending tells."""

_LONG_NUMBER = re.compile(r"\d{16}")


class _Answered(NamedTuple):
    """A call that a result answers: its place among its turn's calls, its name, and its id where Gemini gave one."""

    place: int
    name: str
    id: str | None


def system_instruction(messages: Sequence[JSON]) -> JSON | None:
    """System and developer messages, hoisted."""
    parts = [
        {"text": said.text_of(part, loc)} if part["type"] == "text" else _only_text(part, loc)
        for index, message in enumerate(messages)
        if message["role"] in ("system", "developer")
        for loc, part in said.parts(message, ("messages", index))
    ]
    return {"parts": parts} if parts else None


def _only_text(part: JSON, loc: Loc) -> JSON:
    raise refuse(loc, f"only text can stand here, not '{part['type']}'")


def contents(messages: Sequence[JSON], generation: int) -> list[JSON]:
    """The turns. `generation` is the model's (2, 3): the third wants signatures, and takes media in a tool's result."""
    turns: list[JSON] = []
    results: list[tuple[int, list[JSON]]] = []
    called: dict[str, _Answered] = {}
    for index, message in enumerate(messages):
        loc: Loc = ("messages", index)
        if message["role"] == "tool":
            answered = called[message["tool_call_id"]]
            results.append((answered.place, _result(message, loc, answered, generation)))
            continue
        turns += _results_turn(results)
        results = []
        if message["role"] == "user":
            turns.append(
                {
                    "role": "user",
                    "parts": [_part(part, place) for place, part in said.parts(message, loc)] or [{"text": ""}],
                }
            )
        elif message["role"] == "assistant" and (parts := _model_parts(message, loc, generation)):
            turns.append({"role": "model", "parts": parts})
            called |= _calls(message, parts)
    return turns + _results_turn(results)


# --- what the model said


def _model_parts(message: JSON, loc: Loc, generation: int) -> list[JSON]:
    """Parts that Gemini said through this gateway come back as they were, signatures and all."""
    calls = list(said.tool_calls(message, loc))
    native = _within(message, "provider_fields", "gemini", "parts")
    parts = [_assistant_part(part, place) for place, part in said.parts(message, loc)]
    if isinstance(native, list) and _tells(native, "".join(part.get("text", "") for part in parts), calls):
        return native
    made = [
        _function_call(call, _signature(given))
        for call, given in zip(calls, message.get("tool_calls") or (), strict=True)
    ]
    if generation >= 3 and made:
        made[0].setdefault("thoughtSignature", NO_SIGNATURE)  # only the first of calls made at once is looked at
    return parts + made


def _assistant_part(part: JSON, loc: Loc) -> JSON:
    if part["type"] == "refusal" and isinstance(part.get("refusal"), str):
        return {"text": part["refusal"]}
    return _part(part, loc)


def _function_call(call: said.ToolCall, signature: str | None) -> JSON:
    function = without_nones({"name": call.name, "args": call.arguments, "id": call.id or None})
    return without_nones({"functionCall": function, "thoughtSignature": signature})


def _signature(call: JSON) -> str | None:
    """A signature where Google's own OpenAI-compatible service puts it; its clients bring it back there."""
    signature = _within(call, "extra_content", "google", "thought_signature")
    return signature if isinstance(signature, str) else None


def _within(holder: Any, *keys: str) -> Any:
    """What stands at the end of some keys; None where it does not."""
    for key in keys:
        holder = holder.get(key) if isinstance(holder, dict) else None
    return holder


def _tells(parts: Sequence[Any], text: str, calls: Sequence[said.ToolCall]) -> bool:
    """Whether native parts say what the message says: a client may have changed it since."""
    if not all(isinstance(part, dict) for part in parts):
        return False
    functions = _functions(parts)
    same_text = "".join(str(part.get("text") or "") for part in parts if not part.get("thought")) == text
    made = [(function.get("name"), function.get("args") or {}) for function in functions]
    return same_text and made == [(call.name, call.arguments) for call in calls]


def _calls(message: JSON, parts: Sequence[JSON]) -> dict[str, _Answered]:
    """OpenAI's id -> the call as Gemini knows it. Where Gemini gave no id, a result is found by its place and name."""
    given = message.get("tool_calls") or ()
    return {
        str(call.get("id")): _Answered(place, function["name"], function.get("id"))
        for place, (call, function) in enumerate(zip(given, _functions(parts), strict=True))
    }


def _functions(parts: Sequence[JSON]) -> list[JSON]:
    return [part["functionCall"] for part in parts if isinstance(part.get("functionCall"), dict)]


# --- what tools said


def _results_turn(results: Sequence[tuple[int, list[JSON]]]) -> list[JSON]:
    """All results of one turn as one content, in the order of their calls; other parts after them."""
    parts = [part for _, made in sorted(results, key=lambda result: result[0]) for part in made]
    return [{"role": "user", "parts": sorted(parts, key=lambda part: "functionResponse" not in part)}] if parts else []


def _result(message: JSON, loc: Loc, answered: _Answered, generation: int) -> list[JSON]:
    parts = [_part(part, place) for place, part in said.parts(message, loc)]
    text = "".join(part.get("text", "") for part in parts)
    media = [part for part in parts if "text" not in part]
    function: JSON = {
        "name": answered.name,
        "response": _as_object(text, bool(message.get("is_error"))),
        "id": answered.id,
    }
    if media and generation >= 3:
        function["parts"] = media
        media = []
    return [{"functionResponse": without_nones(function)}, *media]


def _as_object(text: str, is_error: bool) -> JSON:
    """A result as the object that Gemini wants: what is one already, unless it has numbers too long for a double."""
    if text.lstrip().startswith("{") and not is_error and not _LONG_NUMBER.search(text):
        try:
            return orjson.loads(text)  # type: ignore[no-any-return]
        except orjson.JSONDecodeError:
            pass
    return {"error" if is_error else "result": text}


# --- parts


def _part(part: JSON, loc: Loc) -> JSON:
    """A content part of OpenAI's as Gemini's."""
    kind = part["type"]
    if kind == "text":
        return {"text": said.text_of(part, loc)}
    if kind in ("image_url", "video_url"):
        given = part.get(kind)
        return _media(
            given.get("url") if isinstance(given, dict) else given, (*loc, kind, "url"), images=kind == "image_url"
        )
    if kind == "input_audio":
        return _audio(part.get(kind), (*loc, kind))
    if kind == "file":
        return _file(part.get(kind), (*loc, kind))
    raise refuse(loc, f"{NAME} takes no part of type '{kind}'")


def _media(url: Any, loc: Loc, *, images: bool = False) -> JSON:
    """Bytes in a data URL, or the address of a file: http(s), or gs:// on Vertex AI."""
    if not isinstance(url, str):
        raise refuse(loc, "Input should be a string")
    if url.startswith("gs://"):
        return _stored(url)
    media = said.media(url, loc)
    if media.url is not None:
        return _stored(media.url)
    kind = media.type
    if kind is None or (kind.startswith("image/") and kind not in _IMAGES):
        raise refuse(
            loc,
            f"{NAME} takes {', '.join(_IMAGES)}, not '{kind}'" if images else f"{NAME} takes no data of type '{kind}'",
        )
    return {"inlineData": {"mimeType": kind, "data": media.data}}


def _stored(uri: str) -> JSON:
    return {"fileData": without_nones({"fileUri": uri, "mimeType": _type_of(uri.partition("?")[0])})}


def _type_of(name: str) -> str | None:
    return _TYPES.get(name.rpartition(".")[2].lower())


def _audio(given: Any, loc: Loc) -> JSON:
    if not isinstance(given, dict) or not isinstance(given.get("data"), str):
        raise refuse((*loc, "data"), "Input should be a string")
    kind = _TYPES.get(str(given.get("format")))
    if kind is None or not kind.startswith("audio/"):
        raise refuse((*loc, "format"), f"{NAME} takes aac, aiff, flac, mp3, ogg, wav, not '{given.get('format')}'")
    return {"inlineData": {"mimeType": kind, "data": given["data"]}}


def _file(given: Any, loc: Loc) -> JSON:
    if not isinstance(given, dict):
        raise refuse(loc, "Field required")
    data, name = given.get("file_data"), given.get("filename")
    if isinstance(data, str):
        if not data.startswith(("data:", "http://", "https://", "gs://")):
            data = f"data:{_type_of(str(name)) or 'application/pdf'};base64,{data}"
        return _media(data, (*loc, "file_data"))
    if isinstance(given.get("file_id"), str):
        return _stored(given["file_id"])  # an address that Google's Files API gave
    raise refuse(loc, "should hold file_data or file_id")
