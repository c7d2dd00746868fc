"""A region's Bedrock and its STS on loopback, as far as signatures and roles need them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from tests.providers.loopback import LoopbackServer


class Server(LoopbackServer):
    """Answers as a region's Bedrock and as its STS do, on loopback, and keeps what it was asked."""

    content_type = None

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str], bytes]] = []
        self.lifetime = timedelta(hours=1)
        super().__init__()

    def reply(self, path: str, headers: Mapping[str, str], body: bytes) -> tuple[int, bytes]:
        self.asked.append((path, dict(headers), body))
        return (
            200,
            self.role() if b"AssumeRole" in body else b'{"output":{"message":{"role":"assistant","content":[]}}}',
        )

    def role(self) -> bytes:
        until = (datetime.now(timezone.utc) + self.lifetime).strftime("%Y-%m-%dT%H:%M:%SZ")
        number = sum(b"AssumeRole" in body for _, _, body in self.asked)
        return (
            '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>'
            f"<AccessKeyId>ROLE{number}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            f"<SessionToken>token-{number}</SessionToken><Expiration>{until}</Expiration>"
            "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
        ).encode()
