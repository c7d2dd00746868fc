"""The command, as its users type it: what it prints, how it ends, what it starts."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.banner import banner
from app.cli import main
from app.config import Live
from app.version import __version__
from tests.config.writing import LOCAL, write
from tests.running import PATIENCE_SECONDS, ROOT, free_port

WEIR = [sys.executable, "-c", "import sys; from app.cli import main; sys.exit(main())"]
GUNICORN = [sys.executable, "-m", "gunicorn", "wsgi:app"]

ROUTE = "{name: split, task_type: llm/v1/chat, destinations: [{name: chat, traffic_percentage: 100}]}"
GOOD = f"endpoints:\n- {LOCAL}\n- {LOCAL.replace('chat,', 'talk,', 1)}\nroutes: [{ROUTE}]\n"
BROKEN = "endpoints:\n- {name: a b, endpoint_type: llm/v1/chat, model: {provider: lokal}}\nport: 3\n"


def environment(**more: str) -> dict[str, str]:
    """This process's, without what would tell the gateway where its things are."""
    ours = ("GATEWAY_CONFIG", "MLFLOW_GATEWAY_CONFIG", "PROMETHEUS_MULTIPROC_DIR")
    kept = {name: value for name, value in os.environ.items() if name not in ours and not name.startswith("WEIR_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def run(*arguments: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        cwd=cwd,
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


@contextmanager
def started(arguments: list[str], cwd: Path, address: str, **more: str) -> Iterator[Path]:
    """A gateway that a command has started, once it listens; what it wrote to standard error is in the file."""
    log = cwd / "stderr"
    with log.open("wb") as err:
        process = subprocess.Popen(arguments, cwd=cwd, env=environment(**more), stdout=subprocess.DEVNULL, stderr=err)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and process.poll() is None and not ask(address, "/health"):
            time.sleep(0.05)
        yield log
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def ask(address: str, path: str) -> bytes:
    """A GET over plain sockets: the whole answer, or nothing where nobody listens."""
    kind = socket.AF_UNIX if address.startswith("/") else socket.AF_INET
    with socket.socket(kind) as sock:
        sock.settimeout(PATIENCE_SECONDS)
        try:
            sock.connect(address if kind == socket.AF_UNIX else ("127.0.0.1", int(address)))
        except OSError:
            return b""
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: weir\r\nConnection: close\r\n\r\n".encode())
        return b"".join(iter(lambda: sock.recv(65536), b""))


def test_help_names_the_commands_and_their_options(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, words in (
        (["--help"], ["start", "check", "serve the endpoints"]),
        (
            ["start", "--help"],
            ["--config-path FILE", "--host", "--port", "--bind", "--workers", "{gevent,gthread}", "127.0.0.1"],
        ),
        (["check", "--help"], ["FILE", "endpoints.yaml"]),
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 0
        printed = capsys.readouterr().out
        assert all(word in printed for word in words), printed


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"weir {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [[], ["stop"], ["start", "--workers", "0"], ["start", "--workers", "two"], ["start", "--port", "65536"],
     ["start", "--port", "-1"], ["start", "--worker-class", "sync"], ["check", "a", "b"]],
)  # fmt: skip
def test_a_wrong_argument_ends_with_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert "usage: weir" in capsys.readouterr().err


def test_check_says_that_a_file_is_right(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, GOOD)
    assert main(["check", str(path)]) == 0
    assert capsys.readouterr() == (f"{path}: 2 endpoints, 1 routes, no problems\n", "")


def test_check_tells_every_problem_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, BROKEN)
    assert main(["check", str(path)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.partition(": ")[0] for line in err.splitlines()] == [f"{path}:2", f"{path}:2", f"{path}:3"]


def test_check_without_a_file_reads_the_one_that_a_start_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GATEWAY_CONFIG", raising=False)
    monkeypatch.delenv("MLFLOW_GATEWAY_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 2
    assert capsys.readouterr().err == "endpoints.yaml: there is no such file\n"
    write(tmp_path, GOOD)
    assert main(["check"]) == 0
    monkeypatch.setenv("MLFLOW_GATEWAY_CONFIG", str(write(tmp_path, BROKEN)))
    assert main(["check"]) == 2


@pytest.mark.parametrize(
    "command",
    [[*WEIR, "check", "endpoints.yaml"], [*WEIR, "start", "--config-path", "endpoints.yaml", "--port", "0"],
     [*GUNICORN, "--config", str(ROOT / "gunicorn.conf.py"), "--bind", "127.0.0.1:0"],
     [*GUNICORN, "--bind", "127.0.0.1:0", "--preload"]],
    ids=["check", "start", "gunicorn", "gunicorn with its own settings"],
)  # fmt: skip
def test_a_broken_configuration_ends_with_its_problems_and_no_traceback(command: list[str], tmp_path: Path) -> None:
    write(tmp_path, BROKEN)
    ended = run(*command, cwd=tmp_path, GATEWAY_CONFIG="endpoints.yaml")
    assert ended.returncode == 2
    problems = [line for line in ended.stderr.splitlines() if line.startswith("endpoints.yaml:")]
    assert len(problems) == 3
    assert "Traceback" not in ended.stderr
    assert "endpoints.yaml:" not in ended.stdout


def test_start_serves_what_it_is_told_where_it_is_told(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    port = str(free_port())
    arguments = ["start", "--config-path", "endpoints.yaml", "--host", "127.0.0.1", "--port", port, "--workers", "1"]
    with started([*WEIR, *arguments, "--worker-class", "gthread"], tmp_path, port) as log:
        assert b'"talk"' in ask(port, "/api/2.0/endpoints/")
    told = log.read_text()
    assert f"serves endpoints.yaml at http://127.0.0.1:{port}" in told
    assert re.search(r"Using worker: app.workers.threads.Worker", told)
    assert told.count("Booting worker with pid") == 1


def test_start_on_a_unix_socket_tells_how_to_call_it(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    address = str(tmp_path / "weir.sock")
    arguments = ["start", "--bind", f"unix:{address}", "--workers", "1"]
    with started([*WEIR, *arguments], tmp_path, address, GATEWAY_CONFIG="endpoints.yaml") as log:
        assert b"200 OK" in ask(address, "/health")
    assert f"curl --unix-socket {address} http://localhost/gateway/chat/invocations" in log.read_text()


def test_start_without_a_configuration_serves_the_shipped_one_and_hears_the_environment(tmp_path: Path) -> None:
    port = str(free_port())
    variables = {"WEIR_BIND": f"127.0.0.1:{port}", "WEIR_WORKERS": "1", "WEIR_WORKER_CLASS": "gthread"}
    with started([*WEIR, "start"], tmp_path, port, **variables) as log:
        assert b'"weir-local"' in ask(port, "/api/2.0/endpoints/embeddings")
    assert "Using worker: app.workers.threads.Worker" in log.read_text()


def test_code_that_lies_in_the_current_directory_is_not_run(tmp_path: Path) -> None:
    for name in ("app.py", "wsgi.py"):
        (tmp_path / name).write_text("raise SystemExit('not the gateway')")
    port = str(free_port())
    installed = str(Path(sys.executable).with_name("weir"))
    with started([installed, "start", "--port", port, "--workers", "1"], tmp_path, port):
        assert b'"chat"' in ask(port, "/api/2.0/endpoints/")


def test_check_refuses_a_store_of_limits_that_no_start_would_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, GOOD + "limits_storage: memory://user:hidden@x\n")
    assert main(["check", str(path)]) == 2
    told = capsys.readouterr().err
    assert "limits_storage: 'memory' is no store that workers share" in told
    assert "hidden" not in told


def test_mlflows_variable_is_heard_and_a_missing_file_is_not_replaced(tmp_path: Path) -> None:
    port = str(free_port())
    mlflow = tmp_path / "mlflow.yaml"
    mlflow.write_text(GOOD)
    with started([*WEIR, "start", "--port", port, "--workers", "1"], tmp_path, port, MLFLOW_GATEWAY_CONFIG=str(mlflow)):
        assert b'"talk"' in ask(port, "/api/2.0/endpoints/")
    ended = run(*WEIR, "start", "--port", "0", cwd=tmp_path, MLFLOW_GATEWAY_CONFIG="missing.yaml")
    assert (ended.returncode, "missing.yaml: there is no such file" in ended.stderr) == (2, True)


def test_the_banner_names_what_is_served_and_shows_a_call_to_paste(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    told = banner(Live(path), ["http://127.0.0.1:5000", "unix:/run/weir.sock"])
    assert f"Weir {__version__} serves {path} at http://127.0.0.1:5000, unix:/run/weir.sock" in told
    assert re.search(r"^  chat +llm/v1/chat +local$", told, re.MULTILINE)
    assert re.search(r"^  split +llm/v1/chat +route over chat$", told, re.MULTILINE)
    assert (
        "curl http://127.0.0.1:5000/gateway/chat/invocations -H 'Content-Type: application/json' \\\n    -d '{" in told
    )
    assert "Documentation: http://127.0.0.1:5000/docs" in told


def test_the_banner_of_an_empty_configuration_says_so(tmp_path: Path) -> None:
    assert "There are no endpoints yet." in banner(Live(write(tmp_path, "endpoints: []\n")), ["http://h:1"])
