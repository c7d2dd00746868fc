"""AWS's event stream, written: JSON in, frames out."""

from __future__ import annotations

import json
import struct
from typing import Any
from zlib import crc32


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame; every header is a string (type 7)."""
    packed = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    prelude += struct.pack(">I", crc32(prelude))
    return (whole := prelude + packed + payload) + struct.pack(">I", crc32(whole))


def event(name: str, said: Any) -> bytes:
    """A frame that is an event."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json.dumps(said).encode())


def frames(text: str) -> bytes:
    """A fixture's stream, one `{"messageStop": {...}}` a line, as Bedrock sends it."""
    return b"".join(event(name, said) for line in text.splitlines() for name, said in json.loads(line).items())
