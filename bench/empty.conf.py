"""The gateway's own gunicorn settings, without the two hooks that speak to the gateway's application."""

from pathlib import Path

exec(Path("gunicorn.conf.py").read_text())
for hook in ("when_ready", "post_worker_init"):
    globals().pop(hook, None)
