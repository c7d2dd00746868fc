"""Where the configuration is."""

from __future__ import annotations

import os
from pathlib import Path


def config_path() -> Path:
    """The file to read: $GATEWAY_CONFIG, else MLflow's $MLFLOW_GATEWAY_CONFIG, else endpoints.yaml where we are."""
    named = os.environ.get("GATEWAY_CONFIG") or os.environ.get("MLFLOW_GATEWAY_CONFIG")
    return Path(named or "endpoints.yaml")
