"""Answers that come compressed though nobody asked."""

from __future__ import annotations

import gzip
import threading
import zlib
from contextlib import closing

import pytest

from app.errors import Cut, Garbled
from app.transport import Transport
from app.transport.unpacked import PIECE_BYTES
from tests.transport.calling import Making, call, drained
from tests.upstream import Reply, Upstream, Wait, chunk, piecewise

TEXT = b"data: " + bytes(range(256)) * 200


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def packed(body: bytes, coding: str, status: int = 200) -> Reply:
    return Reply(status, {"Content-Length": str(len(body)), "Content-Encoding": coding}, (body,))


@pytest.mark.parametrize("size", [None, 1])
@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(TEXT)),
        ("GZIP ", gzip.compress(TEXT)),
        ("x-gzip", gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:])),
        ("gzip", gzip.compress(TEXT) + bytes(16)),
        ("deflate", zlib.compress(TEXT)),
        ("deflate", bare(TEXT)),
        ("identity", TEXT),
    ],
)
def test_a_packed_answer_is_unpacked_however_it_is_cut(
    transport: Transport, coding: str, body: bytes, size: int | None
) -> None:
    with Upstream(piecewise(packed(body, coding), size) if size else packed(body, coding)) as upstream:
        assert transport.send(call(upstream.url)).body == TEXT
        assert transport.send(call(upstream.url)).body == TEXT
        assert upstream.connections == 1


def test_a_packed_stream_flows_event_by_event(transport: Transport) -> None:
    packer, next_one = zlib.compressobj(wbits=31), threading.Event()
    first = packer.compress(b"data: 1\n\n") + packer.flush(zlib.Z_SYNC_FLUSH)
    second = packer.compress(b"data: 2\n\n") + packer.flush()
    steps = (chunk(first), Wait(next_one), chunk(second), chunk(b""))
    with Upstream(Reply(200, {"Transfer-Encoding": "chunked", "Content-Encoding": "gzip"}, steps)) as upstream:
        response = transport.open(call(upstream.url))
        assert response.raw.read1(10) == b"data: 1\n\n"
        with pytest.raises(TimeoutError):
            response.raw.read1(0.01)
        next_one.set()
        assert drained(response.raw) == b"data: 2\n\n"
        response.raw.close()


def test_a_bomb_is_unpacked_by_pieces_and_only_up_to_the_limit(making: Making) -> None:
    bomb = gzip.compress(bytes(50 * PIECE_BYTES))
    with closing(making(max_answer_bytes=PIECE_BYTES)) as transport, Upstream(packed(bomb, "gzip")) as upstream:
        with pytest.raises(Garbled, match="longer than"):
            transport.send(call(upstream.url))
        response = transport.open(call(upstream.url))
        sizes = [len(piece) for piece in iter(lambda: response.raw.read1(10), b"")]
        assert (max(sizes), sum(sizes)) == (PIECE_BYTES, 50 * PIECE_BYTES)
        response.raw.close()


@pytest.mark.parametrize("body", [gzip.compress(TEXT)[:-1], gzip.compress(TEXT)[:40], b"\x1f"])
def test_a_packed_answer_that_is_not_whole_is_cut(transport: Transport, body: bytes) -> None:
    with Upstream(packed(body, "gzip")) as upstream, pytest.raises(Cut):
        transport.send(call(upstream.url))


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b'{"not": "gzip"}'),
        ("gzip", gzip.compress(TEXT)[:-8] + bytes(8)),
        ("deflate", b"\xff\xff\xff"),
        ("br", b"\x0b\x02\x80"),
        ("gzip, gzip", b""),
    ],
)
def test_what_does_not_unpack_is_garbled(transport: Transport, coding: str, body: bytes) -> None:
    with Upstream(packed(body, coding)) as upstream, pytest.raises(Garbled):
        transport.send(call(upstream.url))


def test_an_empty_answer_needs_no_unpacking(transport: Transport) -> None:
    with Upstream(packed(b"", "gzip")) as upstream:
        assert transport.send(call(upstream.url)).body == b""


def test_the_words_of_a_packed_error_are_read(transport: Transport) -> None:
    with Upstream(packed(gzip.compress(b"slow down"), "gzip", 429)) as upstream:
        answer = transport.send(call(upstream.url))
    assert (answer.status, answer.body) == (429, b"slow down")
