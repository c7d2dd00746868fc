"""The fixtures on disk as values: what a dialect's translators are shown, and what they should make of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.dialects import Translator, bedrock, gemini, mlflow_serving
from app.dialects.refusal import Refusal
from app.providers import PROVIDERS
from tests.dialects.event_stream import frames

FIXTURES = Path(__file__).parents[1] / "fixtures"

ALWAYS = {"request.json", "upstream_request.json"}
WHOLE = {"upstream_response.json", "response.json"}
STREAM = {"upstream_stream.txt", "chunks.jsonl"}
MAY_BE = {"adjusted.json", "provider.json"}

SPEAKERS = {
    "anthropic": "anthropic",
    "bedrock": "bedrock",
    "cohere": "cohere",
    "gemini": "gemini",
    "mlflow_serving": "mlflow-model-serving",
    "openai_like": "deepinfra",
    "tgi": "huggingface-text-generation-inference",
}
"""A dialect -> the provider that speaks it, where a case's provider.json names no other."""

TRANSLATORS = {
    "bedrock/embeddings.cohere": bedrock.COHERE_EMBED,
    "bedrock/embeddings.cohere_v4": bedrock.COHERE_EMBED,
    "gemini/embeddings.vertex": gemini.VERTEX_EMBEDDINGS,
    "gemini/embeddings.predict": gemini.VERTEX_PREDICT,
    "mlflow_serving/chat.one_text": mlflow_serving.CHAT_OF_ONE_TEXT,
}
"""Cases whose translator is another than the provider's first for their endpoint type."""


@dataclass(frozen=True)
class Case:
    """One directory: `<dialect>/<endpoint type>[_stream][.<what it shows>]`."""

    path: Path

    @property
    def dialect(self) -> str:
        return self.path.parent.name

    @property
    def name(self) -> str:
        return f"{self.dialect}/{self.path.name}"

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.path.iterdir()}

    @property
    def endpoint_type(self) -> str:
        return self.path.name.split(".")[0].removesuffix("_stream")

    @property
    def streams(self) -> bool:
        return self.path.name.split(".")[0].endswith("_stream")

    @property
    def _provider(self) -> Any:
        return self.json("provider.json") if "provider.json" in self.files else {}

    @property
    def translator(self) -> Translator:
        speaker = self._provider.get("provider", SPEAKERS[self.dialect])
        return TRANSLATORS.get(self.name) or PROVIDERS[speaker].translators[f"llm/v1/{self.endpoint_type}"]

    @property
    def model(self) -> str:
        """The endpoint's; "" for none."""
        return self._provider.get("model") or self.json("request.json").get("model") or ""

    @property
    def bytes(self) -> bytes:
        """The stream as it is on the wire: Bedrock's is binary, all others stand in the file as they are."""
        data = (self.path / "upstream_stream.txt").read_bytes()
        return frames(data.decode()) if self.dialect == "bedrock" else data

    def json(self, name: str) -> Any:
        return json.loads((self.path / name).read_text(encoding="utf-8"))

    def lines(self, name: str) -> list[Any]:
        return [json.loads(line) for line in (self.path / name).read_text(encoding="utf-8").splitlines()]


def cases() -> Iterator[Case]:
    """Every case, in order."""
    for path in sorted(FIXTURES.glob("*/*")):
        if path.name != "errors":
            yield Case(path)


@dataclass(frozen=True)
class Failure:
    """One file of a dialect's `errors/`: an answer that is an error, or is none at all."""

    path: Path

    @property
    def name(self) -> str:
        return f"{self.path.parents[1].name}/{self.path.name}"

    @property
    def said(self) -> Any:
        return json.loads(self.path.read_text(encoding="utf-8"))

    @property
    def refusal(self) -> Refusal:
        """What the provider that speaks the dialect reads in it."""
        speaker = PROVIDERS[SPEAKERS[self.path.parents[1].name]]
        return speaker.refusal(self.said.get("headers", {}), json.dumps(self.said["body"]).encode())

    @property
    def translator(self) -> Translator:
        speaker = PROVIDERS[SPEAKERS[self.path.parents[1].name]]
        return speaker.translators[f"llm/v1/{self.said.get('endpoint_type', 'chat')}"]


def failures() -> list[Failure]:
    """Every file of errors."""
    return [Failure(path) for path in sorted(FIXTURES.glob("*/errors/*"))]
