"""`format` in JSON Schema: for each that the built-in model knows, an example and how to tell."""

from __future__ import annotations

import datetime
import ipaddress
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
HOSTNAME = re.compile(rf"(?=.{{1,253}}\Z){LABEL}(?:\.{LABEL})*\Z")
EMAIL = re.compile(r"[A-Za-z0-9._%+-]+@")
TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d+)?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)\Z", re.IGNORECASE)
DURATION = re.compile(r"P(?=[\dT])(\d+W|(\d+Y)?(\d+M)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?)\Z")


@dataclass(frozen=True, slots=True)
class Format:
    """Examples, the shortest first where their length can differ, and whether a text is of the format."""

    examples: tuple[str, ...]
    fits: Callable[[str], object]


def _email(text: str) -> bool:
    local, _, host = text.rpartition("@")
    return EMAIL.fullmatch(f"{local}@") is not None and HOSTNAME.match(host) is not None


def _date(text: str) -> bool:
    return len(text) == 10 and text.isascii() and datetime.date.fromisoformat(text) is not None


def _date_time(text: str) -> bool:
    return len(text) > 11 and text[10] in "Tt" and _date(text[:10]) and TIME.match(text[11:]) is not None


def _uri(text: str) -> bool:
    parts = urlsplit(text)
    return bool(parts.scheme) and text.isascii() and text.isprintable() and not re.search(r'[\s<>"{}|\\^`]', text)


def _uuid(text: str) -> bool:
    return str(uuid.UUID(text)) == text.lower()


FORMATS: dict[str, Format] = {
    "date-time": Format(("2024-01-31T12:30:00Z", "2024-02-01T00:00:00Z", "2024-01-31T12:30:00.000Z"), _date_time),
    "date": Format(("2024-01-31", "2024-02-01", "2024-02-29"), _date),
    "time": Format(("12:30:00Z", "00:00:00Z", "12:30:00.000Z"), TIME.match),
    "duration": Format(("P1D", "PT1H", "P1W", "P1Y2M3DT4H"), DURATION.match),
    "email": Format(("someone@example.com", "a@b.co", "someone.else@mail.example.com"), _email),
    "hostname": Format(("example.com", "a.co", "gateway.weir.example.com"), HOSTNAME.match),
    "ipv4": Format(("192.0.2.1", "192.0.2.2", "10.0.0.1"), ipaddress.IPv4Address),
    "ipv6": Format(("2001:db8::1", "2001:db8::2", "::1"), ipaddress.IPv6Address),
    "uri": Format(("https://example.com/", "https://example.com/a", "urn:a:b", "a:b"), _uri),
    "uuid": Format(
        ("3f2b8c1e-5d47-4c1a-9a43-0f6c2b7e9d10", "3f2b8c1e-5d47-4c1a-9a43-0f6c2b7e9d11"),
        _uuid,
    ),
}
ALIASES = {"idn-email": "email", "idn-hostname": "hostname", "iri": "uri"}


def known(name: object) -> Format | None:
    """The format of that name; None for one that says nothing about a text, as JSON Schema has it."""
    return FORMATS.get(ALIASES.get(name, name)) if isinstance(name, str) else None


def fits(name: object, text: str) -> bool:
    """Whether `text` is of the format `name`; of an unknown one every text is."""
    found = known(name)
    try:
        return found is None or bool(found.fits(text))
    except ValueError:
        return False
