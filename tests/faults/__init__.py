"""Providers that misbehave, on loopback, and what the caller and the providers see of it."""
