"""Numbers of worker processes that are gone: kept, in files that do not grow in number."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

_COUNTING = """
import os
from app.telemetry.metrics import FIRST_TOKEN, LOG_LINES_LOST
LOG_LINES_LOST.inc(2)
FIRST_TOKEN.labels("chat", "chat", "local", "m").observe(0.5)
print(os.getpid())
"""
_READING = """
import sys
from app.telemetry import metrics, workers
for pid in sys.argv[1:]:
    workers.inherit(int(pid))
print(metrics.exposition().decode())
"""


def run(code: str, directory: Path, *arguments: str) -> str:
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(directory)}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


def test_what_workers_that_are_gone_have_counted_stays_and_their_files_do_not(tmp_path: Path) -> None:
    gone = [run(_COUNTING, tmp_path).strip() for _ in range(3)]
    before = run(_READING, tmp_path)
    after = run(_READING, tmp_path, *gone)
    name = "gen_ai_client_operation_time_to_first_chunk_seconds_count"
    for said in (before, after):
        assert "weir_log_lines_lost_total 6.0" in said
        assert [line.split()[-1] for line in said.splitlines() if line.startswith(name)] == ["3.0"]
    assert not [file.name for file in tmp_path.iterdir() for pid in gone if pid in file.name]


def test_a_worker_is_inherited_once(tmp_path: Path) -> None:
    gone = run(_COUNTING, tmp_path).strip()
    assert "weir_log_lines_lost_total 2.0" in run(_READING, tmp_path, gone, gone)


def test_a_worker_that_died_as_it_was_born_has_counted_nothing(tmp_path: Path) -> None:
    (tmp_path / "counter_4000000.db").touch()
    assert "weir_log_lines_lost_total 0.0" in run(_READING, tmp_path, "4000000")
    assert not (tmp_path / "counter_4000000.db").exists()
