"""Configuration files for tests: written, read, and what is wrong with them."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from app.config import Endpoint, Snapshot, load
from app.errors import ConfigError

LOCAL = "{name: chat, endpoint_type: llm/v1/chat, model: {provider: local}}"
"""The smallest endpoint."""


def write(directory: Path, text: str | bytes) -> Path:
    """A configuration file; a text is dedented."""
    path = directory / "endpoints.yaml"
    path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).lstrip("\n").encode())
    return path


def read(directory: Path, text: str | bytes) -> Snapshot:
    """The snapshot of a file that is right."""
    return load(write(directory, text))


def problems(directory: Path, text: str | bytes) -> list[str]:
    """What is wrong with a file, each as `LINE: KEY.PATH: WORDS`: the file's name is taken off."""
    path = write(directory, text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert all(problem.startswith(f"{path}:") for problem in caught.value.problems)
    return [problem.removeprefix(f"{path}:") for problem in caught.value.problems]


def with_config(config: str, provider: str = "openai", **keys: str) -> str:
    """A file with one endpoint whose `model.config` is `config`, in YAML's flow style; it stands in line 4."""
    more = "".join(f"    {key}: {value}\n" for key, value in keys.items())
    return (
        "endpoints:\n  - name: chat\n    endpoint_type: llm/v1/chat\n"
        f"    model: {{provider: {provider}, name: gpt-4o-mini, config: {config}}}\n{more}"
    )


def endpoint(directory: Path, config: str, provider: str = "openai", **keys: str) -> Endpoint:
    """That endpoint."""
    return read(directory, with_config(config, provider, **keys)).endpoints["chat"]
