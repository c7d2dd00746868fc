"""A request's body: read within its limit, unpacked within its limit, parsed."""

from __future__ import annotations

import re
import sys
import zlib
from typing import Any

import orjson
from flask import request

from app.errors import BadRequest, InvalidPayload, Problem, TooLarge, UnsupportedMedia

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_JSON = re.compile(r"application/([\w.\-]+\+)?json", re.IGNORECASE)


def read(limit: int) -> bytes:
    """The body as its sender wrote it, unpacked. Raises TooLarge over `limit` bytes, UnsupportedMedia, BadRequest."""
    if not _JSON.fullmatch(request.mimetype):
        said = f", not {request.mimetype[:100]}" if request.mimetype else ""
        raise UnsupportedMedia(f"the Content-Type should be application/json{said}")
    request.max_content_length = limit
    data = request.get_data(cache=False)
    encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
    return data if encoding == "identity" else unpack(data, encoding, limit)


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
