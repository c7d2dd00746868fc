"""Acme's models for Weir, a module of another package: `acme = acme_weir:ACME` in its group `weir.providers`."""

from app.providers import Call, Provider, Secret, Settings, SettingsSchema, base_url, below, translators, with_headers


class AcmeSettings(SettingsSchema):
    acme_api_key = Secret(required=True)
    api_base = base_url(load_default="https://llm.acme.example/v1")


def url(settings: Settings, model: str, path: str) -> str:
    return below(settings["api_base"], model, path)


def authorize(settings: Settings, call: Call) -> Call:
    return with_headers(call, {"X-Acme-Key": settings["acme_api_key"]})


ACME = Provider("acme", AcmeSettings, translators("chat embeddings"), url, authorize)
