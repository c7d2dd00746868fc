"""Runs TensorZero's gateway out of its Python package: `python tensorzero_gateway.py CONFIG`. It prints its URL."""

import signal
import sys

from tensorzero.tensorzero import _start_http_gateway

none = {"clickhouse_url": None, "postgres_url": None, "valkey_url": None}
gateway = _start_http_gateway(config_file=sys.argv[1], async_setup=False, **none)
print("listening at:", gateway.base_url, flush=True)
signal.pause()
