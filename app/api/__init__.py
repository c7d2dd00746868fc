"""What clients see: a blueprint per family of URLs, one error handler."""

from __future__ import annotations

from flask import Flask

from app.api import docs, endpoints, errors, health, invocations, openai, request_id


def register(app: Flask) -> None:
    """Put every URL, the error handler and the request id on an application."""
    for blueprint in (invocations.blueprint, openai.blueprint, endpoints.blueprint, health.blueprint, docs.blueprint):
        app.register_blueprint(blueprint)
    errors.register(app)
    request_id.register(app)
