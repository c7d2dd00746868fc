"""Recorded HTTP exchanges with providers, and what the vendors' SDKs read in them; they lie beside the project."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.replies import Reply, Step, chunk

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
"""Where the recordings lie, if they do."""

KINDS = {"chat": "llm/v1/chat", "completions": "llm/v1/completions", "embeddings": "llm/v1/embeddings"}

_FRAMING = ("connection", "content-encoding", "content-length", "transfer-encoding")


@dataclass(frozen=True)
class Recording:
    """One exchange."""

    path: Path

    @property
    def name(self) -> str:
        """Provider and file, as in `anthropic/chat-200-...`."""
        return f"{self.path.parent.name}/{self.path.stem}"

    @cached_property
    def data(self) -> Any:
        """The file."""
        return json.loads(self.path.read_bytes())

    @property
    def provider(self) -> str:
        return str(self.data["provider"])

    @property
    def kind(self) -> str:
        return str(self.data["kind"])

    @property
    def streams(self) -> bool:
        return bool(self.data["stream"])

    @property
    def url(self) -> str:
        return str(self.data["request"]["url"])

    @property
    def request(self) -> Any:
        """The request's body in the provider's own words; empty where it was not kept."""
        return self.data["request"].get("json") or {}

    @property
    def status(self) -> int:
        return int(self.data["response"]["status"])

    @property
    def body(self) -> bytes:
        """The answer's body."""
        said = self.data["response"]
        return base64.b64decode(said["base64"]) if "base64" in said else str(said["text"]).encode()

    @cached_property
    def reading(self) -> Any:
        """What the vendor's SDK reads in the answer, or None."""
        path = DATA / "readings" / self.path.relative_to(DATA / "recordings")
        return json.loads(path.read_bytes()) if path.exists() else None

    def reply(self) -> Reply:
        """The answer as a scripted provider gives it: recorded headers, the body cut at random (but always the same)
        places: in the middle of characters, of line ends, of frames."""
        said = self.data["response"]["headers"]
        headers = {name: value for name, value in said.items() if name.lower() not in _FRAMING}
        steps: list[Step] = [chunk(piece) for piece in pieces(self.body, random.Random(self.name))]
        return Reply(self.status, {**headers, "Transfer-Encoding": "chunked"}, (*steps, chunk(b"")))


def pieces(body: bytes, dice: random.Random) -> Iterator[bytes]:
    """The body in pieces of 1 to some bytes; the more there is, the larger they are."""
    most, at = max(40, len(body) // 100), 0
    while at < len(body):
        size = dice.choice((1, 2, 3, dice.randint(1, most)))
        yield body[at : at + size]
        at += size


def recordings() -> list[Recording]:
    """All exchanges of the three kinds that the gateway serves; none where the data are absent."""
    found = (Recording(path) for path in sorted(DATA.glob("recordings/[!_]*/*.json")))
    return [recording for recording in found if recording.kind in KINDS]
