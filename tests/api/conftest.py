"""Fixtures for tests of the surface."""

from __future__ import annotations

from tests.api.checking import client

__all__ = ["client"]
