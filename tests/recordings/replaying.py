"""The gateway under gunicorn, an endpoint per recording, and a provider on loopback that answers as recorded."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from types import TracebackType

from openai import OpenAI

from tests.clients.openai_python import client_of
from tests.recordings import left_out
from tests.recordings.endpoints import endpoint
from tests.recordings.payloads import payload
from tests.recordings.reading import Reading, read
from tests.recordings.recorded import Recording, recordings
from tests.replies import Reply, Request, json_reply
from tests.running import RunningGateway
from tests.upstream import Upstream


@cache
def replayed() -> tuple[Recording, ...]:
    """The recordings that are replayed."""
    return tuple(recording for recording in recordings() if left_out.reason(recording) is None)


class Replay:
    """A context manager; called with a recording it says what OpenAI's SDK reads."""

    def __enter__(self) -> Replay:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            self.upstream = stack.enter_context(Upstream(self._reply))
            self._sent: dict[str, Request] = {}
            self._named = {f"r{number}": recording for number, recording in enumerate(replayed())}
            entries = [endpoint(known, name, self.upstream.url) for name, known in self._named.items()]
            gateway = stack.enter_context(RunningGateway({"endpoints": entries}, directory, workers=1))
            self._strict: OpenAI = stack.enter_context(client_of(gateway))
            self._lenient: OpenAI = stack.enter_context(client_of(gateway, _strict_response_validation=False))
            self._read: Callable[[str], Reading] = cache(self._fresh)
            self._open = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._open.close()

    def __call__(self, recording: Recording) -> Reading:
        """What is read; each recording is replayed once."""
        return self._read(self._name(recording))

    def sent(self, recording: Recording) -> Request:
        """The request that the gateway made of a recording's."""
        self(recording)
        return self._sent[self._name(recording)]

    def _name(self, recording: Recording) -> str:
        return next(name for name, known in self._named.items() if known == recording)

    def _fresh(self, name: str) -> Reading:
        recording = self._named[name]
        return read(self._strict, self._lenient, recording, {**payload(recording), "model": name})

    def _reply(self, request: Request) -> Reply:
        name = request.target.split("/")[1]
        if name == "token":  # Google's, for Vertex AI
            return json_reply({"access_token": "a-token", "expires_in": 3600, "token_type": "Bearer"})
        self._sent[name] = request
        return self._named[name].reply()
