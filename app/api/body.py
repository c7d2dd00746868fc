"""A request's body: read within its limit, unpacked within its limit, parsed."""

from __future__ import annotations

import re
import sys
import zlib
from typing import Any, NamedTuple

import orjson
from flask import Request

from app.errors import BadRequest, InvalidPayload, Problem, TooLarge, UnsupportedMedia

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_JSON = re.compile(r"application/([\w.\-]+\+)?json", re.IGNORECASE)


class Said(NamedTuple):
    """What a client said: as it wrote it, and loaded."""

    raw: bytes
    payload: dict[str, Any]


def said(asked: Request, limit: int) -> Said:
    """The JSON object that is a request's body; raises what `read` and `parse` do."""
    raw = read(asked, limit)
    return Said(raw, parse(raw))


def read(asked: Request, limit: int) -> bytes:
    """The body as its sender wrote it, unpacked.

    Raises TooLarge over `limit` bytes, BadRequest for one that is cut short, UnsupportedMedia for an unknown coding,
    and, as MLflow does, InvalidPayload for a content type that is not JSON's.
    """
    if not _JSON.fullmatch(asked.mimetype):
        said = f", not {asked.mimetype[:100]}" if asked.mimetype else ""
        raise InvalidPayload(
            [Problem((), f"the Content-Type should be application/json{said}", "model_attributes_type")]
        )
    data = _received(asked, limit)
    encoding = asked.headers.get("Content-Encoding", "identity").strip().lower()
    return data if encoding == "identity" else unpack(data, encoding, limit)


def _received(asked: Request, limit: int) -> bytes:
    """The body as it came, from the server itself: Werkzeug hands on what is too long or too short without a word."""
    length = asked.content_length
    if length is not None and length > limit:
        raise TooLarge(f"the body is larger than {limit} bytes")
    if length is None and not asked.environ.get("wsgi.input_terminated"):
        return b""
    try:
        data: bytes = asked.environ["wsgi.input"].read(limit + 1 if length is None else length)
    except Exception as error:  # whatever the server raises for broken chunks, or a connection that broke
        raise BadRequest("the body is not framed as HTTP says", code="invalid_body") from error
    if len(data) > limit:
        raise TooLarge(f"the body is larger than {limit} bytes")
    if length is not None and len(data) < length:
        raise BadRequest("the body is shorter than its Content-Length", code="invalid_body")
    return data


def unpack(data: bytes, encoding: str, limit: int) -> bytes:
    """`data` without its content encoding (gzip or zstd). Raises TooLarge, BadRequest, UnsupportedMedia."""
    if encoding in ("gzip", "x-gzip"):
        unpacker: Any = zlib.decompressobj(zlib.MAX_WBITS | 16)
    elif encoding == "zstd":
        unpacker = zstd.ZstdDecompressor()
    else:
        raise UnsupportedMedia(f"the Content-Encoding should be gzip or zstd, not {encoding[:100]}")
    try:
        plain: bytes = unpacker.decompress(data, limit + 1)
    except (zlib.error, zstd.ZstdError) as error:
        raise BadRequest(f"the body is not valid {encoding}: {error}", code="invalid_encoding") from error
    if len(plain) > limit:
        raise TooLarge(f"the body unpacks to more than {limit} bytes")
    if not unpacker.eof:
        raise BadRequest(f"the body is not valid {encoding}: it ends too early", code="invalid_encoding")
    return plain


def parse(data: bytes) -> dict[str, Any]:
    """A JSON object. Raises InvalidPayload."""
    try:
        payload = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise InvalidPayload([Problem((), f"JSON decode error: {error}", "json_invalid")]) from error
    if not isinstance(payload, dict):
        raise InvalidPayload([Problem((), "Input should be a JSON object", "model_attributes_type")])
    return payload
