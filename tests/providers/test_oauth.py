"""OAuth's client credentials: what the answer to a grant's call is read as."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from app.errors import Garbled
from app.providers.oauth import read_token


@pytest.mark.parametrize(
    ("said", "seconds"), [(3600, 3600), (59.5, 59.5), ("3599", 3599), (None, 0), ("soon", 0), ([], 0), ("nan", 0)]
)
def test_a_token_lasts_as_long_as_is_said_even_as_a_string(said: Any, seconds: float) -> None:
    token = read_token(200, orjson.dumps({"access_token": "t", "expires_in": said}), asked=100.0)
    assert (token.value, token.ends) == ("t", 100 + seconds)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{}", b'{"access_token": ""}', b'{"access_token": 1}'])
def test_an_answer_without_a_token_is_garbled(body: bytes) -> None:
    with pytest.raises(Garbled):
        read_token(200, body, asked=0.0)
