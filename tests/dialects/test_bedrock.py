"""Bedrock: its binary stream in whatever pieces, its errors' names, and bodies that AWS's own client would let out."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

pytest.importorskip("botocore", reason="needs the extra: pip install 'weir[bedrock]'")

from botocore.session import Session
from botocore.validate import ParamValidator

from app.dialects import bedrock as dialect
from app.errors import Cut, Garbled, Refused
from tests.dialects.cases import FIXTURES
from tests.dialects.event_stream import event, frame


def read(data: bytes, pieces: Iterator[int] | None = None) -> list[Any]:
    decoder, found, at = dialect.Decoder(), [], 0
    while at < len(data):
        size = next(pieces) if pieces else len(data)
        found += decoder.feed(data[at : at + size])
        at += size
    return [json.loads(item.data) for item in found + decoder.close()]


def test_events_are_the_same_however_they_are_cut() -> None:
    data = event("messageStart", {"role": "assistant", "p": "abc"}) + event(
        "contentBlockDelta", {"delta": {"text": "né"}}
    )
    whole = [{"messageStart": {"role": "assistant", "p": "abc"}}, {"contentBlockDelta": {"delta": {"text": "né"}}}]
    rng = random.Random(7)
    assert read(data) == read(data, iter([1] * len(data))) == whole
    for _ in range(20):
        assert read(data, iter(rng.choices(range(1, 40), k=len(data)))) == whole


def test_an_exception_inside_a_stream_is_an_error_with_its_status() -> None:
    headers = {":exception-type": "throttlingException", ":message-type": "exception"}
    (said,) = read(frame(headers, b'{"message":"slow down"}'))
    assert said == {"error": {"type": "throttlingException", "message": "slow down", "status_code": 429}}
    translated = dialect.CHAT.stream()
    next(translated)
    with pytest.raises(Refused) as caught:
        translated.send(said)
    assert (caught.value.status, caught.value.message, caught.value.type) == (429, "slow down", "throttlingException")


def test_an_error_of_the_stream_itself_has_its_words_in_the_headers() -> None:
    headers = {":error-code": "InternalFailure", ":error-message": "oh", ":message-type": "error"}
    (said,) = read(frame(headers, b""))
    assert said == {"error": {"message": "oh", "type": "InternalFailure", "status_code": 500}}


@pytest.mark.parametrize("place", range(60))
def test_a_byte_that_was_changed_is_garbled(place: int) -> None:
    data = bytearray(event("messageStop", {"stopReason": "end_turn"}))
    data[place] ^= 0x40
    with pytest.raises(Garbled):
        read(bytes(data))


def test_a_length_that_no_event_has_is_garbled_at_once() -> None:
    for size in (0, 15, 8 * 1024 * 1024 + 1):
        prelude = struct.pack(">II", size, 0)
        with pytest.raises(Garbled):
            dialect.Decoder().feed(prelude + struct.pack(">I", crc32(prelude)))


def test_a_payload_that_is_no_object_is_garbled() -> None:
    for payload in (b"[]", b"{", b"\xff"):
        with pytest.raises(Garbled):
            read(frame({":message-type": "event", ":event-type": "metadata"}, payload))


def test_what_came_whole_before_a_garbled_event_is_given_first() -> None:
    good, bad = event("messageStart", {"role": "assistant"}), bytearray(event("messageStop", {}))
    bad[-1] ^= 1
    decoder = dialect.Decoder()
    assert len(decoder.feed(good + bytes(bad))) == 1
    with pytest.raises(Garbled):
        decoder.close()


def test_a_stream_that_ends_inside_an_event_is_cut() -> None:
    with pytest.raises(Cut):
        read(event("messageStop", {"stopReason": "end_turn"})[:-1])


def test_a_stream_that_ends_before_its_stop_is_cut() -> None:
    translated = dialect.CHAT.stream()
    next(translated)
    translated.send({"messageStart": {"role": "assistant"}})
    with pytest.raises(Cut):
        translated.send(None)


# --- what goes out is what AWS's own client would let out


@pytest.mark.parametrize(
    "path", sorted(FIXTURES.glob("bedrock/chat*/upstream_request.json")), ids=lambda path: path.parent.name
)
def test_every_fixtures_request_is_valid_by_botocores_model(path: Path) -> None:
    shape = Session().get_service_model("bedrock-runtime").operation_model("Converse").input_shape
    report = ParamValidator().validate({"modelId": "m", **json.loads(path.read_text())}, shape)
    assert not report.has_errors(), report.generate_report()


def test_the_errors_name_is_read_from_its_header() -> None:
    assert (
        dialect.error_type({"X-Amzn-ErrorType": "ValidationException:http://internal.amazon.com/"})
        == "ValidationException"
    )
    assert dialect.error_type({"x-amzn-errortype": "com.amazon#ThrottlingException"}) == "ThrottlingException"
    assert dialect.error_type({}) is None
