"""What a start prints: where the gateway is, what it serves, and a call to paste."""

from __future__ import annotations

from app.config import Endpoint, Live, Snapshot, TrafficRoute
from app.version import __version__

_EXAMPLES = {
    "llm/v1/chat": '{"messages": [{"role": "user", "content": "Hello, how are you?"}]}',
    "llm/v1/completions": '{"prompt": "The future of AI is", "max_tokens": 100}',
    "llm/v1/embeddings": '{"input": "Text to embed"}',
}


def banner(live: Live, addresses: list[str]) -> str:
    """What a start prints: the addresses, the endpoints, and a call to paste."""
    now = live.snapshot
    lines = [f"Weir {__version__} serves {live.path} at {', '.join(addresses)}", ""]
    lines += [_row(endpoint, f"{endpoint.provider.name} {endpoint.model or ''}") for endpoint in now.endpoints.values()]
    lines += [_row(route, f"route over {_names(route)}") for route in now.routes.values()]
    lines += ["", *_paste(now, addresses[0])]
    lines += [f"warning: {warning}" for warning in now.warnings]
    return "\n".join(lines) + "\n"


def _row(target: Endpoint | TrafficRoute, words: str) -> str:
    return f"  {target.name:<20} {target.type:<20} {words}".rstrip()


def _names(route: TrafficRoute) -> str:
    return ", ".join(endpoint.name for endpoint, _ in route.destinations)


def _paste(now: Snapshot, address: str) -> list[str]:
    endpoint = next(iter(now.endpoints.values()), None)
    if endpoint is None:
        return ["There are no endpoints yet."]
    socket = f"--unix-socket {address.removeprefix('unix:')} " if address.startswith("unix:") else ""
    base = "http://localhost" if socket else address
    return [
        "Try it:",
        "",
        f"  curl {socket}{base}/gateway/{endpoint.name}/invocations -H 'Content-Type: application/json' \\",
        f"    -d '{_EXAMPLES[endpoint.type]}'",
        "",
        f"Documentation: {base}/docs" if not socket else "",
    ]
