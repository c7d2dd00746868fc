"""Weir, a synchronous AI gateway: `app.application.create_app()` is where everything meets.

Nothing is imported here: the command that starts the gateway needs nothing of it.
"""
