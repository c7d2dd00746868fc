"""How gunicorn serves Weir. Each setting stands beside its reason; `weir start` sets some by environment variables."""

import atexit
import gc
import logging
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

# The gateway's own code before the current directory's: an app.py that lies there is not ours.
sys.path.insert(0, os.environ.get("WEIR_HOME", os.getcwd()))

_WORKERS = {"gevent": "app.workers.greenlets.Worker", "gthread": "app.workers.threads.Worker"}
_named = os.environ.get("WEIR_WORKER_CLASS", "gevent")
worker_class = _WORKERS.get(_named, _named)

if _named == "gevent":
    # Before anything imports ssl or socket: the application is loaded in this process, and workers are forked from it.
    from gevent import monkey

    monkey.patch_all()

# One application in memory, shared by the workers: half the memory, and a wrong configuration ends the start.
preload_app = True

bind = os.environ.get("WEIR_BIND", "127.0.0.1:5000")
workers = int(os.environ.get("WEIR_WORKERS", "2"))

# gevent: a stream costs a greenlet, so thousands are fine; above this, connections wait in the backlog.
worker_connections = 4000
# gthread: a stream holds a thread for as long as it lasts.
threads = int(os.environ.get("WEIR_THREADS", "64"))

# Seconds a silent connection is kept: longer than nginx keeps its own (60), so that nginx is the one to close it.
keepalive = 75

# A worker that does not answer its own heartbeat for this long is replaced. Long streams do not stop the heartbeat.
timeout = 60

# On SIGTERM what is in flight may finish: as long as the longest total timeout of a call, and a little more.
graceful_timeout = 630

# The heartbeat's files belong into memory: on a disk, a slow fsync looks like a dead worker.
_memory = "/dev/shm"  # noqa: S108
worker_tmp_dir = _memory if os.access(_memory, os.W_OK) else None

# The gateway writes its own access log, one JSON line per invocation.
accesslog = None
errorlog = "-"
loglevel = os.environ.get("WEIR_LOG_LEVEL", "info")
# The gateway's own words (a reload, a refused key) in the form of gunicorn's, to the same place.
logging.basicConfig(
    level=loglevel.upper(),
    format="[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s",
    datefmt="%Y-%m-%d %H:%M:%S %z",
)

# Nothing but the gateway's own address is to be listened on.
control_socket_disable = True

# Headers larger than this are no API client's.
limit_request_line = 8190
limit_request_fields = 100
limit_request_field_size = 16380

# What the workers of this machine share: counts of limits, numbers of metrics. In memory where there is room.
_pid = str(os.getpid())
if os.environ.get("WEIR_MASTER") != _pid:  # else a SIGHUP has this file read again: what is shared stays as it is
    os.environ["WEIR_MASTER"] = _pid
    if "WEIR_STATE_DIR" not in os.environ:
        os.environ["WEIR_STATE_MADE"] = tempfile.mkdtemp(prefix="weir-", dir=worker_tmp_dir)
        os.environ["WEIR_STATE_DIR"] = os.environ["WEIR_STATE_MADE"]
    _metrics = Path(os.environ["WEIR_STATE_DIR"], "metrics")
    shutil.rmtree(_metrics, ignore_errors=True)
    _metrics.mkdir(parents=True)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(_metrics)


@atexit.register  # gunicorn's own hook is not called when the start fails
def _leave_nothing_behind():
    if os.environ.get("WEIR_MASTER") == str(os.getpid()) and "WEIR_STATE_MADE" in os.environ:
        shutil.rmtree(os.environ["WEIR_STATE_MADE"], ignore_errors=True)


def _without_what_was_said(record):
    """gunicorn repeats a bad request's words in its log: they may be a prompt or a key."""
    if str(record.msg).startswith("Invalid request from "):
        record.msg = record.msg.partition(": ")[0]
    return True


logging.getLogger("gunicorn.error").addFilter(_without_what_was_said)


def when_ready(server):
    """Say where the gateway is and what it serves."""
    from app.banner import banner

    sys.stderr.write(
        banner(server.app.wsgi().extensions["weir"].live, [str(listener) for listener in server.LISTENERS])
    )
    sys.stderr.flush()


def pre_fork(server, worker):
    """What is here before a worker is born stays: a collector that does not look at it leaves its memory shared."""
    gc.freeze()


def post_fork(server, worker):
    """A stop just as a worker is born ends it: the handlers that it has from its parent would lose the signal."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def post_worker_init(worker):
    """The configuration is watched in each worker: a thread does not cross a fork."""
    from app.application import start

    start(worker.app.wsgi())


def child_exit(server, worker):
    """What a worker that is gone has counted stays; that it is in flight does not."""
    from app.telemetry import workers

    workers.inherit(worker.pid)
