"""What a client asks: Flask's request, and what the gateway knows of it."""

from __future__ import annotations

import os
import re

from flask import Request, current_app, request

from app.api.weir import KEY, Weir
from app.config import Snapshot
from app.telemetry import Invocation

ID_HEADER = "X-Request-ID"

_SANE = re.compile(r"[A-Za-z0-9._:\-]{1,128}")


class Asked(Request):
    """One request. Who needs more than one thing of it takes it from `asked` and hands it on: to look it up costs."""

    invocation: Invocation | None = None
    """The record of what it invokes, until that is told."""
    _weir: Weir | None = None
    _snapshot: Snapshot | None = None
    _id = ""

    @property
    def weir(self) -> Weir:
        """What the application holds."""
        if self._weir is None:
            self._weir = current_app.extensions[KEY]
        return self._weir

    @property
    def snapshot(self) -> Snapshot:
        """The configuration as it was when this was first read."""
        if self._snapshot is None:
            self._snapshot = self.weir.live.snapshot
        return self._snapshot

    @property
    def id(self) -> str:
        """The client's own, if it is sane, else one of ours."""
        if not self._id:
            said = self.headers.get(ID_HEADER, "")
            self._id = said if _SANE.fullmatch(said) else os.urandom(16).hex()
        return self._id

    def begin(self, name: str | None) -> Invocation:
        """Start the record of the invocation of `name`."""
        self.invocation = Invocation(self.id, name)
        return self.invocation


def asked() -> Asked:
    """The current request."""
    now: Asked = request._get_current_object()  # type: ignore[attr-defined]
    return now
