"""gunicorn's settings as they are once a worker runs: settled."""

from __future__ import annotations

from typing import Any


class SettledConfig:
    """A worker's part: gunicorn finds a setting by a failed look-up and a method call, some twenty times a request."""

    cfg: Any

    def init_process(self) -> None:
        """Have the settings stand where they are looked up first. A reload makes new workers."""
        vars(self.cfg).update({name: setting.get() for name, setting in self.cfg.settings.items()})
        super().init_process()  # type: ignore[misc]
