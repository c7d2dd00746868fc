"""The floor: a Flask application with one view that does nothing."""

from __future__ import annotations

from flask import Flask

app = Flask("empty")


@app.route("/", methods=["GET", "POST"])
def hello() -> str:
    """The smallest answer there is."""
    return "hello"
