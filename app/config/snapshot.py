"""The configuration as values: what a request reads, once, and nothing can change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from app.call import Timeouts
from app.config.policy import Policy
from app.dialects import Translator
from app.providers import Provider, Settings


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `calls` invocations in each window of `multiples` times `granularity`, for all callers together."""

    calls: int
    renewal_period: str
    """As the file says it: `minute`, `5 minutes`."""
    multiples: int
    granularity: str
    """second, minute, hour, day, month or year."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An entry of endpoints.yaml: a provider, a model, and how to call it."""

    name: str
    type: str
    provider: Provider
    model: str | None
    settings: Settings = field(repr=False)
    translator: Translator
    url: str = field(repr=False)  # its query may hold a key
    stream_url: str = field(default="", repr=False)
    """For a stream, where it is another than `url`."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    """Where nobody else can be asked."""
    hurried: tuple[Timeouts, Timeouts] = field(default_factory=lambda: (Timeouts(), Timeouts()))
    """Where another target stands ready: of a whole answer, and of a stream."""
    policy: Policy = field(default_factory=Policy)
    fallbacks: tuple[Endpoint, ...] = field(default=(), repr=False)
    """Who is asked when this one fails, in order; their own fallbacks are not."""
    limit: Limit | None = None
    refuses_unsupported: bool = False
    """Whether a parameter that the provider does not know is refused, and not only named in a header."""
    fetch_images: bool = False
    """Whether images that clients name by URL are fetched for a provider that wants bytes."""

    @property
    def asks_usage(self) -> bool:
        """Whether its streams are asked to report usage."""
        return self.provider.asks_usage and self.settings.get("stream_usage", True)


@dataclass(frozen=True, slots=True)
class TrafficRoute:
    """A name that stands for several endpoints of one type, each with its share of the traffic in percent."""

    name: str
    type: str
    destinations: tuple[tuple[Endpoint, int], ...]
    fallbacks: tuple[Endpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Network:
    """How the gateway reaches providers: proxies and the authorities it trusts."""

    http_proxy: str | None = field(default=None, repr=False)  # may hold a password
    https_proxy: str | None = field(default=None, repr=False)
    no_proxy: str | None = None
    ca_bundle: str | None = None
    """Path of a PEM file; None: the bundle that comes with requests."""
    transport: str = "sockets"
    """Or `urllib3`: requests' own adapter."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of endpoints.yaml at one moment."""

    endpoints: Mapping[str, Endpoint]
    routes: Mapping[str, TrafficRoute]
    keep_alive: float = 15.0
    """Seconds of silence on a stream after which a comment is sent."""
    session_header: str = "X-Session-Id"
    """What a client says the same value in, to be kept to one destination of a route."""
    max_in_flight: int | None = None
    """Invocations at once, in one worker process; None: as many as come."""
    max_body: int = 32 * 1024 * 1024
    """Bytes of a request's body, as sent and as unpacked."""
    limits_storage: str | None = field(default=None, repr=False)  # may hold a password
    """URL of the store that counts limits; None: one that the workers of this machine share."""
    network: Network = Network()
    files: tuple[Path, ...] = ()
    """The configuration file and every file that a secret came from."""
    warnings: tuple[str, ...] = ()
