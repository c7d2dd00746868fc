"""What only the plain adapter does, and which adapter has which name."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
import requests

from app.call import Timeouts
from app.errors import Cut
from app.transport import PlainAdapter, SocketAdapter, adapter_for
from tests.upstream import Hang, Reply, Upstream


def test_the_names_that_a_configuration_has_for_the_adapters() -> None:
    kinds = {"sockets": SocketAdapter, "urllib3": PlainAdapter}
    for name, kind in kinds.items():
        with closing(adapter_for(name)) as adapter:
            assert type(adapter) is kind


def test_a_whole_answer_that_was_not_waited_for_is_not_taken_for_one_that_ended() -> None:
    request = requests.PreparedRequest()
    request.method, request.headers = "GET", requests.structures.CaseInsensitiveDict()
    with Upstream(Reply(200, {"Content-Length": "10"}, (b"half", Hang()))) as upstream:
        request.url = upstream.url
        with closing(PlainAdapter()) as adapter:
            body: Any = adapter.send(request, stream=False, timeout=Timeouts()).raw
            assert body.read1(10) == b"half"
            with pytest.raises(TimeoutError):
                body.read1(0.01)
            with pytest.raises(Cut):
                body.read1(10)
            body.close()
