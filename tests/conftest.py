"""Fixtures for every test."""

from __future__ import annotations

from tests.served import running, served
from tests.serving import gateway, told, upstream

__all__ = ["gateway", "running", "served", "told", "upstream"]
